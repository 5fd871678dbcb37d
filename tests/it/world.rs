//! One scenario's world: a cluster, a daemon, subscribers, and the record of all of them.
//!
//! [`World::finish`] compares everything that was received with what really happened.

mod set;

use std::collections::BTreeMap;

use parking_lot::Mutex;

use informerd_support::{
    trace::{Gap, Rights, Start, Truth, UpstreamRequest},
    truth::TruthWatcher,
    validate::{Expectation, Summary, validate_all},
};
use serde_json::{Value, json};
use tonic::{Status, transport::Channel};

use self::set::{Record, Set};
use crate::{
    chart::{Guest, admit},
    daemon::Daemon,
    kube::{self, Kube},
    request::{Ask, Bearer},
    stage::{Kind, Stage},
    subscriber::Subscriber,
    wait::until,
};

/// A scenario's world.
pub struct World {
    pub stage: Stage,
    pub kube: Kube,
    pub daemon: Daemon,
    /// A namespace of the scenario's own.
    pub namespace: String,
    channel: Channel,
    /// What all calls show, where the daemon asks for it.
    token: Option<String>,
    records: BTreeMap<String, Record>,
    gaps: Mutex<Vec<Gap>>,
    rights: Mutex<BTreeMap<String, Rights>>,
}

impl World {
    /// Sets the stage for a scenario that watches `resources`, with a daemon of its own.
    ///
    /// On an installed stage it is the daemon that stands there already, as it is.
    pub async fn new(kind: Kind, name: &str, resources: &[&str], arguments: &[&str]) -> Self {
        let stage = Stage::open(kind).await;
        let Kind::Installed { everywhere } = kind else {
            return Self::on(stage, name, resources, arguments).await;
        };
        assert!(arguments.is_empty(), "{name} needs a daemon of its own");
        let set = Set::up(&stage, name, resources).await;
        let guest = admit(&set.kube, &set.namespace, resources, everywhere).await;
        Self::begin(stage, set, guest)
    }

    /// The same on a stage that was prepared, with a daemon that serves anyone.
    pub async fn on(stage: Stage, name: &str, resources: &[&str], arguments: &[&str]) -> Self {
        let set = Set::up(&stage, name, resources).await;
        let daemon = Daemon::start(&stage.kubeconfig(), arguments).await;
        let guest = Guest {
            channel: daemon.connect().await,
            daemon,
            token: None,
        };
        Self::begin(stage, set, guest)
    }

    fn begin(stage: Stage, set: Set, guest: Guest) -> Self {
        Self {
            stage,
            kube: set.kube,
            daemon: guest.daemon,
            namespace: set.namespace,
            channel: guest.channel,
            token: guest.token,
            records: set.records,
            gaps: Mutex::default(),
            rights: Mutex::default(),
        }
    }

    /// Notes that the daemon may have had to compare states between these two versions, because
    /// upstream broke its history.
    pub fn excuse_gap(&self, from: u64, to: u64) {
        self.gaps.lock().push(Gap { from, to });
    }

    /// Notes what a subscriber may see, and until when.
    pub fn grant(&self, subscriber: &str, rights: Rights) {
        self.rights.lock().insert(subscriber.to_owned(), rights);
    }

    /// The shared connection.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Shows what calls on the shared connection show; for clients of other services.
    pub fn bearer(&self) -> Bearer {
        Bearer::new(self.token.clone())
    }

    /// Puts another daemon in the place of this one, for what is asked from now on.
    pub async fn replace_daemon(&mut self, daemon: Daemon) -> Daemon {
        self.channel = daemon.connect().await;
        std::mem::replace(&mut self.daemon, daemon)
    }

    /// Opens a recorded stream. All streams of one subscriber have its name.
    pub async fn try_watch(&self, name: &str, ask: &Ask) -> Result<Subscriber, Status> {
        self.try_watch_on(name, ask, self.channel()).await
    }

    /// The same on a connection of the caller's choice.
    pub async fn try_watch_on(
        &self,
        name: &str,
        ask: &Ask,
        channel: Channel,
    ) -> Result<Subscriber, Status> {
        let (_, start, _) = ask.trace();
        self.open_as(name, ask, channel, start).await
    }

    /// Continues after a list, whose version and token no recorded stream has received.
    pub async fn watch_after_list(&self, name: &str, ask: &Ask, version: u64) -> Subscriber {
        let start = Start::Version(version);
        let opened = self.open_as(name, ask, self.channel(), start).await;
        opened.unwrap_or_else(|status| panic!("{name}: refused: {status:?}"))
    }

    /// Opens a stream that is judged by another start than its request names.
    async fn open_as(
        &self,
        name: &str,
        ask: &Ask,
        channel: Channel,
        start: Start,
    ) -> Result<Subscriber, Status> {
        let record = self.record(&ask.resource());
        let (filter, _, interval) = ask.trace();
        let mut recorder = record.recorder.stream(name, filter, start, interval);
        if let Some(timeout) = ask.message.timeout.and_then(|t| t.try_into().ok()) {
            recorder = recorder.with_timeout(timeout);
        }
        let mut ask = ask.clone();
        ask.shown = ask.shown.or_else(|| self.token.clone());
        Subscriber::open(name, channel, &ask, recorder).await
    }

    /// Opens a recorded stream that must be accepted.
    pub async fn watch(&self, name: &str, ask: &Ask) -> Subscriber {
        let opened = self.try_watch(name, ask).await;
        opened.unwrap_or_else(|status| panic!("{name}: refused: {status:?}"))
    }

    /// Opens a recorded stream and reads its snapshot, which must have so many objects.
    pub async fn synced(&self, name: &str, ask: &Ask, objects: usize) -> Subscriber {
        let mut subscriber = self.watch(name, ask).await;
        let (snapshot, _) = subscriber.snapshot().await;
        assert_eq!(snapshot.len(), objects, "{name}: {snapshot:?}");
        subscriber
    }

    /// Whether the recording of the truth has outlived so many breaks; a simulated cluster keeps
    /// its own.
    pub fn truth_outlived(&self, breaks: u64) -> bool {
        self.records.values().all(|record| {
            let truth = record.truth.lock();
            truth
                .as_ref()
                .is_none_or(|truth| truth.reopened() >= breaks)
        })
    }

    /// Waits until the recording of the truth has everything that is written; a simulated cluster
    /// keeps its own.
    pub async fn truth_recorded(&self) {
        let watchers = self.records.values().map(|record| {
            let truth = record.truth.lock();
            truth.as_ref().map(TruthWatcher::present)
        });
        for present in watchers.flatten().collect::<Vec<_>>() {
            until("the truth is recorded", || async {
                present.is_recorded().await.is_ok_and(|recorded| recorded)
            })
            .await;
        }
    }

    fn record(&self, resource: &str) -> &Record {
        self.records
            .get(resource)
            .unwrap_or_else(|| panic!("{resource} is not recorded"))
    }

    /// Creates a config map in the scenario's namespace; gives its version.
    pub async fn create_map(&self, name: &str, labels: Value) -> u64 {
        let object = kube::config_map(name, labels, json!({"step": "0"}));
        kube::version(
            &self
                .kube
                .create("configmaps", &self.namespace, object)
                .await,
        )
    }

    /// Changes a config map's data; gives its version.
    pub async fn touch_map(&self, name: &str, step: &str) -> u64 {
        let patch = json!({"data": {"step": step}});
        kube::version(
            &self
                .kube
                .patch("configmaps", &self.namespace, name, patch)
                .await,
        )
    }

    /// Changes a config map's labels; gives its version.
    pub async fn label_map(&self, name: &str, labels: Value) -> u64 {
        let patch = json!({"metadata": {"labels": labels}});
        kube::version(
            &self
                .kube
                .patch("configmaps", &self.namespace, name, patch)
                .await,
        )
    }

    /// Deletes a config map; gives the version of the deletion as a subscriber will see it, which
    /// the API does not tell: any version after the last one of the object.
    pub async fn delete_map(&self, name: &str) {
        self.kube.delete("configmaps", &self.namespace, name).await;
    }

    /// Writes something last and gives its version: whoever has seen everything up to there has
    /// seen the scenario.
    pub async fn fence(&self, resource: &str) -> u64 {
        let name = format!("fence-{}", fastrand::u64(..));
        let mut object = match resource {
            "pods" => kube::pod(&name, json!({})),
            "configmaps" => kube::config_map(&name, json!({}), json!({})),
            "secrets" => json!({"apiVersion": "v1", "kind": "Secret"}),
            "namespaces" => json!({"apiVersion": "v1", "kind": "Namespace"}),
            "nodes" => json!({"apiVersion": "v1", "kind": "Node"}),
            "widgets.example.com" => json!({"apiVersion": "example.com/v1", "kind": "Widget"}),
            other => panic!("no fence is known for {other}"),
        };
        object["metadata"]["name"] = name.into();
        let namespace = if ["namespaces", "nodes"].contains(&resource) {
            ""
        } else {
            self.namespace.as_str()
        };
        kube::version(&self.kube.create(resource, namespace, object).await)
    }

    /// Judges everything that was recorded. All subscribers must have been dropped or have ended.
    pub async fn finish(self, expectation: &Expectation) -> Vec<Summary> {
        let mut summaries = Vec::new();
        for resource in self.records.keys().cloned().collect::<Vec<_>>() {
            summaries.push(self.judge(&resource, expectation).await);
        }
        summaries
    }

    /// Judges one resource.
    pub async fn judge(&self, resource: &str, expectation: &Expectation) -> Summary {
        let record = self.record(resource);
        let fence = self.fence(resource).await;
        let (truth, requests) = match self.stage.simulated() {
            Some(cluster) => (cluster.truth(resource), self.requests(resource)),
            None => {
                let watcher = record.truth.lock().take().expect("judged once");
                let truth: Truth = watcher.stop_at(fence).await.expect("an unbroken truth");
                (truth, Vec::new())
            }
        };
        let truth = match resource {
            "secrets" => truth.without_last_applied(),
            _ => truth,
        };
        let mut run = record.recorder.run(truth, requests);
        run.gaps = self.gaps.lock().clone();
        run.rights = self.rights.lock().clone();
        if let Some(cluster) = self.stage.simulated() {
            run.rewound = cluster.abandoned_truths(resource);
        }
        match validate_all(&run, expectation) {
            Ok(summary) => summary,
            Err(report) => {
                let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
                    .join(format!("{}-{resource}.jsonl", self.namespace));
                let saved = match informerd_support::recorder::save(&run, &file) {
                    Ok(()) => format!("saved as {}", file.display()),
                    Err(error) => format!("can't be saved: {error}"),
                };
                panic!("{resource}: {report}\nthe run is {saved}")
            }
        }
    }

    /// What the daemon and others have asked of a simulated cluster about a resource.
    pub fn requests(&self, resource: &str) -> Vec<UpstreamRequest> {
        let cluster = self
            .stage
            .simulated()
            .expect("only a simulated cluster keeps a record");
        cluster
            .requests()
            .into_iter()
            .filter(|request| request.resource == resource)
            .collect()
    }

    /// The requests about a resource after the first `count`.
    pub fn requests_after(&self, resource: &str, count: usize) -> Vec<UpstreamRequest> {
        self.requests(resource).split_off(count)
    }
}

/// A scenario without faults that shows at least so many events.
pub fn quick(min_events: u64) -> Expectation {
    Expectation {
        min_events,
        ..Expectation::default()
    }
}
