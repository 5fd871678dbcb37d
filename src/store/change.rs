//! One step of a resource's history.

use std::sync::Arc;

use crate::resource::{Object, ResourceVersion};

/// Counts the changes of one cache, without gaps. Orders what resourceVersions can't: changes that
/// share one, and resources whose versions have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// Where every cache begins. Far from zero, because older history can be put in front.
    pub const ORIGIN: Self = Self(1 << 40);

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The one that stands `steps` before.
    #[must_use]
    pub fn back(self, steps: usize) -> Self {
        Self(self.0 - steps as u64)
    }

    /// The one that stands `steps` after.
    #[must_use]
    pub fn forward(self, steps: usize) -> Self {
        Self(self.0 + steps as u64)
    }

    /// How many steps lie between `earlier` and this one; zero if there is none.
    pub fn steps_since(self, earlier: Self) -> usize {
        usize::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(usize::MAX)
    }
}

/// One object going from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place in the history.
    pub seq: Seq,
    /// The seq of the last change that belongs together with this one: found in one comparison,
    /// they share one position, which is reached only after the last.
    pub group_end: Seq,
    /// The resourceVersion of this change.
    pub version: ResourceVersion,
    /// What a reader has seen everything up to, once it has seen the whole group.
    pub position: ResourceVersion,
    /// How it became known.
    pub cause: ChangeCause,
    /// The state before; `None` if there was none.
    pub prev: Option<Arc<Object>>,
    /// The state after; `None` if there is none.
    pub cur: Option<Arc<Object>>,
}

/// How a change became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeCause {
    /// The apiserver's watch told it.
    Write,
    /// Two states were compared after a break in the history.
    Resync,
}

impl Change {
    /// Bytes of memory that the change alone keeps alive. The state after it is the current one, or
    /// the one before a later change, which stays for longer; the state before it is nobody else's.
    pub fn weight(&self) -> usize {
        let object = self.prev.as_ref();
        std::mem::size_of::<Self>() + object.map_or(0, |object| object.weight())
    }
}
