//! Traffic to break: a seeded writer and subscribers with different filters, while faults strike.

mod row;

use std::time::Duration;

use fastrand::Rng;
use informerd::proto::v1::{EventType, frame::Frame};
use informerd_support::{
    simulation::{Action, Cluster, Disruption, Fault, Verb},
    trace::UpstreamRequest,
    validate::{Expectation, Summary},
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

pub use row::{Row, play};

use crate::{
    daemon::Daemon,
    request::Ask,
    stage::{Kind, Simulated, Stage},
    subscriber::{Subscriber, code_name, number, reason},
    wait::until,
    world::World,
};

/// What everything is about.
pub const MAPS: &str = "configmaps";
/// Objects that exist before anyone watches.
pub const FIRST: usize = 12;
/// Pause between two writes.
const PACE: Duration = Duration::from_millis(10);
/// The machines that run this are busy: silence counts as such only after three times this.
const BOOKMARKS: Duration = Duration::from_secs(3);
/// Names that the writer uses.
const NAMES: usize = 24;

/// Writes at random, repeatably.
pub struct Writer {
    cluster: Cluster,
    namespaces: [String; 2],
    rng: Rng,
    step: u64,
}

impl Writer {
    fn new(cluster: &Cluster, namespace: &str, seed: u64) -> Self {
        Self {
            cluster: cluster.clone(),
            namespaces: [namespace.to_owned(), format!("{namespace}-b")],
            rng: Rng::with_seed(seed),
            step: 0,
        }
    }

    /// Writes once; what is written always differs from what was.
    pub fn write(&mut self) {
        let at = self.rng.usize(..NAMES);
        let (namespace, name) = (self.namespaces[at % 2].clone(), format!("o-{at}"));
        let color = ["red", "blue", "green"][self.rng.usize(..3)];
        self.step += 1;
        let data = json!({"step": (self.step % 6).to_string(), "nr": self.step.to_string()});
        let exists = self.cluster.get(MAPS, &namespace, &name).is_ok();
        let written = match (exists, self.rng.u8(..10)) {
            (false, _) => {
                let metadata =
                    json!({"name": name, "namespace": namespace, "labels": {"color": color}});
                let object = json!({"metadata": metadata, "data": data});
                self.cluster.create(MAPS, object)
            }
            (true, 0..2) => self.cluster.delete(MAPS, &namespace, &name),
            (true, 2..5) => {
                let patch = json!({"metadata": {"labels": {"color": color}}, "data": data});
                self.cluster.patch(MAPS, &namespace, &name, &patch)
            }
            (true, _) => {
                let patch = json!({ "data": data });
                self.cluster.patch(MAPS, &namespace, &name, &patch)
            }
        };
        written.expect("a valid write");
    }
}

/// A world with traffic.
pub struct Storm {
    pub world: World,
    pub cluster: Cluster,
    /// The namespaces that the daemon watches, each by itself; none for the whole cluster.
    served: Vec<String>,
    writer: Option<(watch::Sender<()>, JoinHandle<Writer>)>,
    idle: Option<Writer>,
    followers: Vec<JoinHandle<Subscriber>>,
    goal: watch::Sender<u64>,
}

impl Storm {
    /// A world with some objects, which nobody watches yet.
    pub async fn brew(kind: Kind, name: &str, arguments: &[&str]) -> Self {
        assert_eq!(kind, Kind::Simulated, "real clusters don't break on demand");
        let stage = Simulated::start().await;
        let cluster = stage.cluster.clone();
        let world = World::on(Stage::Simulated(stage), name, &[MAPS], arguments).await;
        let seed = name
            .bytes()
            .fold(1, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
        let mut writer = Writer::new(&cluster, &world.namespace, seed);
        let count = || {
            let objects = cluster.objects_at(MAPS, cluster.revision());
            objects.expect("not compacted").len()
        };
        while count() < FIRST {
            writer.write();
        }
        Self {
            world,
            cluster,
            served: Vec::new(),
            writer: None,
            idle: Some(writer),
            followers: Vec::new(),
            goal: watch::channel(u64::MAX).0,
        }
    }

    /// The same, with a daemon that watches the writer's two namespaces, each by itself.
    pub async fn brew_apart(kind: Kind, name: &str, arguments: &[&str]) -> Self {
        let mut storm = Self::brew(kind, name, &[]).await;
        let writer = storm.idle.as_ref().expect("the writer is idle");
        storm.served = writer.namespaces.to_vec();
        let served = storm.served.join(",");
        let arguments = [&["--namespaces", &*served], arguments].concat();
        let daemon = Daemon::start(&storm.world.stage.kubeconfig(), &arguments).await;
        storm.world.replace_daemon(daemon).await.kill();
        storm
    }

    /// Everyone who watches: one name and request each.
    pub fn audience(&self) -> Vec<(&'static str, Ask)> {
        let all = || Ask::of(MAPS).bookmarks(BOOKMARKS);
        let audience = vec![
            ("all", all()),
            ("twin", all()),
            ("namespace", all().namespace(&self.world.namespace)),
            ("red", all().labels("color=red")),
            ("others", all().labels("color notin (red)")),
            ("step", all().fields("data.step=3")),
            ("one", all().name("o-1")),
            ("deleted", all().types(&[EventType::Deleted])),
        ];
        self.apart(audience)
    }

    /// Sends each into one of the namespaces that the daemon watches by themselves.
    fn apart(&self, mut audience: Vec<(&'static str, Ask)>) -> Vec<(&'static str, Ask)> {
        let namespaces = self.served.iter().cycle();
        for ((_, ask), namespace) in audience.iter_mut().zip(namespaces) {
            let filter = ask.message.filter.get_or_insert_default();
            filter.namespaces = vec![namespace.clone()];
        }
        audience
    }

    /// Lets everyone subscribe and read on.
    pub async fn subscribe(&mut self) {
        for (name, ask) in self.audience() {
            let subscriber = self.world.watch(name, &ask).await;
            let follower = follow(subscriber, self.goal.subscribe());
            self.followers.push(tokio::spawn(follower));
        }
    }

    /// Starts the writer.
    pub fn blow(&mut self) {
        let (stop, mut stopped) = watch::channel(());
        let mut writer = self.writer();
        let blowing = tokio::spawn(async move {
            let mut pace = tokio::time::interval(PACE);
            loop {
                tokio::select! {
                    _ = stopped.changed() => return writer,
                    _ = pace.tick() => writer.write(),
                }
            }
        });
        self.writer = Some((stop, blowing));
    }

    /// The writer, to be used by hand.
    pub fn writer(&mut self) -> Writer {
        self.idle.take().expect("the writer is idle")
    }

    /// Stops the writer.
    pub async fn lull(&mut self) {
        if let Some((stop, blowing)) = self.writer.take() {
            drop(stop);
            self.idle = Some(blowing.await.expect("writes are valid"));
        }
    }

    /// Writes so often, at once.
    pub fn gust(&mut self, writes: usize) {
        let writer = self.idle.as_mut().expect("the writer is idle");
        (0..writes).for_each(|_| writer.write());
    }

    /// Waits until all faults have struck.
    pub async fn struck(&self) {
        until("all faults have struck", || async {
            self.cluster.faults_unbitten().is_empty()
        })
        .await;
    }

    /// Waits for a number of synchronisations and continuations upstream.
    pub async fn asked(&self, expected: Asked) {
        until("the daemon asks upstream again", || async {
            let asked = Asked::of(&self.world.requests(MAPS));
            asked.syncs >= expected.syncs && asked.continued >= expected.continued
        })
        .await;
    }

    /// Waits until the daemon knows everything that is written by now.
    pub async fn caught_up(&self) {
        let goal = self.cluster.revision();
        let mut caches = vec![(self.world.namespace.clone(), "configmaps".to_owned())];
        if !self.served.is_empty() {
            let label = |namespace: &String| format!("namespace=\"{namespace}\"");
            let served = self.served.iter();
            caches = served.map(|one| (one.clone(), label(one))).collect();
        }
        for (namespace, label) in &caches {
            let probe = format!("caught-up-{}", fastrand::u64(..));
            let object = json!({"metadata": {"name": probe, "namespace": namespace}});
            self.cluster.create(MAPS, object).expect("a new name");
            let name = "informerd_watch_cache_resource_version";
            until("the daemon has caught up", || async {
                self.world.daemon.metric(name, label).await > goal as f64
            })
            .await;
        }
    }

    /// Asks for what must be refused; gives code and reason.
    pub async fn refusal(&self, name: &str, ask: &Ask) -> String {
        let status = match self.world.try_watch(name, ask).await {
            Err(status) => status,
            Ok(mut opened) => opened.next().await.expect_err("it must be refused"),
        };
        format!("{} {}", code_name(status.code()), reason(&status))
    }

    /// Stops writing, lets everyone read to the end, and judges.
    pub async fn calm(mut self, expectation: &Expectation) -> Calm {
        self.lull().await;
        self.goal.send_replace(self.world.fence(MAPS).await);
        for follower in self.followers.drain(..) {
            follower.await.expect("no stream ends");
        }
        self.judge(expectation).await
    }

    /// Judges; nobody reads any more.
    pub async fn judge(self, expectation: &Expectation) -> Calm {
        let unbitten = self.cluster.faults_unbitten();
        assert!(
            unbitten.is_empty(),
            "faults that never struck: {unbitten:?}"
        );
        let summary = self.world.judge(MAPS, expectation).await;
        let requests = self.world.requests(MAPS);
        let asked = Asked::of(&requests);
        Calm {
            summary,
            requests,
            asked,
        }
    }
}

/// What was left of a storm.
pub struct Calm {
    pub summary: Summary,
    pub requests: Vec<UpstreamRequest>,
    pub asked: Asked,
}

impl Calm {
    /// These never occurred.
    pub fn without(&self, names: &[&str]) {
        for name in names {
            assert_eq!(self.summary.count(name), 0, "{name}: {}", self.summary);
        }
    }
}

/// What was asked upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// For the whole state: lists (pages count once) and watches with initial events.
    pub syncs: usize,
    /// Watches from a version.
    pub continued: usize,
}

impl Asked {
    pub fn of(requests: &[UpstreamRequest]) -> Self {
        let count = |is: fn(&UpstreamRequest) -> bool| requests.iter().filter(|r| is(r)).count();
        // A list of one object asks where the cluster is, for a position that it is ahead with.
        let lists = count(|r| {
            r.verb == "list" && !r.uri.contains("continue=") && !r.uri.ends_with("?limit=1")
        });
        Self {
            syncs: lists + count(initial),
            continued: count(continued),
        }
    }
}

/// A watch that begins with the whole state.
pub fn initial(request: &UpstreamRequest) -> bool {
    request.verb == "watch" && request.uri.contains("sendInitialEvents=true")
}

/// A watch that continues from a version.
pub fn continued(request: &UpstreamRequest) -> bool {
    request.verb == "watch" && !initial(request)
}

/// A fault for the first watch, which begins with the whole state: strikes when `writes` events
/// of the writer were sent on it.
pub fn first_watch(writes: usize, disruption: Disruption) -> Fault {
    let after = FIRST + writes;
    Fault::on(MAPS, Verb::WatchList, Action::Stream { after, disruption })
}

/// A fault for the next watch that continues.
pub fn next_watch(action: Action) -> Fault {
    Fault::on(MAPS, Verb::WatchFrom, action)
}

/// Reads until everything up to the goal was told. The stream must not end.
async fn follow(mut subscriber: Subscriber, goal: watch::Receiver<u64>) -> Subscriber {
    loop {
        let version = match subscriber.frame().await {
            Frame::Event(event) => number(&event.resource_version),
            Frame::Bookmark(bookmark) => number(&bookmark.resource_version),
            Frame::SnapshotEnd(end) => number(&end.resource_version),
            _ => 0,
        };
        if version >= *goal.borrow() {
            return subscriber;
        }
    }
}

/// A line that announces an object as a watch would.
pub fn line(kind: &str, object: &Value) -> String {
    json!({"type": kind, "object": object}).to_string()
}
