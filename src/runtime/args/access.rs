//! `serve`: who may call.

use std::time::Duration;

use clap::{Args, value_parser};

use super::units::duration;

/// Who may call.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub(in crate::runtime) struct AccessArgs {
    /// Audiences of which a bearer token must have one
    #[arg(
        long,
        env = "INFORMERD_TOKEN_AUDIENCE",
        default_value = "informerd",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub(in crate::runtime) token_audience: Vec<String>,

    /// Accept tokens that are for the apiserver too, such as those that pods and kubeconfigs have
    /// by default; whoever runs this daemon could then use them as their owners
    #[arg(long, env = "INFORMERD_ACCEPT_APISERVER_AUDIENCE")]
    pub(in crate::runtime) accept_apiserver_audience: bool,

    /// How often the caller of each open stream is checked again
    #[arg(long, env = "INFORMERD_RECHECK_INTERVAL", default_value = "30s", value_parser = interval, value_name = "TIME")]
    pub(in crate::runtime) recheck_interval: Duration,

    /// How long after a check is due streams whose callers can't be checked end; data stops when the
    /// last yes is older than two intervals
    #[arg(long, env = "INFORMERD_RECHECK_OUTAGE", default_value = "10m", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) recheck_outage: Duration,

    /// Don't watch roles and bindings: open streams are then checked at the interval only, and not
    /// at once when these change
    #[arg(long, env = "INFORMERD_IGNORE_ROLE_CHANGES")]
    pub(in crate::runtime) ignore_role_changes: bool,

    /// Streams that one user may have open
    #[arg(
        long,
        env = "INFORMERD_STREAMS_PER_IDENTITY",
        default_value_t = 1000,
        value_name = "N"
    )]
    pub(in crate::runtime) streams_per_identity: u32,

    /// Streams that all users together may have open
    #[arg(
        long,
        env = "INFORMERD_MAX_STREAMS",
        default_value_t = 120_000,
        value_name = "N"
    )]
    pub(in crate::runtime) max_streams: u32,

    /// Questions per second to the apiserver that the calls of one user may lead to; ten times as
    /// many at once after a pause
    #[arg(
        long,
        env = "INFORMERD_REVIEWS_PER_IDENTITY",
        default_value_t = 100,
        value_parser = value_parser!(u32).range(1..),
        value_name = "N"
    )]
    pub(in crate::runtime) reviews_per_identity: u32,

    /// Ask nobody who they are: whoever reaches this daemon may read all that it may read itself
    #[arg(long, env = "INFORMERD_INSECURE_ALLOW_ANYONE")]
    pub(in crate::runtime) insecure_allow_anyone: bool,
}

#[cfg(feature = "demo")]
impl AccessArgs {
    /// For a daemon that only its own process reaches.
    pub(in crate::runtime) fn anyone() -> Self {
        Self {
            token_audience: vec!["informerd".to_owned()],
            accept_apiserver_audience: false,
            recheck_interval: Duration::from_secs(30),
            recheck_outage: Duration::from_secs(600),
            ignore_role_changes: false,
            streams_per_identity: 1000,
            max_streams: 120_000,
            reviews_per_identity: 100,
            insecure_allow_anyone: true,
        }
    }
}

/// A time that leaves the apiserver in peace.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    let bounds = Duration::from_millis(100)..=Duration::from_secs(3600);
    if bounds.contains(&interval) {
        return Ok(interval);
    }
    Err("must be from 100ms to 1h".to_owned())
}
