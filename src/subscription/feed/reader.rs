//! What the readers of a feed ask.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{Feed, FeedSize, Look, Position, Seat};
use crate::{
    resource::{Key, Object, ResourceVersion},
    selector::Query,
    store::{Head, Located, Objects, Seq, Snapshot},
    subscription::Closed,
    view::{Difference, Mint, QuerySize, SharedSnapshot, View},
};

/// Why a difference can't be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDifference {
    /// The older state is of another epoch.
    Rewound,
    /// The budget has no room for it.
    NoRoom,
}

impl Feed {
    /// Takes a place in the view of a query.
    pub(in crate::subscription) fn seat(self: &Arc<Self>, query: &Query, due: Instant) -> Seat {
        let mut state = self.state.lock();
        let start = state.cache.head().seq;
        let (scope, epoch) = (self.scope(query), self.epoch.clone());
        let mint = || -> Mint {
            Box::new(move |version| {
                let epoch = epoch.load(Ordering::Acquire);
                scope.token(&Position {
                    epoch,
                    version: version.clone(),
                })
            })
        };
        let view = state.views.view(query, mint, start);
        let reader = view.join(start, due);
        Seat {
            feed: self.clone(),
            view,
            reader,
        }
    }

    /// The newest point and the state of upstream.
    pub(in crate::subscription) fn look(&self) -> Look {
        let state = self.state.lock();
        Look {
            head: state.cache.head(),
            upstream: state.upstream,
        }
    }

    /// The newest point, if a reader that has read its view up to `after` has seen everything
    /// before it.
    pub(in crate::subscription) fn head_if_read(&self, seat: &Seat, after: Seq) -> Option<Head> {
        let state = self.state.lock();
        (seat.view.last() <= after).then(|| state.cache.head())
    }

    /// The state to start from.
    pub(in crate::subscription) fn snapshot(
        &self,
        view: &View,
    ) -> (Arc<SharedSnapshot>, Head, u32) {
        let state = self.state.lock();
        let head = state.cache.head();
        (
            view.snapshot(|| state.cache.snapshot(), &head),
            head,
            self.epoch(),
        )
    }

    /// Whether the logs of views mean the same change by this seq as the history does.
    pub(in crate::subscription) fn agrees_with_logs(&self, seq: Seq) -> bool {
        self.state.lock().cache.is_unique(seq)
    }

    /// Where a position stands, with the epoch and the oldest position that can be continued.
    pub fn locate(&self, version: &ResourceVersion) -> (Located, u32, ResourceVersion) {
        let state = self.state.lock();
        (
            state.cache.locate(version),
            self.epoch(),
            state.cache.floor().clone(),
        )
    }

    /// The difference between an older state of an epoch and now, and the point that it leads to.
    ///
    /// # Errors
    /// The epoch is over, or the budget has no room for what only the difference would hold.
    pub fn difference_from(
        &self,
        objects: &Objects,
        epoch: u32,
    ) -> Result<(Arc<Difference>, Head), NoDifference> {
        let (changes, head) = {
            let state = self.state.lock();
            if epoch != self.epoch() {
                return Err(NoDifference::Rewound);
            }
            (state.cache.difference_from(objects), state.cache.head())
        };
        match Difference::new(changes, &self.budget) {
            Some(difference) => Ok((difference, head)),
            None => Err(NoDifference::NoRoom),
        }
    }

    /// One object and the position that was read.
    pub fn get(&self, key: &Key) -> (Option<Arc<Object>>, ResourceVersion) {
        let state = self.state.lock();
        (state.cache.get(key).cloned(), state.cache.head().version)
    }

    /// All objects as they are, and the position that this is.
    pub fn objects(&self) -> (Objects, Position) {
        let state = self.state.lock();
        let Snapshot { objects, head } = state.cache.snapshot();
        let epoch = self.epoch();
        (
            objects,
            Position {
                epoch,
                version: head.version,
            },
        )
    }

    /// All objects as they were at a position.
    ///
    /// # Errors
    /// [`Closed::Rewound`] or [`Closed::Expired`] if that is no longer known.
    pub fn objects_at(&self, position: &Position) -> Result<Objects, Closed> {
        let state = self.state.lock();
        if position.epoch != self.epoch() {
            return Err(Closed::Rewound);
        }
        let objects = match state.cache.locate(&position.version) {
            Located::At(seq) => state.cache.objects_at(seq),
            Located::Expired | Located::Future => None,
        };
        objects.ok_or_else(|| Closed::Expired {
            requested: position.version.clone(),
            oldest: state.cache.floor().clone(),
        })
    }

    /// The newest point.
    pub fn head(&self) -> Head {
        self.state.lock().cache.head()
    }

    /// The current epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Counts the changes of upstream's health.
    pub(in crate::subscription) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    /// The oldest position that the history reaches back to.
    pub fn floor(&self) -> ResourceVersion {
        self.state.lock().cache.floor().clone()
    }

    /// The distinct queries that are read, in no order.
    pub fn queries(&self) -> Vec<QuerySize> {
        self.state.lock().views.queries()
    }

    /// Sizes for metrics.
    pub fn size(&self) -> FeedSize {
        let state = self.state.lock();
        let (history_changes, history_bytes) = state.cache.history_size();
        let (views, subscriptions, log_bytes) = state.views.size();
        FeedSize {
            objects: state.cache.object_count(),
            history_changes,
            history_bytes,
            views,
            subscriptions,
            log_bytes,
        }
    }

    /// How long upstream has been silent.
    pub fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.state.lock().upstream.heard)
    }
}
