//! How a subscription begins.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Phase, Subscription};
use crate::{
    selector::Query,
    subscription::{
        Begin, Control, Feed, OnExpired, Outcome, Plan, ResetReason, UpstreamHealth, place::Place,
        snapshot::SnapshotRead,
    },
    view::Backlog,
};

/// What stays of a [`Begin`] once its plan has been carried out.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) on_expired: OnExpired,
    pub(super) bookmark_interval: Duration,
    pub(super) deadline: Option<Instant>,
    pub(super) reconnect_delay: Duration,
}

impl Subscription {
    /// Opens a subscription on a synced feed.
    pub fn new(feed: &Arc<Feed>, query: &Query, begin: Begin, now: Instant) -> Self {
        let seat = feed.seat(query, now + begin.bookmark_interval);
        let scope = feed.scope(query);
        let head = feed.look().head;
        let place = Place::at(head, feed.epoch());
        let mut subscription = Self {
            seat,
            scope,
            terms: Terms {
                on_expired: begin.on_expired,
                bookmark_interval: begin.bookmark_interval,
                deadline: begin.deadline,
                reconnect_delay: begin.reconnect_delay,
            },
            phase: Phase::Live,
            queue: VecDeque::new(),
            untold: Backlog::default(),
            ending: None,
            place,
            turn: None,
            health: UpstreamHealth::Healthy,
            gone: false,
            draining: false,
            last_sent: now,
        };
        subscription.start(begin.plan);
        subscription
    }

    fn start(&mut self, plan: Plan) {
        let current = self.seat.feed.epoch();
        if plan.epoch().is_some_and(|epoch| epoch != current) {
            // Rewound since the plan was made.
            self.started(Outcome::Snapshot);
            self.expired(ResetReason::Rewound);
            return;
        }
        match plan {
            Plan::Snapshot(reason) => {
                self.started(Outcome::Snapshot);
                self.begin_snapshot(reason);
            }
            Plan::After {
                seq,
                version,
                epoch,
                outcome,
            } => {
                self.place = Place {
                    after: seq,
                    version,
                    exact: true,
                    within: false,
                    in_log: self.seat.feed.agrees_with_logs(seq),
                    epoch,
                };
                self.started(outcome);
                if outcome == Outcome::FromNow {
                    // Without a position a client that is cut off now would have to start over.
                    self.bookmark();
                }
            }
            Plan::Ahead { version, epoch } => {
                self.place.version = version;
                self.place.epoch = epoch;
                self.phase = Phase::Ahead;
                self.started(Outcome::Resumed);
            }
            Plan::Difference {
                difference,
                head,
                epoch,
            } => {
                self.place = Place::at(head, epoch);
                self.started(Outcome::Resynced);
                self.untold = Backlog::new(difference);
            }
        }
    }

    fn started(&mut self, outcome: Outcome) {
        let epoch = self.place.epoch.to_string();
        self.control(Control::Started { outcome, epoch });
    }

    pub(super) fn begin_snapshot(&mut self, reason: Option<ResetReason>) {
        let (shared, head, epoch) = self.seat.feed.snapshot(&self.seat.view);
        self.place = Place::at(head, epoch);
        if let Some(reason) = reason {
            self.control(Control::Reset {
                reason,
                epoch: epoch.to_string(),
            });
        }
        self.phase = Phase::Snapshot(SnapshotRead::new(shared));
    }
}
