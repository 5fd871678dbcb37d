//! Changes of rights that answers which are still used may not know of.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::roll::SETTLED;
use crate::access::{Identity, Whom, answers::TTL, ask::Question, reviews::DECISION};

/// Changes that are told apart. Those of more are taken together.
const MOST: usize = 64;
/// The same of the places that they name.
const PAIRS: usize = 65_536;
/// How old an answer may be by which a standing is made.
const LASTS: Duration = Duration::from_secs(TTL.as_secs() + DECISION.as_secs());

/// The latest changes, by when they were heard of, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(Instant, Whom)>);

impl Recent {
    pub(super) fn add(&mut self, heard: Instant, whom: Whom, now: Instant) {
        self.forget(now);
        let pairs: usize = self.0.iter().map(|(_, whom)| whom.pairs()).sum();
        let many = self.0.len() >= MOST || pairs >= PAIRS;
        match self.0.back_mut() {
            Some((at, all)) if many => {
                all.merge(whom);
                *at = heard;
            }
            _ => self.0.push_back((heard, whom)),
        }
    }

    /// Lets go those that all answers know of.
    pub(super) fn forget(&mut self, now: Instant) {
        let known = |at: Instant| now.saturating_duration_since(at) > LASTS + SETTLED;
        while self.0.front().is_some_and(|(at, _)| known(*at)) {
            self.0.pop_front();
        }
    }

    /// When one was last heard of that may concern these rights, and of which an answer that was
    /// asked for then may not know.
    pub(super) fn last(
        &self,
        identity: &Identity,
        questions: &[Question],
        asked: Instant,
    ) -> Option<Instant> {
        let latest = self.0.iter().rev();
        let mut unknown = latest.take_while(|(heard, _)| asked < *heard + SETTLED);
        unknown
            .find(|(_, whom)| whom.concerns(identity, questions))
            .map(|(heard, _)| *heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(1);

    /// All in a group.
    fn group(name: &str) -> Whom {
        let mut whom = Whom::default();
        whom.add_group("", name);
        whom
    }

    fn ann() -> Identity {
        Identity {
            username: "ann".into(),
            groups: vec!["everybody".into()],
            ..Identity::default()
        }
    }

    fn questions() -> Vec<Question> {
        vec![Question::Path {
            path: "/".into(),
            verb: "get",
        }]
    }

    #[test]
    fn of_what_an_answer_knows_nothing_is_said() {
        let began = Instant::now();
        let mut recent = Recent::default();
        recent.add(began, group("everybody"), began);
        recent.add(began + STEP, group("others"), began + STEP);
        let last = |asked| recent.last(&ann(), &questions(), asked);
        assert_eq!(last(began), Some(began));
        assert_eq!(last(began + SETTLED - STEP / 2), Some(began));
        assert_eq!(last(began + SETTLED), None);
    }

    #[test]
    fn they_are_forgotten_once_no_answer_is_so_old() {
        let began = Instant::now();
        let mut recent = Recent::default();
        recent.add(began, group("everybody"), began);
        recent.add(began + STEP, group("everybody"), began + STEP);
        recent.forget(began + LASTS + SETTLED);
        assert_eq!(recent.0.len(), 2);
        recent.forget(began + LASTS + SETTLED + STEP);
        assert_eq!(recent.0.len(), 1);
        recent.forget(began + LASTS + SETTLED + 2 * STEP);
        assert!(recent.0.is_empty());
    }

    #[test]
    fn many_are_taken_together_and_none_is_lost() {
        let began = Instant::now();
        let mut recent = Recent::default();
        for _ in 0..MOST {
            recent.add(began, group("others"), began);
        }
        recent.add(began + STEP, group("everybody"), began + STEP);
        assert_eq!(recent.0.len(), MOST);
        let last = recent.last(&ann(), &questions(), began);
        assert_eq!(last, Some(began + STEP));
    }

    #[test]
    fn wide_ones_are_taken_together_too() {
        let began = Instant::now();
        let mut recent = Recent::default();
        let mut wide = Whom::default();
        for number in 0..20_000 {
            wide.add_group(&number.to_string(), "others");
        }
        for _ in 0..20 {
            recent.add(began, wide.clone(), began);
        }
        assert_eq!(recent.0.len(), 4);
    }
}
