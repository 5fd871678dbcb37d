//! What the demo shows: a simulated cluster and a real daemon, both in this process.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use anyhow::Context as _;
use informerd_support::{
    evaluate,
    simulation::{Cluster, Life, Server},
    trace::{Filter, UpstreamRequest},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::subscriber::Seen;
use crate::{
    runtime::{
        args::{DemoArgs, LogArgs, ServeArgs},
        kubeconfig::{self, Written},
        serve::Daemon,
        simulate,
    },
    transport::Address,
};

/// Where clients look for a daemon.
pub(super) const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7300);

/// The cluster, the daemon, and what is true about them.
pub(super) struct World {
    pub(super) life: Life,
    /// Where the daemon serves gRPC.
    pub(super) daemon: SocketAddr,
    cluster: Cluster,
    server: Server,
    kubeconfig: Kubeconfig,
    /// Holds the kubeconfig, unless it was asked for elsewhere.
    _directory: TempDir,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

/// The daemon's requests for pods at the apiserver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) requests: usize,
    /// Watches that are open now.
    pub(super) open: usize,
    /// Watches that were open at the same time at most.
    pub(super) most: usize,
}

impl World {
    /// Starts both; the daemon serves when this returns.
    ///
    /// # Errors
    /// No free port, no room for a kubeconfig, one in its place that is somebody else's.
    pub(super) async fn start(demo: &DemoArgs) -> anyhow::Result<Self> {
        let (cluster, life) = simulate::found(demo.seed)?;
        let server = simulate::serve(&cluster, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let directory = tempfile::Builder::new()
            .prefix("informerd-demo-")
            .tempdir()
            .context("cannot make a directory for the kubeconfig, set TMPDIR to another")?;
        let kubeconfig = match &demo.kubeconfig_out {
            Some(file) => file.clone(),
            None => directory.path().join("kubeconfig"),
        };
        let kubeconfig = Kubeconfig(kubeconfig::write(&kubeconfig, server.addr())?);
        let stop = CancellationToken::new();
        let daemon = daemon(demo.listen, kubeconfig.0.file(), &stop).await?;
        let Some(&Address::Tcp(address)) = daemon.addresses.first() else {
            anyhow::bail!("the daemon listens on {:?}", daemon.addresses);
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(daemon.finished());
        Ok(Self {
            life,
            daemon: address,
            cluster,
            server,
            kubeconfig,
            _directory: directory,
            stop,
            tasks,
        })
    }

    /// Where the simulated apiserver listens.
    pub(super) fn apiserver(&self) -> SocketAddr {
        self.server.addr()
    }

    /// How the simulated apiserver is reached.
    pub(super) fn kubeconfig(&self) -> &Path {
        self.kubeconfig.0.file()
    }

    /// Waits for the daemon to end by itself, which it never should. Cancel safe.
    pub(super) async fn daemon_ended(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error.context("the daemon ended"),
            ended => anyhow::anyhow!("the daemon ended: {ended:?}"),
        }
    }

    /// Ends the daemon, then the cluster.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.server.stop().await;
    }

    /// Labels a running pod as a canary, or takes the label off where all have it, as a person
    /// would with kubectl.
    pub(super) fn turn_a_canary(&self) {
        let pods = self.cluster.objects_at("pods", self.cluster.revision());
        let pods = pods.unwrap_or_default();
        let is_canary = |pod: &&Value| pod["metadata"]["labels"]["track"] == "canary";
        let stable = pods.iter().find(|pod| !is_canary(pod));
        let (pod, track) = match (stable, pods.first()) {
            (Some(pod), _) => (pod, json!("canary")),
            (None, Some(pod)) => (pod, Value::Null),
            (None, None) => return,
        };
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
        let change = json!({ "metadata": { "labels": { "track": track } } });
        // Somebody else may have deleted it; there will be another.
        let _ = self
            .cluster
            .patch("pods", text("namespace"), text("name"), &change);
    }

    /// The changes that a filter makes of the cluster's own log, above `after` and up to `upto`,
    /// decided by code that shares nothing with the daemon. The log has an end: only changes from
    /// the second value on are in it.
    pub(super) fn expected(&self, filter: &Filter, after: u64, upto: u64) -> (Vec<Seen>, u64) {
        let mut truth = self.cluster.truth("pods");
        let oldest = truth.commits.first().map_or(0, |commit| commit.version);
        truth
            .commits
            .retain(|commit| commit.version > after && commit.version <= upto);
        let events = evaluate::transitions(&truth, filter).into_iter();
        let seen = events.map(|event| Seen {
            version: event.version,
            kind: event.kind.to_owned(),
            key: evaluate::object_key(&event.namespace, &event.name),
        });
        (seen.collect(), oldest)
    }

    /// The version of the last change of a pod.
    pub(super) fn last_version(&self) -> u64 {
        let truth = self.cluster.truth("pods");
        truth.commits.last().map_or(0, |commit| commit.version)
    }

    /// What the apiserver has seen of the daemon. Watches of kubectl don't count: they ask for
    /// no bookmarks.
    pub(super) fn upstream(&self) -> Upstream {
        let mut requests = self.cluster.requests();
        requests.retain(|request| request.resource == "pods" && is_daemons(request));
        let watches: Vec<_> = requests.iter().filter(|r| r.verb == "watch").collect();
        let open_at = |watch: &UpstreamRequest| {
            let others = watches.iter().filter(|other| {
                other.started <= watch.started && other.ended.is_none_or(|end| end > watch.started)
            });
            others.count()
        };
        Upstream {
            requests: requests.len(),
            open: watches.iter().filter(|watch| watch.ended.is_none()).count(),
            most: watches
                .iter()
                .map(|watch| open_at(watch))
                .max()
                .unwrap_or(0),
        }
    }
}

/// Starts a daemon where clients look for one, or on any port: a second demo must not fail.
async fn daemon(
    listen: Option<SocketAddr>,
    kubeconfig: &Path,
    stop: &CancellationToken,
) -> anyhow::Result<Daemon> {
    let start = |listen| {
        let args = ServeArgs::for_demo(listen, kubeconfig.to_owned(), LogArgs::quiet());
        Daemon::start(args, stop.clone())
    };
    let Some(listen) = listen else {
        return match start(USUAL).await {
            Err(error) if is_taken(&error) => start(SocketAddr::new(USUAL.ip(), 0)).await,
            daemon => daemon,
        };
    };
    start(listen).await
}

fn is_taken(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::AddrInUse)
    })
}

/// A file that vanishes with the demo: what it says is wrong afterwards.
struct Kubeconfig(Written);

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.0.remove();
    }
}

fn is_daemons(request: &UpstreamRequest) -> bool {
    request.verb != "watch" || request.uri.contains("allowWatchBookmarks=true")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn only_a_port_that_is_taken_leads_to_another() {
        let cannot = |kind: io::ErrorKind| anyhow!(io::Error::from(kind)).context("cannot listen");
        assert!(is_taken(&cannot(io::ErrorKind::AddrInUse)));
        assert!(!is_taken(&cannot(io::ErrorKind::PermissionDenied)));
        assert!(!is_taken(&anyhow!("the cluster can't be reached")));
    }
}
