//! Who is let in, and whether that can be found out at all.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use tracing::{info, warn};

use crate::{
    access::{Gate, Policy, Quota},
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
        well: true,
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
    well: bool,
}

impl Trials {
    async fn run(mut self) {
        loop {
            let outcome = self.gate.probe().await;
            let wait = if outcome.is_ok() { TRIALS.0 } else { TRIALS.1 };
            self.note(outcome);
            tokio::time::sleep(wait).await;
        }
    }

    fn note(&mut self, outcome: Result<(), String>) {
        match &outcome {
            Err(problem) if self.well => warn!(problem, "callers can't be checked: not ready"),
            Ok(()) if !self.well => info!("callers can be checked again"),
            _ => {}
        }
        self.well = outcome.is_ok();
        self.readiness.trouble(outcome.err());
    }
}
