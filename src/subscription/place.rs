//! Where a subscription stands.

use crate::{
    resource::ResourceVersion,
    store::{Head, Seq},
};

/// A place in a feed.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Everything up to this change was delivered or filtered out.
    pub(super) after: Seq,
    /// The newest position that this amounts to.
    pub(super) version: ResourceVersion,
    /// Whether it amounts to just that; inside of a group the position is an older one.
    pub(super) exact: bool,
    /// Whether `after` can be looked for in the log of a view.
    pub(super) in_log: bool,
    pub(super) epoch: u32,
}

impl Place {
    /// The newest place.
    pub(super) fn at(head: Head, epoch: u32) -> Self {
        Self {
            after: head.seq,
            version: head.version,
            exact: true,
            in_log: true,
            epoch,
        }
    }

    /// Moves on to `after`; `position` if there is one.
    pub(super) fn advance(&mut self, after: Seq, position: Option<ResourceVersion>) {
        self.after = after;
        self.exact = position.is_some();
        if let Some(version) = position {
            self.version = version;
        }
    }
}
