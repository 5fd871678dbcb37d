//! Changes of rights that answers which are still used may not know of.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::access::{Identity, Whom, answers::TTL, ask::Question, reviews::DECISION};

/// Changes that are told apart. Those of more are taken together.
const MOST: usize = 64;
/// How old an answer may be by which a standing is made.
const LASTS: Duration = Duration::from_secs(TTL.as_secs() + DECISION.as_secs());

/// The latest changes, by when they were heard of, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(Instant, Whom)>);

impl Recent {
    pub(super) fn add(&mut self, heard: Instant, whom: Whom, now: Instant) {
        let old = |at: Instant| now.saturating_duration_since(at) > LASTS;
        while self.0.front().is_some_and(|(at, _)| old(*at)) {
            self.0.pop_front();
        }
        let many = self.0.len() >= MOST;
        match self.0.back_mut() {
            Some((at, all)) if many => {
                all.merge(whom);
                *at = heard;
            }
            _ => self.0.push_back((heard, whom)),
        }
    }

    /// When one was last heard of that may concern these rights.
    pub(super) fn last(&self, identity: &Identity, questions: &[Question]) -> Option<Instant> {
        let mut latest = self.0.iter().rev();
        latest
            .find(|(_, whom)| whom.concerns(identity, questions))
            .map(|(heard, _)| *heard)
    }
}
