//! A wire between a daemon and an apiserver that can be cut.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

use kube::config::Kubeconfig;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Passes bytes on, unread, until it is cut. Ends when dropped.
pub struct Proxy {
    cuts: watch::Sender<u64>,
    broken: Arc<AtomicU64>,
    task: JoinHandle<()>,
    kubeconfig: PathBuf,
    _directory: TempDir,
}

impl Proxy {
    /// Stands in front of the apiserver of a kubeconfig.
    pub async fn start(kubeconfig: &Path) -> Self {
        let text = std::fs::read_to_string(kubeconfig).expect("a kubeconfig");
        let parsed = Kubeconfig::from_yaml(&text).expect("a kubeconfig");
        let server = parsed.clusters.first().and_then(|named| {
            let cluster = named.cluster.as_ref()?;
            let server: http::Uri = cluster.server.as_ref()?.parse().ok()?;
            server.authority().map(ToString::to_string)
        });
        let target = server.expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound").to_string();
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("kubeconfig");
        std::fs::write(&path, text.replace(&target, &address)).expect("writable");
        let cuts = watch::Sender::new(0);
        let broken = Arc::new(AtomicU64::new(0));
        let target = target.parse().expect("an address");
        let task = tokio::spawn(accept(listener, target, cuts.clone(), broken.clone()));
        Self {
            cuts,
            broken,
            task,
            kubeconfig: path,
            _directory: directory,
        }
    }

    /// Leads through this proxy.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Closes all connections; new ones are accepted at once.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many connections were closed by cuts.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    cuts: watch::Sender<u64>,
    broken: Arc<AtomicU64>,
) {
    while let Ok((mut near, _)) = listener.accept().await {
        let (mut cut, broken) = (cuts.subscribe(), broken.clone());
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(target).await else {
                return;
            };
            tokio::select! {
                _ = cut.changed() => {
                    broken.fetch_add(1, Ordering::AcqRel);
                }
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            }
        });
    }
}
