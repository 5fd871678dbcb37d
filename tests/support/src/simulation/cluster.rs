//! The handle on one simulated cluster: writes, reads and all knobs that a test or a demo turns.
//! Cheap to clone; every clone is the same cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::faults::Script;
use super::journal::Journal;
use super::object::Object;
use super::patch::PatchKind;
use super::refusal::Refusal;
use super::resources::built_in;
use super::reviews::Access;
use super::store::State;
use super::writes::{Author, Preconditions};

/// How a cluster behaves. The default imitates a current kube-apiserver.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seeds uids and generated names.
    pub seed: u64,
    /// Uid of the namespace `kube-system`, which identifies the cluster; empty takes one from
    /// the seed.
    pub cluster_id: String,
    /// Revision before the first write.
    pub first_revision: u64,
    /// What stamps creation times.
    pub clock: fn() -> Timestamp,
    /// Whether watches can begin with initial events (feature gate WatchList, on since 1.34).
    pub watch_list: bool,
    /// Whether aggregated discovery is offered.
    pub aggregated_discovery: bool,
    /// Pause between two bookmarks on a watch that allows them.
    pub bookmark_interval: Duration,
    /// How long a read waits for a resourceVersion that has not been reached (3 s upstream).
    pub fresh_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            cluster_id: String::new(),
            first_revision: 100,
            clock: Timestamp::now,
            watch_list: true,
            aggregated_discovery: true,
            bookmark_interval: Duration::from_secs(60),
            fresh_wait: Duration::from_millis(300),
        }
    }
}

/// One simulated cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    options: Mutex<Options>,
    script: Mutex<Script>,
    journal: Arc<Journal>,
    access: Mutex<Access>,
    revision: watch::Sender<u64>,
}

const IN_PROCESS: Author<'_> = Author {
    manager: "simulation",
    status: false,
};

impl Default for Cluster {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Cluster {
    /// A cluster with the built-in resources, the namespaces `default` and `kube-system`, and
    /// one component status.
    ///
    /// # Panics
    /// Never: the first objects are valid.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut state = State::new(options.seed, options.clock);
        built_in().into_iter().for_each(|spec| state.register(spec));
        state.revision = options.first_revision;
        let shared = Shared {
            state: Mutex::new(state),
            script: Mutex::default(),
            access: Mutex::default(),
            journal: Arc::new(Journal::new(Instant::now())),
            revision: watch::channel(options.first_revision).0,
            options: Mutex::new(options.clone()),
        };
        let cluster = Self {
            shared: Arc::new(shared),
        };
        let mut kube_system = namespace("kube-system");
        if !options.cluster_id.is_empty() {
            kube_system["metadata"]["uid"] = json!(options.cluster_id);
        }
        let healthy = json!({
            "metadata": { "name": "etcd-0" },
            "conditions": [{ "type": "Healthy", "status": "True", "message": "ok" }],
        });
        let first = [
            ("namespaces", namespace("default")),
            ("namespaces", kube_system),
            ("componentstatuses", healthy),
        ];
        for (resource, object) in first {
            cluster
                .create(resource, object)
                .expect("the first objects are valid");
        }
        cluster
    }

    /// Creates an object and returns it as stored. `resource` is named as by
    /// [`ResourceSpec::id`](super::ResourceSpec::id); a namespaced object without a namespace goes to `default`, and its
    /// namespace need not exist.
    ///
    /// # Errors
    /// 400, 404, 409 or 422, as the apiserver would.
    pub fn create(&self, resource: &str, object: Value) -> Result<Value, Refusal> {
        self.write(|state| state.create(resource, "", object, IN_PROCESS))
    }

    /// Replaces an object. As upstream, `status` is kept where it is a subresource: write it with
    /// [`Cluster::update_status`]. Without `metadata.resourceVersion` there is no precondition;
    /// an update that changes nothing commits nothing.
    ///
    /// # Errors
    /// 400, 404 or 409.
    pub fn update(&self, resource: &str, object: Value) -> Result<Value, Refusal> {
        self.write(|state| state.update(resource, "", object, IN_PROCESS))
    }

    /// Replaces the `status` of an object.
    ///
    /// # Errors
    /// 400, 404 or 409.
    pub fn update_status(&self, resource: &str, object: Value) -> Result<Value, Refusal> {
        let author = Author {
            manager: "simulation-status",
            status: true,
        };
        self.write(|state| state.update(resource, "", object, author))
    }

    /// Applies a JSON merge patch to an object; `namespace` is empty for cluster-scoped ones.
    ///
    /// # Errors
    /// 400, 404 or 409.
    pub fn patch(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        change: &Value,
    ) -> Result<Value, Refusal> {
        let change = (PatchKind::Merge, change);
        self.write(|state| state.patch(resource, namespace, name, change, IN_PROCESS))
    }

    /// Applies a JSON merge patch to the `status` of an object.
    ///
    /// # Errors
    /// 400, 404 or 409.
    pub fn patch_status(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        change: &Value,
    ) -> Result<Value, Refusal> {
        let author = Author {
            manager: "simulation-status",
            status: true,
        };
        let change = (PatchKind::Merge, change);
        self.write(|state| state.patch(resource, namespace, name, change, author))
    }

    /// Deletes an object and returns its last state with the version of the deletion. Finalizers
    /// hold it back as upstream; a namespace takes its contents along.
    ///
    /// # Errors
    /// 404.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<Value, Refusal> {
        let any = Preconditions::default();
        self.write(|state| state.delete(resource, namespace, name, &any))
    }

    /// One object.
    ///
    /// # Errors
    /// 404.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Value, Refusal> {
        self.read(|state| {
            state
                .get(resource, namespace, name)
                .map(|object| object.value.clone())
        })
    }

    /// All objects of a resource, ordered by `namespace/name`, at exactly `version`.
    ///
    /// # Errors
    /// 404, or 410 below the compaction.
    pub fn objects_at(&self, resource: &str, version: u64) -> Result<Vec<Value>, Refusal> {
        self.read(|state| {
            let objects = state.objects_at(state.table(resource)?, version, "")?;
            Ok(objects.iter().map(|object| object.value.clone()).collect())
        })
    }

    /// Version of the newest write of any resource.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.read(|state| state.revision)
    }

    /// Uid of the namespace `kube-system`; empty once it is deleted.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        let found = self
            .get("namespaces", "", "kube-system")
            .unwrap_or_default();
        found["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn options(&self) -> Options {
        self.shared.options.lock().clone()
    }

    /// Changes how requests to come are served.
    pub(super) fn reconfigure(&self, act: impl FnOnce(&mut Options)) {
        act(&mut self.shared.options.lock());
    }

    pub(super) fn journal(&self) -> &Arc<Journal> {
        &self.shared.journal
    }

    pub(super) fn script<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut self.shared.script.lock())
    }

    pub(super) fn access<T>(&self, act: impl FnOnce(&mut Access) -> T) -> T {
        act(&mut self.shared.access.lock())
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state.lock())
    }

    /// A change after which every watch looks again.
    pub(super) fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.shared.state.lock();
        let result = act(&mut state);
        state.tables.values().for_each(super::store::Table::wake);
        self.shared.revision.send_replace(state.visible());
        result
    }

    pub(super) fn write(
        &self,
        act: impl FnOnce(&mut State) -> Result<Arc<Object>, Refusal>,
    ) -> Result<Value, Refusal> {
        let mut state = self.shared.state.lock();
        let object = act(&mut state)?;
        self.shared.revision.send_replace(state.visible());
        Ok(object.value.clone())
    }

    /// What [`Cluster::write`] would answer, with nothing written.
    pub(super) fn try_out(
        &self,
        act: impl FnOnce(&mut State) -> Result<Arc<Object>, Refusal>,
    ) -> Result<Value, Refusal> {
        let mut state = self.shared.state.lock();
        state.dry = true;
        let outcome = act(&mut state);
        state.dry = false;
        outcome.map(|object| object.value.clone())
    }

    /// Waits until readers may see `version`, at most [`Options::fresh_wait`].
    pub(super) async fn fresh(&self, version: u64) -> Result<(), Refusal> {
        let mut revision = self.shared.revision.subscribe();
        let reached = revision.wait_for(|current| *current >= version);
        match tokio::time::timeout(self.options().fresh_wait, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Refusal::too_large(version, self.read(State::visible))),
        }
    }
}

fn namespace(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
        "spec": { "finalizers": ["kubernetes"] },
        "status": { "phase": "Active" },
    })
}
