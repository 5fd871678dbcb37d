//! Cluster life for the demo and for load: a small shop whose controllers, scheduler, kubelets
//! and people change things, one seeded step at a time.

mod chores;
mod mischief;
mod objects;

use serde_json::{Value, json};

use self::chores::Chore;
use super::cluster::Cluster;
use super::refusal::Refusal;
use super::store::{State, key_of};

/// How likely a step does pending work of a controller instead of something new.
const DILIGENCE: f64 = 0.7;

/// The life of one cluster. Equal seeds on equal clusters with equal clocks do the same things;
/// what other writers do to the same objects is taken up as a controller would.
#[derive(Debug)]
pub struct Life {
    cluster: Cluster,
    random: fastrand::Rng,
    steps: u64,
}

/// What one step has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// What was done, for example `crash` or `schedule`.
    pub what: &'static str,
    /// The resource, as [`ResourceSpec::id`](super::ResourceSpec::id) names it.
    pub resource: &'static str,
    /// `namespace/name`, or the name alone.
    pub key: String,
}

impl Happening {
    fn new(what: &'static str, resource: &'static str, namespace: &str, name: &str) -> Self {
        Self {
            what,
            resource,
            key: key_of(namespace, name),
        }
    }
}

impl Life {
    /// Founds the shop: namespaces, nodes, services, config maps and deployments, all but the
    /// pods, which grow step by step. What already exists is left alone.
    ///
    /// # Errors
    /// When the cluster no longer serves one of the resources.
    pub fn new(cluster: Cluster, seed: u64) -> Result<Self, Refusal> {
        for (resource, object) in objects::first() {
            match cluster.create(resource, object) {
                Err(refused) if refused.code != 409 => return Err(refused),
                _ => {}
            }
        }
        Ok(Self {
            cluster,
            random: fastrand::Rng::with_seed(seed),
            steps: 0,
        })
    }

    /// Makes one change, exactly one write. `None` if nothing could be changed, because the
    /// shop is gone.
    pub fn step(&mut self) -> Option<Happening> {
        self.steps += 1;
        let chores = self.cluster.read(chores::pending);
        if self.random.f64() < DILIGENCE
            && let Some(chore) = self.random.choice(chores)
        {
            return self.work(chore).or_else(|| self.mischief());
        }
        self.mischief()
    }

    /// Works until the controllers have nothing left to do or `limit` steps are made; the
    /// number of steps.
    pub fn settle(&mut self, limit: usize) -> usize {
        for step in 0..limit {
            let chores = self.cluster.read(chores::pending);
            let Some(chore) = self.random.choice(chores) else {
                return step;
            };
            self.work(chore);
        }
        limit
    }

    fn work(&mut self, chore: Chore) -> Option<Happening> {
        let cluster = &self.cluster;
        match chore {
            Chore::CreateSet {
                deployment,
                hash,
                replicas,
            } => {
                let object = objects::replica_set(&deployment, &hash, replicas);
                create(cluster, "replicasets.apps", object)
            }
            Chore::CreatePod { set } => create(cluster, "pods", objects::pod(&set)),
            Chore::Scale {
                namespace,
                name,
                replicas,
            } => {
                let change = json!({ "spec": { "replicas": replicas } });
                cluster
                    .patch("replicasets.apps", &namespace, &name, &change)
                    .ok()?;
                Some(Happening::new(
                    "scale",
                    "replicasets.apps",
                    &namespace,
                    &name,
                ))
            }
            Chore::RemoveSet { namespace, name } => {
                remove(cluster, "replicasets.apps", &namespace, &name)
            }
            Chore::Remove { namespace, name } => remove(cluster, "pods", &namespace, &name),
            Chore::Terminate { namespace, name } => self.terminate(&namespace, &name),
            Chore::Schedule { namespace, name } => {
                let node = objects::NODES[self.random.usize(..objects::NODES.len())];
                let change = json!({ "spec": { "nodeName": node } });
                cluster.patch("pods", &namespace, &name, &change).ok()?;
                Some(Happening::new("schedule", "pods", &namespace, &name))
            }
            Chore::Start {
                namespace,
                name,
                restarts,
            } => self.start(&namespace, &name, restarts),
            Chore::Tell {
                resource,
                namespace,
                name,
                status,
            } => {
                let change = json!({ "status": status });
                cluster
                    .patch_status(resource, &namespace, &name, &change)
                    .ok()?;
                Some(Happening::new("status", resource, &namespace, &name))
            }
        }
    }

    fn start(&mut self, namespace: &str, name: &str, restarts: u64) -> Option<Happening> {
        let object = self.cluster.get("pods", namespace, name).ok()?;
        let ip = format!("10.244.{}.{}", self.random.u8(0..3), self.random.u8(2..250));
        let now = self.cluster.read(State::now);
        let status = objects::running(&object, &ip, restarts, &now);
        self.cluster
            .patch_status("pods", namespace, name, &json!({ "status": status }))
            .ok()?;
        Some(Happening::new("start", "pods", namespace, name))
    }

    /// The kubelet's part of a deletion, which comes some steps later, is a chore.
    fn terminate(&self, namespace: &str, name: &str) -> Option<Happening> {
        let mark = |state: &mut State| {
            let mut object = state.get("pods", namespace, name)?.value.clone();
            object["metadata"]["deletionTimestamp"] = json!(state.now());
            object["metadata"]["deletionGracePeriodSeconds"] = json!(30);
            Ok(state.commit("pods", &key_of(namespace, name), Some(object)))
        };
        self.cluster.write(mark).ok()?;
        Some(Happening::new("terminate", "pods", namespace, name))
    }
}

fn create(cluster: &Cluster, resource: &'static str, object: Value) -> Option<Happening> {
    let made = cluster.create(resource, object).ok()?;
    Some(Happening::new(
        "create",
        resource,
        text(&made, "namespace"),
        text(&made, "name"),
    ))
}

fn remove(
    cluster: &Cluster,
    resource: &'static str,
    namespace: &str,
    name: &str,
) -> Option<Happening> {
    cluster.delete(resource, namespace, name).ok()?;
    Some(Happening::new("remove", resource, namespace, name))
}

fn is_running(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null() && chores::is_ready(pod)
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;

    use super::super::{Cluster, Options};
    use super::Life;

    fn live(seed: u64, steps: usize) -> (Cluster, Vec<super::Happening>) {
        let options = Options {
            clock: || Timestamp::UNIX_EPOCH,
            ..Options::default()
        };
        let cluster = Cluster::new(options);
        let mut life = Life::new(cluster.clone(), seed).expect("everything is served");
        let happened = (0..steps).filter_map(|_| life.step()).collect();
        (cluster, happened)
    }

    #[test]
    fn equal_seeds_live_equal_lives() {
        let (first, again, other) = (live(7, 120), live(7, 120), live(8, 120));
        assert_eq!(first.1, again.1);
        assert_ne!(first.1, other.1);
        assert_eq!(first.0.truth("pods"), again.0.truth("pods"));
    }

    #[test]
    fn each_step_is_one_write() {
        let cluster = Cluster::default();
        let mut life = Life::new(cluster.clone(), 3).expect("everything is served");
        for step in 0..200 {
            let before = cluster.revision();
            let happened = life.step();
            assert_eq!(cluster.revision(), before + 1, "step {step}: {happened:?}");
        }
    }

    #[test]
    fn everything_happens_in_the_long_run() {
        let (cluster, happened) = live(1, 700);
        let kinds: BTreeSet<_> = happened.iter().map(|happening| happening.what).collect();
        let expected = [
            "configure",
            "crash",
            "create",
            "heartbeat",
            "relabel",
            "remove",
            "rescale",
            "roll",
            "scale",
            "schedule",
            "start",
            "status",
            "terminate",
        ];
        assert_eq!(kinds, BTreeSet::from(expected));
        let pods = cluster
            .objects_at("pods", cluster.revision())
            .expect("pods are served");
        assert!((5..40).contains(&pods.len()), "{} pods", pods.len());
        let sets = cluster
            .objects_at("replicasets.apps", cluster.revision())
            .expect("served");
        assert!(sets.len() < 25, "{} replica sets", sets.len());
        let ready = pods
            .iter()
            .find(|pod| super::is_running(pod))
            .expect("some pod runs");
        let size = ready.to_string().len();
        assert!((1_500..6_000).contains(&size), "a pod of {size} bytes");
    }

    #[test]
    fn controllers_come_to_rest_and_repair() {
        let cluster = Cluster::default();
        let mut life = Life::new(cluster.clone(), 5).expect("everything is served");
        assert!(life.settle(1_000) < 1_000);
        let pods = cluster
            .objects_at("pods", cluster.revision())
            .expect("pods are served");
        assert!(pods.iter().all(super::is_running));
        let (namespace, name) = (
            super::text(&pods[0], "namespace"),
            super::text(&pods[0], "name"),
        );
        cluster.delete("pods", namespace, name).expect("it exists");
        life.settle(1_000);
        let again = cluster
            .objects_at("pods", cluster.revision())
            .expect("pods are served");
        assert_eq!(again.len(), pods.len());
        assert_eq!(life.settle(1), 0);
    }
}
