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
    /// Whether it lies between events that belong together.
    pub(super) within: bool,
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
            within: false,
            in_log: true,
            epoch,
        }
    }

    /// Moves on to `after`, over changes that are not shown. The position is as good as before.
    pub(super) fn pass(&mut self, after: Seq) {
        self.after = self.after.max(after);
    }

    /// Moves on to `after`, behind events if some were `told`; `position` if there is one.
    pub(super) fn advance(&mut self, after: Seq, position: Option<ResourceVersion>, told: bool) {
        self.after = after;
        self.exact = position.is_some();
        match position {
            Some(version) => {
                self.version = version;
                self.within = false;
            }
            None => self.within |= told,
        }
    }
}
