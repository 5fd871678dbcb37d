//! What a daemon takes: the figures of docs/operations.md, measured over TLS. `make sizing` prints
//! them for the binary of the image; the small run of the tests shows that the measurement works.

use std::{env, fs, process::Command, time::Duration};

use futures::future::join_all;
use informerd::proto::v1::{EventType, frame::Frame, watch_service_client::WatchServiceClient};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};
use tonic::transport::Channel;

use crate::{
    chart::binary,
    daemon::Daemon,
    kube,
    request::Ask,
    stage::{self, Simulated},
    tls::{
        certificates::Authority,
        files::{Mounted, NAMES},
    },
    wait::until,
};

/// How much is measured.
struct Scale {
    objects: usize,
    streams: usize,
    events: usize,
    /// Between two events; what it can't keep comes later.
    pace: Duration,
}

const SMALL: Scale = Scale {
    objects: 50,
    streams: 20,
    events: 10,
    pace: Duration::from_millis(1),
};
const FULL: Scale = Scale {
    objects: 10_000,
    streams: 1000,
    events: 1000,
    pace: Duration::from_millis(10),
};
const CONNECTIONS: usize = 10;

/// Whether it is all to be measured, and not only shown that it can be.
const VARIABLE: &str = "INFORMERD_SIZING";

/// The trials of this file.
pub fn trials() -> Vec<Trial> {
    let scale = match env::var_os(VARIABLE) {
        Some(_) => &FULL,
        None => &SMALL,
    };
    vec![Trial::test("sizing_is_measured", move || {
        println!("{}", stage::block_on(measure(scale)));
        Ok(())
    })]
}

/// One daemon and its load.
struct Bench {
    simulated: Simulated,
    mounted: Mounted,
    daemon: Daemon,
}

async fn measure(scale: &Scale) -> String {
    let bench = Bench::start(scale).await;
    let idle = bench.memory();
    // Its label is on none of the objects: it holds the resource and is told nothing.
    let holder = bench.subscribe(1, |_| "app=none".to_owned()).await;
    let cached = bench.memory() - idle;
    let json = bench.json();
    end(holder).await;
    let same = streams(scale, |_| "app=app-0".to_owned()).await;
    let own = streams(scale, |at| format!("app=app-0,other!=x-{at}")).await;
    format!(
        "memory when idle          {:.1} MiB\n\
         memory of {} pods   {:.1} MiB, {:.2} times their JSON of {:.1} MiB\n\
         memory of a stream        {:.1} KiB of the same query, {:.1} KiB of its own\n\
         the same while it reads   {:.1} KiB of the same query, {:.1} KiB of its own\n\
         cpu of a delivery         {:.2} us of the same query, {:.2} us of its own\n",
        mib(idle),
        scale.objects,
        mib(cached),
        cached as f64 / json as f64,
        mib(json),
        same.quiet,
        own.quiet,
        same.busy,
        own.busy,
        same.delivery,
        own.delivery,
    )
}

/// What one of many streams costs.
struct Cost {
    /// KiB before the first event.
    quiet: f64,
    /// KiB after the last one.
    busy: f64,
    /// Microseconds of the processor for each event.
    delivery: f64,
}

/// Measures streams of one object with a daemon of their own.
async fn streams(scale: &Scale, query: impl Fn(usize) -> String) -> Cost {
    let bench = Bench::start(scale).await;
    let holder = bench.subscribe(1, |_| "app=none".to_owned()).await;
    let before = bench.memory();
    let kib = |bytes: i64| bytes as f64 / scale.streams as f64 / 1024.0;
    let readers = bench.subscribe(scale.streams, query).await;
    let quiet = kib(bench.memory() - before);
    let spent = bench.cost(scale, &readers).await;
    let busy = kib(bench.memory() - before);
    end(readers).await;
    end(holder).await;
    let deliveries = scale.streams * scale.events;
    Cost {
        quiet,
        busy,
        delivery: spent.as_secs_f64() * 1e6 / deliveries as f64,
    }
}

fn mib(bytes: i64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A pod of about the size that real ones have.
fn pod(at: usize) -> Value {
    let mut pod = kube::pod(&format!("pod-{at:05}"), json!({"app": format!("app-{at}")}));
    let lines = (0..20).map(|line| (format!("example.com/note-{line}"), "x".repeat(80).into()));
    pod["metadata"]["annotations"] = Value::Object(lines.collect());
    pod
}

impl Bench {
    async fn start(scale: &Scale) -> Self {
        let simulated = Simulated::start().await;
        simulated.cluster.stop_recording();
        for at in 0..scale.objects {
            simulated.cluster.create("pods", pod(at)).expect("created");
        }
        let authority = Authority::new("root");
        let mounted = Mounted::new(&authority.server(&NAMES), &authority, &authority);
        let mut command = Command::new(binary());
        command
            .args(["serve", "--insecure-allow-anyone", "--log-format", "json"])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .arg("--kubeconfig")
            .arg(&simulated.kubeconfig)
            .args(mounted.flags());
        let daemon = Daemon::spawn(command).await;
        until("it is ready", || async {
            daemon.page("/readyz").await.0 == 200
        })
        .await;
        Self {
            simulated,
            mounted,
            daemon,
        }
    }

    /// Resident bytes.
    fn memory(&self) -> i64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.daemon.pid()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<i64>().ok()).expect("a size") * 1024
    }

    /// Time of the processor so far.
    fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.daemon.pid())).expect("it runs");
        let times = tasks.filter_map(|task| {
            let stat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(times.sum())
    }

    /// Bytes of the objects as the apiserver writes them.
    fn json(&self) -> i64 {
        let cluster = &self.simulated.cluster;
        let objects = cluster.objects_at("pods", cluster.revision());
        let sizes = objects.expect("the present").into_iter();
        let bytes: usize = sizes.map(|object| object.to_string().len()).sum();
        i64::try_from(bytes).expect("it fits")
    }

    /// Opens streams, spread over connections, and reads their snapshots.
    async fn subscribe(&self, streams: usize, query: impl Fn(usize) -> String) -> Vec<Reader> {
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS.min(streams) {
            channels.push(self.connect().await);
        }
        let opened = (0..streams).map(|at| {
            let ask = Ask::of("pods").labels(&query(at));
            let ask = ask.bookmarks(Duration::from_secs(120));
            Reader::open(channels[at % channels.len()].clone(), ask)
        });
        join_all(opened).await
    }

    async fn connect(&self) -> Channel {
        let url = format!("https://{}", self.daemon.address());
        let client = informerd::client::Client::builder(url).ca_file(self.mounted.path("ca.crt"));
        client.connect().await.expect("accepted").channel()
    }

    /// What it costs the daemon to tell the readers of so many changes.
    async fn cost(&self, scale: &Scale, readers: &[Reader]) -> Duration {
        let before = self.cpu();
        let target = readers[0].seen() + scale.events;
        let mut ticks = tokio::time::interval(scale.pace);
        let run = fastrand::u64(..);
        for step in 0..scale.events {
            ticks.tick().await;
            let change = json!({"metadata": {"annotations": {"step": format!("{run} {step}")}}});
            let patched = self
                .simulated
                .cluster
                .patch("pods", "default", "pod-00000", &change);
            patched.expect("patched");
        }
        until("all have been told", || async {
            readers.iter().all(|reader| reader.seen() >= target)
        })
        .await;
        self.cpu() - before
    }
}

/// A stream that is read as fast as it comes.
struct Reader {
    seen: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Reader {
    async fn open(channel: Channel, ask: Ask) -> Self {
        let mut client = WatchServiceClient::new(channel).max_decoding_message_size(64 << 20);
        let opened = client.watch(ask.message).await;
        let mut stream = opened.expect("accepted").into_inner();
        let (count, seen) = watch::channel(0);
        let (synced, is_synced) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut synced = Some(synced);
            while let Ok(Some(message)) = stream.message().await {
                for frame in message.frames.into_iter().filter_map(|frame| frame.frame) {
                    match frame {
                        Frame::SnapshotEnd(_) => drop(synced.take().map(|synced| synced.send(()))),
                        Frame::Event(event) if event.r#type() == EventType::Modified => {
                            count.send_modify(|count| *count += 1);
                        }
                        _ => {}
                    }
                }
            }
        });
        is_synced.await.expect("a snapshot");
        Self { seen, task }
    }

    fn seen(&self) -> usize {
        *self.seen.borrow()
    }
}

/// Closes streams.
async fn end(readers: Vec<Reader>) {
    for reader in readers {
        reader.task.abort();
        let _ = reader.task.await;
    }
}
