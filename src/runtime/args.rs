//! The command line. Every flag of `serve` has an `INFORMERD_*` twin in the environment.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::{get::GetArgs, resources::ResourcesArgs, watch::WatchArgs};

/// The shared Kubernetes informer as a daemon: one upstream watch per resource, many gRPC streams.
#[derive(Debug, Parser)]
#[command(name = "informerd", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Try it without a cluster:
  informerd demo

With a cluster (kubeconfig or in-cluster):
  informerd serve
  informerd watch pods -A -l app=web -o wide

Exit codes: 0 fine, 1 failed or refused, 2 wrong usage, 3 unreachable.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the daemon.
    Serve(ServeArgs),
    /// Follow the objects of a resource.
    Watch(WatchArgs),
    /// List objects, or read one.
    Get(GetArgs),
    /// List what can be watched.
    Resources(ResourcesArgs),
    /// Show informerd at work on a small simulated cluster; needs nothing else.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Run the simulated cluster alone, for kubectl and client libraries.
    #[cfg(feature = "demo")]
    Simulate(SimulateArgs),
}

/// How the daemon runs.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  informerd serve --context staging
  informerd serve --resources pods,deployments.apps --history-age 10m")]
pub(super) struct ServeArgs {
    /// Address of the gRPC services
    #[arg(
        long,
        env = "INFORMERD_LISTEN",
        default_value = "127.0.0.1:7300",
        value_name = "ADDR"
    )]
    pub(super) listen: SocketAddr,

    /// Address of /livez, /readyz and /metrics
    #[arg(
        long,
        env = "INFORMERD_ADMIN_LISTEN",
        default_value = "127.0.0.1:7301",
        value_name = "ADDR"
    )]
    pub(super) admin_listen: SocketAddr,

    /// Listen on other addresses than loopback, although anyone who reaches them can read
    /// everything that this daemon may read
    #[arg(long, env = "INFORMERD_INSECURE_ALLOW_ANYONE")]
    pub(super) insecure_allow_anyone: bool,

    #[command(flatten)]
    pub(super) cluster: ClusterArgs,

    /// Resources that may be watched, such as pods or deployments.apps; default: everything that
    /// can be watched, except secrets
    #[arg(
        long,
        env = "INFORMERD_RESOURCES",
        value_delimiter = ',',
        value_name = "NAMES"
    )]
    pub(super) resources: Vec<String>,

    /// Most bytes of changes that are kept per resource, for those who resume
    #[arg(long, env = "INFORMERD_HISTORY_BYTES", default_value = "64Mi", value_parser = bytes, value_name = "SIZE")]
    pub(super) history_bytes: usize,

    /// Longest time that changes are kept
    #[arg(long, env = "INFORMERD_HISTORY_AGE", default_value = "10m", value_parser = duration, value_name = "TIME")]
    pub(super) history_age: Duration,

    /// Most bytes of encoded events that are kept per distinct query
    #[arg(long, env = "INFORMERD_VIEW_LOG_BYTES", default_value = "4Mi", value_parser = bytes, value_name = "SIZE")]
    pub(super) view_log_bytes: usize,

    /// How long a watch upstream goes on after its last subscriber has left
    #[arg(long, env = "INFORMERD_LINGER", default_value = "5m", value_parser = duration, value_name = "TIME")]
    pub(super) linger: Duration,

    /// How long a subscriber waits for the first state of a resource
    #[arg(long, env = "INFORMERD_SYNC_DEADLINE", default_value = "30s", value_parser = duration, value_name = "TIME")]
    pub(super) sync_deadline: Duration,

    /// How long a stream may have something to send to a reader that takes nothing
    #[arg(long, env = "INFORMERD_STALL_LIMIT", default_value = "30s", value_parser = duration, value_name = "TIME")]
    pub(super) stall_limit: Duration,

    /// How long streams have to end after SIGTERM
    #[arg(long, env = "INFORMERD_DRAIN", default_value = "25s", value_parser = duration, value_name = "TIME")]
    pub(super) drain: Duration,

    /// Streams that one connection may have open
    #[arg(
        long,
        env = "INFORMERD_STREAMS_PER_CONNECTION",
        default_value_t = 1000,
        value_name = "N"
    )]
    pub(super) streams_per_connection: u32,

    /// Deliver metadata.managedFields too
    #[arg(long, env = "INFORMERD_KEEP_MANAGED_FIELDS")]
    pub(super) keep_managed_fields: bool,

    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[cfg(feature = "demo")]
impl ServeArgs {
    /// The defaults of the command line, whatever the environment says, for the cluster of a
    /// kubeconfig; the admin port is any that is free.
    pub(super) fn for_demo(listen: SocketAddr, kubeconfig: PathBuf, log: LogArgs) -> Self {
        Self {
            listen,
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            insecure_allow_anyone: false,
            cluster: ClusterArgs {
                kubeconfig: Some(kubeconfig),
                context: None,
            },
            resources: Vec::new(),
            history_bytes: 64 << 20,
            history_age: Duration::from_secs(600),
            view_log_bytes: 4 << 20,
            linger: Duration::from_secs(300),
            sync_deadline: Duration::from_secs(30),
            stall_limit: Duration::from_secs(30),
            drain: Duration::from_secs(2),
            streams_per_connection: 1000,
            keep_managed_fields: false,
            log,
        }
    }
}

/// Which cluster.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ClusterArgs {
    /// Kubeconfig file; default: $KUBECONFIG, ~/.kube/config, then the pod's service account
    #[arg(long, env = "INFORMERD_KUBECONFIG", value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig; default: its current one
    #[arg(long, env = "INFORMERD_CONTEXT", value_name = "NAME")]
    pub(super) context: Option<String>,
}

/// How the daemon logs.
#[derive(Debug, Clone, Args)]
pub(super) struct LogArgs {
    /// What is logged, as a tracing filter such as info or informerd=debug
    #[arg(
        long,
        env = "INFORMERD_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(super) log: String,

    /// Form of the log on stderr
    #[arg(long, env = "INFORMERD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

#[cfg(feature = "demo")]
impl LogArgs {
    /// Only what goes wrong, so that the output stays readable.
    pub(super) fn quiet() -> Self {
        Self {
            log: "warn".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// How the demo runs.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Args)]
pub(super) struct DemoArgs {
    /// End by itself after this long; default: runs until Ctrl-C
    #[arg(long = "for", value_parser = duration, value_name = "TIME")]
    pub(super) length: Option<Duration>,

    /// Time between two changes in the cluster
    #[arg(long, default_value = "400ms", value_parser = duration, value_name = "TIME")]
    pub(super) pace: Duration,

    /// Seed of the cluster's life; the same seed tells the same story
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,

    /// Address of the daemon; default: 127.0.0.1:7300, or any port while that one is taken
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,

    /// Where to write a kubeconfig for the simulated cluster; vanishes with the demo
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig_out: Option<PathBuf>,
}

/// How the simulated cluster runs.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  informerd simulate --kubeconfig-out /tmp/sim.yaml &
  kubectl --kubeconfig /tmp/sim.yaml get pods -A --watch")]
pub(super) struct SimulateArgs {
    /// Where to write a kubeconfig for it
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig_out: PathBuf,

    /// Address to serve on
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub(super) listen: SocketAddr,

    /// Time between two changes; 0 for a cluster that changes only by request
    #[arg(long, default_value = "1s", value_parser = duration, value_name = "TIME")]
    pub(super) pace: Duration,

    /// Seed of the cluster's life
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,

    /// End by itself after this long; default: runs until Ctrl-C
    #[arg(long = "for", value_parser = duration, value_name = "TIME")]
    pub(super) length: Option<Duration>,
}

/// `300ms`, `20s`, `5m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let wrong = || format!("{text:?} is no time; write for example 300ms, 20s, 5m or 1h");
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let scale = match &text[digits..] {
        "ms" => return Ok(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(scale)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

/// `1024`, `512Ki`, `64Mi`, `2Gi`.
fn bytes(text: &str) -> Result<usize, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let wrong = || format!("{text:?} is no size; write for example 512Ki, 64Mi or 1Gi");
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let shift = match &text[digits..] {
        "" => 0,
        "Ki" => 10,
        "Mi" => 20,
        "Gi" => 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn reads_times_and_sizes() {
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(duration("20"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert!(duration("soon").is_err());
        assert!(duration("1d").is_err());
        assert_eq!(bytes("64Mi"), Ok(64 << 20));
        assert!(bytes("64MB").is_err());
    }
}
