//! The command line of `informerd serve`.

#[cfg(feature = "demo")]
use std::net::SocketAddr;
use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{
    AccessArgs, ListenArgs,
    units::{bytes, duration},
};

/// How the daemon runs.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  informerd serve --context staging --insecure-allow-anyone
  informerd serve --listen unix:/run/informerd/grpc.sock
  informerd serve --resources pods,deployments.apps --history-age 10m
  informerd serve --resources pods --namespaces shop,payments")]
pub(in crate::runtime) struct ServeArgs {
    #[command(flatten)]
    pub(in crate::runtime) listen: ListenArgs,

    #[command(flatten)]
    pub(in crate::runtime) access: AccessArgs,

    #[command(flatten)]
    pub(in crate::runtime) cluster: ClusterArgs,

    /// Resources that may be watched, such as pods or deployments.apps; default: everything that
    /// can be watched, except secrets
    #[arg(
        long,
        env = "INFORMERD_RESOURCES",
        value_delimiter = ',',
        value_name = "NAMES"
    )]
    pub(in crate::runtime) resources: Vec<String>,

    /// Namespaces that are watched, each by itself, so that Roles in them suffice; requests for
    /// namespaced resources then name one of them; default: the whole cluster
    #[arg(
        long,
        env = "INFORMERD_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMES"
    )]
    pub(in crate::runtime) namespaces: Vec<String>,

    /// Most bytes of changes that are kept per resource, for those who resume
    #[arg(long, env = "INFORMERD_HISTORY_BYTES", default_value = "64Mi", value_parser = bytes, value_name = "SIZE")]
    pub(in crate::runtime) history_bytes: usize,

    /// Longest time that changes are kept
    #[arg(long, env = "INFORMERD_HISTORY_AGE", default_value = "10m", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) history_age: Duration,

    /// Most bytes of encoded events that are kept per distinct query
    #[arg(long, env = "INFORMERD_VIEW_LOG_BYTES", default_value = "4Mi", value_parser = bytes, value_name = "SIZE")]
    pub(in crate::runtime) view_log_bytes: usize,

    /// Most bytes that are encoded for readers, of all queries and resources: logs, snapshots and
    /// messages on their way; default: a quarter of the memory limit, or 512Mi without one
    #[arg(long, env = "INFORMERD_BUFFER_MEMORY", value_parser = buffer, value_name = "SIZE")]
    pub(in crate::runtime) buffer_memory: Option<usize>,

    /// How long a watch upstream goes on after its last subscriber has left
    #[arg(long, env = "INFORMERD_LINGER", default_value = "5m", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) linger: Duration,

    /// How long a subscriber waits for the first state of a resource
    #[arg(long, env = "INFORMERD_SYNC_DEADLINE", default_value = "30s", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) sync_deadline: Duration,

    /// How long a stream may have something to send to a reader that takes nothing; for one that
    /// takes little, twice as long and a second for each 16 KiB
    #[arg(long, env = "INFORMERD_STALL_LIMIT", default_value = "30s", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) stall_limit: Duration,

    /// Most bytes of answers that wait for slow readers, streams aside; beyond that those calls end
    /// that have been waited for the longest; default: an eighth of the memory limit, or 256Mi
    /// without one
    #[arg(long, env = "INFORMERD_ANSWER_MEMORY", value_parser = bytes, value_name = "SIZE")]
    pub(in crate::runtime) answer_memory: Option<usize>,

    /// How long the daemon may take to end after SIGTERM
    #[arg(long, env = "INFORMERD_DRAIN", default_value = "25s", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) drain: Duration,

    /// How long of that it goes on to serve, not ready any more, whoever is still sent here; at
    /// most half of --drain
    #[arg(long, env = "INFORMERD_DRAIN_ACCEPT", default_value = "5s", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) drain_accept: Duration,

    /// Streams that one connection may have open
    #[arg(
        long,
        env = "INFORMERD_STREAMS_PER_CONNECTION",
        default_value_t = 1000,
        value_name = "N"
    )]
    pub(in crate::runtime) streams_per_connection: u32,

    /// Deliver metadata.managedFields too
    #[arg(long, env = "INFORMERD_KEEP_MANAGED_FIELDS")]
    pub(in crate::runtime) keep_managed_fields: bool,

    /// Let the system write the daemon's memory to disk when it crashes, and debuggers read it,
    /// although tokens and objects are in it
    #[arg(long, env = "INFORMERD_ALLOW_CORE_DUMPS")]
    pub(in crate::runtime) allow_core_dumps: bool,

    #[command(flatten)]
    pub(in crate::runtime) log: LogArgs,
}

impl ServeArgs {
    /// After SIGTERM: how long to go on serving, and how long streams have to end then.
    pub(in crate::runtime) fn leave(&self) -> (Duration, Duration) {
        let accept = self.drain_accept.min(self.drain / 2);
        (accept, self.drain.saturating_sub(accept))
    }
}

#[cfg(feature = "demo")]
impl ServeArgs {
    /// The defaults of the command line, whatever the environment says, for the cluster of a
    /// kubeconfig.
    pub(in crate::runtime) fn for_demo(
        listen: SocketAddr,
        kubeconfig: PathBuf,
        log: LogArgs,
    ) -> Self {
        Self {
            listen: ListenArgs::on(listen),
            access: AccessArgs::anyone(),
            cluster: ClusterArgs {
                kubeconfig: Some(kubeconfig),
                context: None,
                cluster_id: None,
            },
            resources: Vec::new(),
            namespaces: Vec::new(),
            history_bytes: 64 << 20,
            history_age: Duration::from_secs(600),
            view_log_bytes: 4 << 20,
            buffer_memory: None,
            linger: Duration::from_secs(300),
            sync_deadline: Duration::from_secs(30),
            stall_limit: Duration::from_secs(30),
            answer_memory: None,
            drain: Duration::from_secs(2),
            drain_accept: Duration::ZERO,
            streams_per_connection: 1000,
            keep_managed_fields: false,
            allow_core_dumps: false,
            log,
        }
    }
}

/// Which cluster.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::runtime) struct ClusterArgs {
    /// Kubeconfig file; default: $KUBECONFIG, ~/.kube/config, then the pod's service account
    #[arg(long, env = "INFORMERD_KUBECONFIG", value_name = "FILE")]
    pub(in crate::runtime) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig; default: its current one
    #[arg(long, env = "INFORMERD_CONTEXT", value_name = "NAME")]
    pub(in crate::runtime) context: Option<String>,

    /// What identifies the cluster in resume tokens, the same for all its daemons; default: the
    /// uid of the namespace kube-system, which the daemon must be allowed to get
    #[arg(long, env = "INFORMERD_CLUSTER_ID", value_parser = cluster_id, value_name = "UID")]
    pub(in crate::runtime) cluster_id: Option<String>,
}

/// With less nothing but small objects could ever be told.
fn buffer(text: &str) -> Result<usize, String> {
    let size = bytes(text)?;
    if size < 16 << 10 {
        return Err(format!(
            "{text:?} is too little; give at least 16Ki, better 64Mi"
        ));
    }
    Ok(size)
}

/// Any visible text will do, but it has to be one: all clusters would pass for the same.
fn cluster_id(text: &str) -> Result<String, String> {
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("{text:?} is no id; pass the uid of the namespace kube-system"))
}

/// How the daemon logs.
#[derive(Debug, Clone, Args)]
pub(in crate::runtime) struct LogArgs {
    /// What is logged, as a tracing filter such as info or informerd=debug
    #[arg(
        long,
        env = "INFORMERD_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(in crate::runtime) log: String,

    /// Form of the log on stderr
    #[arg(long, env = "INFORMERD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(in crate::runtime) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::runtime) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

#[cfg(feature = "demo")]
impl LogArgs {
    /// Only what goes wrong, so that the output stays readable.
    pub(in crate::runtime) fn quiet() -> Self {
        Self {
            log: "warn,audit=off".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_left_some_memory() {
        assert_eq!(buffer("64Mi"), Ok(64 << 20));
        assert!(buffer("0").is_err());
        assert!(buffer("15Ki").is_err());
        assert!(buffer("much").is_err());
    }
}
