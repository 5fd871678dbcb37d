//! What a watch tells people beside its events.

use crate::{
    client::{ResetReason, Step},
    proto::v1,
};

/// Turns steps into sentences. Keeps as much as it takes to say nothing twice.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    degraded: bool,
    connected_before: bool,
}

impl Notices {
    /// The sentence that a step is worth, if any.
    pub(crate) fn text(&mut self, step: &Step) -> Option<String> {
        match step {
            Step::Started(started) => self.started(started.outcome()),
            Step::SnapshotEnd(end) => {
                let objects = if end.count == 1 { "object" } else { "objects" };
                Some(format!(
                    "{} {objects} at resourceVersion {}; watching",
                    end.count, end.resource_version
                ))
            }
            Step::Reset(reason) => {
                let why = match reason {
                    ResetReason::Expired => "the position is older than the history",
                    ResetReason::Lagged => "this reader was too slow",
                    ResetReason::Rewound => "the cluster's history was rewound",
                    ResetReason::Interrupted => "the stream broke where it can't be continued",
                    _ => "the stream can't be continued",
                };
                Some(format!("reset: {why}; all objects follow anew"))
            }
            Step::UpstreamState(state) => self.upstream(state.health()),
            Step::Draining(_) => Some("the server is about to stop".to_owned()),
            Step::Disconnected { error, retry_in } => {
                let seconds = retry_in.as_secs_f64();
                Some(format!("disconnected: {error}; next try in {seconds:.1} s"))
            }
            _ => None,
        }
    }

    fn started(&mut self, outcome: v1::StartOutcome) -> Option<String> {
        let again = std::mem::replace(&mut self.connected_before, true);
        let text = match outcome {
            v1::StartOutcome::Resumed => "resumed: nothing was missed",
            v1::StartOutcome::Resynced => {
                "resumed with the difference between then and now: steps in between aren't shown"
            }
            v1::StartOutcome::FromNow => "watching from now on",
            _ if again => "connected again",
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn upstream(&mut self, health: v1::UpstreamHealth) -> Option<String> {
        let degraded = health == v1::UpstreamHealth::Degraded;
        if std::mem::replace(&mut self.degraded, degraded) == degraded {
            return None;
        }
        let text = if degraded {
            "the server lost the apiserver: changes will be late, none will be lost"
        } else {
            "the server has the apiserver again"
        };
        Some(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::CallError;

    fn started(outcome: v1::StartOutcome) -> Step {
        Step::Started(v1::Started {
            outcome: outcome.into(),
            ..Default::default()
        })
    }

    fn upstream(health: v1::UpstreamHealth) -> Step {
        Step::UpstreamState(v1::UpstreamState {
            health: health.into(),
            since: None,
        })
    }

    #[test]
    fn tells_the_story_of_a_watch_once() {
        let end = |count| {
            Step::SnapshotEnd(v1::SnapshotEnd {
                count,
                resource_version: "9".into(),
                ..Default::default()
            })
        };
        let story = [
            (started(v1::StartOutcome::Snapshot), ""),
            (upstream(v1::UpstreamHealth::Healthy), ""),
            (end(1), "1 object at resourceVersion 9; watching"),
            (end(0), "0 objects at resourceVersion 9; watching"),
            (Step::Bookmark(v1::Bookmark::default()), ""),
            (
                upstream(v1::UpstreamHealth::Degraded),
                "the server lost the apiserver: changes will be late, none will be lost",
            ),
            (upstream(v1::UpstreamHealth::Degraded), ""),
            (
                upstream(v1::UpstreamHealth::Healthy),
                "the server has the apiserver again",
            ),
            (
                Step::Draining(v1::Draining::default()),
                "the server is about to stop",
            ),
            (
                Step::Disconnected {
                    error: CallError::unavailable("draining"),
                    retry_in: Duration::from_millis(1_240),
                },
                "disconnected: draining; next try in 1.2 s",
            ),
            (
                started(v1::StartOutcome::Resumed),
                "resumed: nothing was missed",
            ),
            (started(v1::StartOutcome::Snapshot), "connected again"),
            (
                Step::Reset(ResetReason::Lagged),
                "reset: this reader was too slow; all objects follow anew",
            ),
        ];
        let mut notices = Notices::default();
        for (step, expected) in story {
            let text = notices.text(&step).unwrap_or_default();
            assert_eq!(text, expected, "{step:?}");
        }
    }
}
