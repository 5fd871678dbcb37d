//! Who is let in, and whether that can be found out at all.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use tracing::{info, warn};

use crate::{
    access::{Gate, Policy, Quota, Unable},
    admin::Readiness,
    cacher::Spawn,
    rbac::{self, Tell},
    reflector::ApiClient,
    resource::Reach,
    runtime::args::AccessArgs,
};

/// Between two trials of the right to create reviews, as long as they succeed and after one that
/// did not.
const TRIALS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3));

/// About how long what the daemon may not watch is left alone.
const PAUSE: Duration = Duration::from_secs(60);

/// Warns of what the operator has asked for. The demo asks for it too, and serves nothing of anybody.
pub(super) fn caution(args: &AccessArgs) {
    if args.insecure_allow_anyone {
        warn!(
            "--insecure-allow-anyone: nobody is asked who they are, and whoever reaches this \
             daemon may read all that it may read"
        );
    }
}

/// Makes the gate that the flags ask for.
///
/// # Errors
/// The flags contradict each other.
pub(super) fn gate(
    args: &AccessArgs,
    client: ApiClient,
    reach: &Reach,
    readiness: &Arc<Readiness>,
    spawn: &Spawn,
) -> anyhow::Result<Gate> {
    let quota = Quota {
        streams: args.streams_per_identity,
        reviews: args.reviews_per_identity,
        all_streams: args.max_streams,
        ..Quota::default()
    };
    if args.insecure_allow_anyone {
        return Ok(Gate::open_to_anyone(quota));
    }
    if args
        .token_audience
        .iter()
        .any(|name| name.trim().is_empty())
    {
        bail!("--token-audience: an audience has no name; leave the flag out for informerd");
    }
    let policy = Policy {
        audiences: args.token_audience.clone(),
        accept_apiserver_audience: args.accept_apiserver_audience,
        recheck_interval: args.recheck_interval,
        recheck_outage: args.recheck_outage,
        quota,
    };
    let (gate, work) = Gate::reviewed(client.clone(), &policy);
    spawn("access".to_owned(), work);
    let trials = Trials {
        gate: gate.clone(),
        readiness: readiness.clone(),
        record: Record::default(),
    };
    spawn("access trials".to_owned(), Box::pin(trials.run()));
    if !args.ignore_role_changes {
        let (told, reach) = (gate.clone(), reach.clone());
        let tell: Tell = Arc::new(move |whom| told.rights_changed(whom));
        let following = async move { rbac::follow(client, &reach, PAUSE, tell).await };
        spawn("role changes".to_owned(), Box::pin(following));
    }
    Ok(gate)
}

/// Finds out again and again whether callers can be checked.
struct Trials {
    gate: Gate,
    readiness: Arc<Readiness>,
    record: Record,
}

impl Trials {
    async fn run(mut self) {
        loop {
            let outcome = self.gate.probe().await;
            let wait = if outcome.is_ok() { TRIALS.0 } else { TRIALS.1 };
            self.readiness.trouble(self.record.note(outcome));
            tokio::time::sleep(wait).await;
        }
    }
}

/// How the trials went.
#[derive(Debug, Default)]
struct Record {
    /// Whether one has succeeded ever.
    proven: bool,
    /// Whether the last one failed.
    failing: bool,
    /// The right that is missing, by the last one that could tell.
    missing: Option<String>,
}

impl Record {
    /// Notes an outcome; gives what should keep clients away.
    ///
    /// That the apiserver answers nobody for now should not: it is so for all replicas, and a
    /// Service without any would cut open streams off, which are held for this very case.
    fn note(&mut self, outcome: Result<(), Unable>) -> Option<String> {
        match &outcome {
            Err(problem) if !self.failing => warn!(%problem, "callers can't be checked"),
            Ok(()) if self.failing => info!("callers can be checked again"),
            _ => {}
        }
        self.failing = outcome.is_err();
        self.proven |= outcome.is_ok();
        match outcome {
            Ok(()) => self.missing = None,
            Err(Unable::Forbidden(right)) => self.missing = Some(right),
            Err(Unable::Silent(problem)) if !self.proven => return Some(problem),
            Err(Unable::Silent(_)) => {}
        }
        self.missing.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_apiserver_keeps_nobody_away_from_a_daemon_that_was_ready() {
        let silent = || Err(Unable::Silent("no answer".into()));
        let forbidden = || Err(Unable::Forbidden("bind it".into()));
        let mut record = Record::default();
        assert_eq!(record.note(silent()).as_deref(), Some("no answer"));
        assert_eq!(record.note(Ok(())), None);
        assert_eq!(record.note(silent()), None);
        assert_eq!(record.note(forbidden()).as_deref(), Some("bind it"));
        assert_eq!(record.note(silent()).as_deref(), Some("bind it"));
        assert_eq!(record.note(Ok(())), None);
    }
}
