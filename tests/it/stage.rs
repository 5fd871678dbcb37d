//! Where scenarios are played: the two kinds of clusters, and the runtime that all of them share.

use std::{
    future::Future,
    path::PathBuf,
    sync::{Arc, LazyLock, OnceLock},
};

use informerd_support::{
    control_plane::{self, ControlPlane},
    simulation::{self, Cluster, Server},
};
use libtest_mimic::{Failed, Trial};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// The real apiserver that all scenarios share; each has a namespace of its own.
static REAL: LazyLock<Mutex<Option<Arc<ControlPlane>>>> = LazyLock::new(Mutex::default);
static REAL_FAILURE: OnceLock<String> = OnceLock::new();

/// Runs a scenario to its end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// Which kind of cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In this process.
    Simulated,
    /// kube-apiserver and etcd.
    Real,
    /// The real one, through the daemon that the chart has installed there: as somebody who may
    /// read the scenario's namespace, or everywhere.
    Installed { everywhere: bool },
}

/// A cluster to play on.
pub enum Stage {
    /// In this process.
    Simulated(Simulated),
    /// The shared real one.
    Real(Arc<ControlPlane>),
    /// A real one of the scenario's own, which it may stop.
    Own(ControlPlane),
}

/// A simulated cluster and its server.
pub struct Simulated {
    pub cluster: Cluster,
    pub server: Option<Server>,
    /// Where the server listens, also while it is stopped.
    pub address: String,
    pub kubeconfig: PathBuf,
    _directory: TempDir,
}

impl Simulated {
    /// Starts a cluster of its own.
    pub async fn start() -> Self {
        let cluster = Cluster::new(simulation::Options::default());
        let server = Server::start(cluster.clone(), "127.0.0.1:0")
            .await
            .expect("a free port");
        let directory = tempfile::tempdir().expect("a directory");
        let kubeconfig = directory.path().join("kubeconfig");
        std::fs::write(&kubeconfig, simulation::kubeconfig(server.addr())).expect("writable");
        Self {
            cluster,
            address: server.addr().to_string(),
            server: Some(server),
            kubeconfig,
            _directory: directory,
        }
    }
}

impl Stage {
    /// Makes a cluster of the kind available.
    pub async fn open(kind: Kind) -> Self {
        match kind {
            Kind::Simulated => Self::Simulated(Simulated::start().await),
            Kind::Real | Kind::Installed { .. } => Self::Real(real()),
        }
    }

    /// The same, but one that the scenario may stop and start.
    pub async fn own(kind: Kind) -> Self {
        match kind {
            Kind::Simulated => Self::Simulated(Simulated::start().await),
            Kind::Real | Kind::Installed { .. } => {
                let started = ControlPlane::start(control_plane::Options::default()).await;
                Self::Own(started.expect("a real apiserver"))
            }
        }
    }

    /// Its kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Simulated(simulated) => simulated.kubeconfig.clone(),
            Self::Real(real) => real.kubeconfig(),
            Self::Own(own) => own.kubeconfig(),
        }
    }

    /// The simulated cluster, if it is one.
    pub fn simulated(&self) -> Option<&Cluster> {
        match self {
            Self::Simulated(simulated) => Some(&simulated.cluster),
            Self::Real(_) | Self::Own(_) => None,
        }
    }
}

/// Starts the shared real apiserver when the first scenario asks for it.
fn real() -> Arc<ControlPlane> {
    let mut real = REAL.lock();
    if let Some(running) = &*real {
        return running.clone();
    }
    if let Some(failure) = REAL_FAILURE.get() {
        panic!("{failure}");
    }
    // Not inside the runtime's own threads: this blocks.
    let started = std::thread::spawn(|| {
        RUNTIME.block_on(ControlPlane::start(control_plane::Options::default()))
    });
    match started.join().expect("the starter does not panic") {
        Ok(started) => real.insert(Arc::new(started)).clone(),
        Err(error) => {
            let failure = format!("the real apiserver can't be started: {error}");
            panic!("{}", REAL_FAILURE.get_or_init(|| failure));
        }
    }
}

/// Ends the shared real apiserver.
pub fn close() {
    REAL.lock().take();
}

/// A test on one kind of cluster. Without the binaries of the real one it is skipped and says so;
/// in CI that is a failure.
pub fn trial<F>(kind: Kind, name: &str, run: F) -> Trial
where
    F: FnOnce() -> Result<(), Failed> + Send + 'static,
{
    match kind {
        Kind::Simulated => Trial::test(format!("simulated::{name}"), run),
        Kind::Real | Kind::Installed { .. } => {
            let missing = ControlPlane::available().err();
            let skipped = missing.is_some() && std::env::var_os("CI").is_none();
            if let (Some(missing), true) = (missing, skipped) {
                static SAID: OnceLock<()> = OnceLock::new();
                SAID.get_or_init(|| eprintln!("skipping everything real: {missing}"));
            }
            Trial::test(format!("real::{name}"), run).with_ignored_flag(skipped)
        }
    }
}
