//! The absence of one subscriber, on purpose: what it misses, and what its token is worth.

use anyhow::Context as _;

use super::{
    CANARY, Show,
    subscriber::{Seen, connect},
};
use crate::{client::Step, proto::v1::StartOutcome};

/// Changes that the canary should miss at least.
const MISSES: usize = 3;

/// Where the story stands.
#[derive(Debug)]
pub(super) enum Absence {
    /// It has not left yet.
    ToCome,
    /// Its connection is closed.
    Away(Away),
    /// It has opened a stream with its token.
    Back(Back),
    /// It has everything that it had missed.
    Over(Back),
}

/// While it is away.
#[derive(Debug)]
pub(super) struct Away {
    /// Everything up to here it had.
    position: u64,
    /// Changes in the cluster since.
    pub(super) ticks: usize,
}

/// After it came back.
#[derive(Debug)]
pub(super) struct Back {
    /// Everything up to here it had when it left.
    position: u64,
    /// By the cluster's log: what it missed.
    pub(super) missed: Vec<Seen>,
    /// Where the cluster stood when it came back.
    until: u64,
    /// What the daemon made of the token.
    pub(super) outcome: Option<StartOutcome>,
    /// What was delivered of the time when it was away.
    pub(super) delivered: Vec<Seen>,
}

impl Absence {
    /// Whether nothing of it is left to be played.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Over(_))
    }
}

impl Back {
    /// Whether the token kept its promise: everything missed, nothing else, nothing twice.
    pub(super) fn is_complete(&self) -> bool {
        self.outcome == Some(StartOutcome::Resumed) && self.delivered == self.missed
    }
}

impl Show {
    /// Closes the canary's connection.
    pub(super) fn canary_leaves(&mut self) -> anyhow::Result<()> {
        let canary = &self.subscribers[CANARY];
        canary.leave();
        self.screen.remark(&format!(
            "{} leaves: its connection is closed; the next one will show this token:",
            canary.name
        ))?;
        self.screen.token(&canary.token)?;
        self.absence = Absence::Away(Away {
            position: canary.position,
            ticks: 0,
        });
        Ok(())
    }

    /// Connects the canary again as soon as it has missed enough.
    pub(super) async fn canary_comes_back(&mut self) -> anyhow::Result<()> {
        let Absence::Away(away) = &self.absence else {
            return Ok(());
        };
        let (position, until) = (away.position, self.world.last_version());
        let filter = self.subscribers[CANARY].filter();
        let (missed, _) = self.world.expected(&filter, position, until);
        if missed.len() < MISSES && self.closing.is_none() {
            return Ok(());
        }
        self.screen.remark(&format!(
            "{} comes back with its token; meanwhile it has missed {} changes",
            self.subscribers[CANARY].name,
            missed.len()
        ))?;
        self.absence = Absence::Back(Back {
            position,
            missed,
            until,
            outcome: None,
            delivered: Vec::new(),
        });
        let client = connect(self.world.daemon)
            .await
            .context("the canary cannot come back")?;
        let stream = self.subscribers[CANARY].open(CANARY, client);
        self.audience.push(stream);
        Ok(())
    }

    /// Brings the canary back if the end has come while it was away.
    pub(super) async fn come_back_at_the_end(&mut self) -> anyhow::Result<()> {
        match self.absence {
            Absence::Away(_) => self.canary_comes_back().await,
            _ => Ok(()),
        }
    }

    /// Follows the canary on its way back.
    pub(super) fn canary_has(&mut self, step: &Step) -> anyhow::Result<()> {
        let Absence::Back(back) = &mut self.absence else {
            return Ok(());
        };
        if let Step::Started(started) = step {
            let outcome = started.outcome();
            back.outcome = Some(outcome);
            let word = outcome.as_str_name();
            let word = word.trim_start_matches("START_OUTCOME_");
            return self
                .screen
                .remark(&format!("outcome {word}: what was missed follows"));
        }
        let canary = &self.subscribers[CANARY];
        if back.outcome.is_none() || canary.position < back.until {
            return Ok(());
        }
        back.delivered = canary.seen_after(back.position);
        back.delivered.retain(|seen| seen.version <= back.until);
        let told = if back.is_complete() {
            format!("{} has all {}, none twice", canary.name, back.missed.len())
        } else {
            format!(
                "{} has {} of {}: the token did not keep its promise",
                canary.name,
                back.delivered.len(),
                back.missed.len()
            )
        };
        let back = std::mem::replace(&mut self.absence, Absence::ToCome);
        if let Absence::Back(back) = back {
            self.absence = Absence::Over(back);
        }
        self.screen.remark(&told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(version: u64) -> Seen {
        Seen {
            version,
            kind: "ADDED".to_owned(),
            key: "shop/web".to_owned(),
        }
    }

    #[test]
    fn a_promise_is_kept_only_in_full() {
        let table = [
            (StartOutcome::Resumed, vec![4, 7], true),
            (StartOutcome::Resumed, vec![4], false),
            (StartOutcome::Resumed, vec![4, 4, 7], false),
            (StartOutcome::Resumed, vec![7, 4], false),
            (StartOutcome::Resynced, vec![4, 7], false),
        ];
        for (outcome, delivered, kept) in table {
            let back = Back {
                position: 3,
                missed: vec![seen(4), seen(7)],
                until: 8,
                outcome: Some(outcome),
                delivered: delivered.into_iter().map(seen).collect(),
            };
            assert_eq!(back.is_complete(), kept, "{back:?}");
        }
    }
}
