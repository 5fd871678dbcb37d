//! What TLS costs the daemon: for each connection, each stream that idles, each event.
//!
//! `make bench` prints it. Two daemons follow the same simulated cluster, one with a certificate and
//! one without, in turns; clients open a connection each and a stream on it, as sidecars do, and are
//! given one change at a time. Counted is the CPU and the memory of the daemon's process.
//! `INFORMERD_BIN` names another binary than the one that is built for this.

#[path = "../src/transport/tests/certificates.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod certificates;
#[path = "../tests/it/daemon.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests need more of it")]
mod daemon;

use std::{env, fs, path::Path, process::Command};

use informerd::{
    client::Client,
    proto::v1::{
        Filter, GroupVersionResource, WatchRequest, frame::Frame,
        watch_service_client::WatchServiceClient,
    },
};
use informerd_support::simulation::{self, Cluster, Server};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use certificates::Authority;
use daemon::Daemon;

/// Connections, with a stream each.
const CLIENTS: u32 = 300;
/// Changes that each of them is told.
const EVENTS: u32 = 100;
/// How often both are measured; the least counts, as whatever else runs only adds.
const ROUNDS: usize = 3;
/// The kernel's unit of CPU time.
const TICKS_PER_SECOND: f64 = 100.0;

/// What was used for one connection, one idle stream on it and one event.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Microseconds of CPU until the stream is in step.
    open: f64,
    /// KiB of memory.
    idle: f64,
    /// Microseconds of CPU.
    event: f64,
}

impl Cost {
    const MOST: Self = Self {
        open: f64::INFINITY,
        idle: f64::INFINITY,
        event: f64::INFINITY,
    };

    fn least(self, other: Self) -> Self {
        Self {
            open: self.open.min(other.open),
            idle: self.idle.min(other.idle),
            event: self.event.min(other.event),
        }
    }
}

/// CPU seconds and KiB of memory of a process (proc(5)).
fn used(pid: u32) -> (f64, f64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields = stat.rsplit(')').next().expect("a name").split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().expect("a number"))
        .sum();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = memory.and_then(|text| text.trim().split(' ').next()?.parse().ok());
    (
        ticks / TICKS_PER_SECOND,
        memory.expect("a process has memory"),
    )
}

struct Ground {
    cluster: Cluster,
    _server: Server,
    directory: tempfile::TempDir,
}

impl Ground {
    async fn start() -> Self {
        let cluster = Cluster::new(simulation::Options::default());
        let server = Server::start(cluster.clone(), "127.0.0.1:0").await;
        let server = server.expect("a free port");
        let directory = tempfile::tempdir().expect("a directory");
        let kubeconfig = simulation::kubeconfig(server.addr());
        fs::write(directory.path().join("kubeconfig"), kubeconfig).expect("writable");
        let authority = Authority::new("bench");
        authority
            .server(&["127.0.0.1"])
            .write(directory.path(), "server");
        fs::write(directory.path().join("ca.crt"), &authority.pem).expect("writable");
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "bench", "namespace": "default"},
            // About the size of a pod.
            "data": {"text": "x".repeat(4_000), "step": "0"},
        });
        cluster.create("configmaps", map).expect("created");
        Self {
            cluster,
            _server: server,
            directory,
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    async fn daemon(&self, tls: bool) -> Daemon {
        let own = env!("CARGO_BIN_EXE_informerd");
        let binary = env::var("INFORMERD_BIN").unwrap_or_else(|_| own.to_owned());
        let mut command = Command::new(binary);
        command
            .args(["serve", "--insecure-allow-anyone"])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--log", "info,audit=off"])
            .arg("--kubeconfig")
            .arg(self.path("kubeconfig"));
        if tls {
            command.arg("--tls-cert").arg(self.path("server.crt"));
            command.arg("--tls-key").arg(self.path("server.key"));
        }
        Daemon::spawn(command).await
    }

    async fn measure(&self, tls: bool) -> Cost {
        let daemon = self.daemon(tls).await;
        let address = daemon.address();
        let ca = tls.then(|| self.path("ca.crt"));
        let (seen, mut sights) = mpsc::unbounded_channel();
        let mut readers = JoinSet::new();
        // The first pays for what all share.
        readers.spawn(read(stream(address, ca.as_deref()).await, seen.clone()));
        sights.recv().await.expect("a snapshot");
        let before = used(daemon.pid());
        for _ in 0..CLIENTS {
            readers.spawn(read(stream(address, ca.as_deref()).await, seen.clone()));
            sights.recv().await.expect("a snapshot");
        }
        let open = used(daemon.pid());
        for step in 0..EVENTS {
            let patch = json!({"data": {"step": format!("{tls} {step}")}});
            let patched = self.cluster.patch("configmaps", "default", "bench", &patch);
            patched.expect("patched");
            for _ in 0..=CLIENTS {
                sights.recv().await.expect("an event");
            }
        }
        let end = used(daemon.pid());
        let micros = |from: f64, to: f64| (to - from) * 1e6;
        Cost {
            open: micros(before.0, open.0) / f64::from(CLIENTS),
            idle: (open.1 - before.1) / f64::from(CLIENTS),
            event: micros(open.0, end.0) / f64::from((CLIENTS + 1) * EVENTS),
        }
    }
}

type Stream = tonic::Streaming<informerd::proto::v1::WatchResponse>;

/// Opens a stream on a connection of its own.
async fn stream(address: std::net::SocketAddr, ca: Option<&Path>) -> Stream {
    let client = match ca {
        Some(ca) => Client::builder(format!("https://{address}")).ca_file(ca),
        None => Client::builder(format!("http://{address}")),
    };
    let client = client.connect().await.expect("accepted");
    let request = WatchRequest {
        resource: Some(GroupVersionResource {
            resource: "configmaps".to_owned(),
            ..GroupVersionResource::default()
        }),
        filter: Some(Filter {
            names: vec!["bench".to_owned()],
            namespaces: vec!["default".to_owned()],
            ..Filter::default()
        }),
        ..WatchRequest::default()
    };
    let mut client = WatchServiceClient::new(client.channel());
    let opened = client.watch(request).await;
    opened.expect("accepted").into_inner()
}

/// Says for each event, the one of the snapshot included, that it was seen.
async fn read(mut stream: Stream, seen: mpsc::UnboundedSender<()>) {
    while let Ok(Some(message)) = stream.message().await {
        for frame in message.frames {
            if let Some(Frame::Event(_)) = frame.frame {
                let _ = seen.send(());
            }
        }
    }
}

fn row(name: &str, of: impl Fn(Cost) -> f64, plaintext: Cost, tls: Cost) {
    let (plaintext, tls) = (of(plaintext), of(tls));
    let ratio = tls / plaintext;
    println!("  {name:<42} {plaintext:>10.1} {tls:>10.1} {ratio:>8.2}");
}

#[tokio::main]
async fn main() {
    let ground = Ground::start().await;
    let (mut plaintext, mut tls) = (Cost::MOST, Cost::MOST);
    for _ in 0..ROUNDS {
        plaintext = plaintext.least(ground.measure(false).await);
        tls = tls.least(ground.measure(true).await);
    }
    println!("\n{CLIENTS} connections with a stream each, {EVENTS} events of 4 KB");
    println!(
        "  {:<42} {:>10} {:>10} {:>8}",
        "of the daemon", "plaintext", "tls", "ratio"
    );
    row(
        "CPU to open a connection and stream (µs)",
        |cost| cost.open,
        plaintext,
        tls,
    );
    row(
        "memory of an idle connection (KiB)",
        |cost| cost.idle,
        plaintext,
        tls,
    );
    row(
        "CPU to deliver an event (µs)",
        |cost| cost.event,
        plaintext,
        tls,
    );
}
