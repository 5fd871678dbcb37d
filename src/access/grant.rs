//! The proof that somebody may read something. Nothing outside this room can make one.

use std::{fmt, marker::PhantomData, sync::Arc};

use super::{Named, Scope, Watcher, standing::Standing};
use crate::{resource::ResourceInfo, selector::Membership};

/// The right `R` to a scope whose resource is named, and may or may not exist.
pub struct Permit<R> {
    scope: Scope,
    standing: Option<Arc<Standing>>,
    right: PhantomData<fn() -> R>,
}

/// The right `R` to objects of a resource.
///
/// A subscription or a read is made of one, and shows what the grant says: its resource, its
/// membership.
pub struct Grant<R> {
    info: ResourceInfo,
    membership: Membership,
    standing: Option<Arc<Standing>>,
    right: PhantomData<fn() -> R>,
}

impl<R> Permit<R> {
    pub(super) fn new(scope: Scope, standing: Option<Arc<Standing>>) -> Self {
        Self {
            scope,
            standing,
            right: PhantomData,
        }
    }

    /// The name of the resource.
    pub fn resource(&self) -> &Named {
        &self.scope.resource
    }

    #[cfg(test)]
    pub(super) fn standing(&self) -> Option<Arc<Standing>> {
        self.standing.clone()
    }

    /// Says which resource the name has led to; `None` if it is not one that the name stands for.
    pub fn on(self, info: ResourceInfo) -> Option<Grant<R>> {
        self.scope.resource.names(&info).then_some(Grant {
            info,
            membership: self.scope.membership,
            standing: self.standing,
            right: PhantomData,
        })
    }
}

impl<R> Grant<R> {
    /// The resource.
    pub fn info(&self) -> &ResourceInfo {
        &self.info
    }

    /// Which of its objects.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Watches whether it still holds.
    pub fn watcher(&self) -> Watcher {
        Watcher::new(self.standing.clone())
    }
}

impl<R> fmt::Debug for Permit<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for Grant<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("resource", &self.info.gvr)
            .field("membership", &self.membership)
            .finish_non_exhaustive()
    }
}
