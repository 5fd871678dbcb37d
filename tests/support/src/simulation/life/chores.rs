//! What the controllers, the scheduler and the kubelets still have to do, read off the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::object::Object;
use super::super::store::{State, key_of};
use super::text;

/// One pending write.
#[derive(Debug, Clone)]
pub(super) enum Chore {
    CreateSet {
        deployment: Value,
        hash: String,
        replicas: u64,
    },
    Scale {
        namespace: String,
        name: String,
        replicas: u64,
    },
    RemoveSet {
        namespace: String,
        name: String,
    },
    CreatePod {
        set: Value,
    },
    Terminate {
        namespace: String,
        name: String,
    },
    Remove {
        namespace: String,
        name: String,
    },
    Schedule {
        namespace: String,
        name: String,
    },
    Start {
        namespace: String,
        name: String,
        restarts: u64,
    },
    Tell {
        resource: &'static str,
        namespace: String,
        name: String,
        status: Value,
    },
}

type Children<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Value>>;

/// Everything pending, in a fixed order.
pub(super) fn pending(state: &State) -> Vec<Chore> {
    let all = |resource: &str| -> Vec<Arc<Object>> {
        let table = state.tables.get(resource).filter(|table| table.served);
        table
            .map(|table| table.objects.values().cloned().collect())
            .unwrap_or_default()
    };
    let (deployments, sets, pods) = (
        all("deployments.apps"),
        all("replicasets.apps"),
        all("pods"),
    );
    let (sets_of, pods_of) = (children(&sets), children(&pods));
    let mut chores = Vec::new();
    for deployment in &deployments {
        deploy(&deployment.value, &sets_of, &pods_of, &mut chores);
    }
    let has_owner = |resource: &str, child: &Value| {
        let key = key_of(text(child, "namespace"), owner(child));
        state
            .tables
            .get(resource)
            .is_some_and(|table| table.objects.contains_key(&key))
    };
    for set in &sets {
        let set = &set.value;
        if owner(set).is_empty() || has_owner("deployments.apps", set) {
            replicate(set, &pods_of, &mut chores);
        } else {
            chores.push(Chore::RemoveSet {
                namespace: own(set, "namespace"),
                name: own(set, "name"),
            });
        }
    }
    for pod in &pods {
        let orphan = !owner(&pod.value).is_empty() && !has_owner("replicasets.apps", &pod.value);
        keep_pod(&pod.value, orphan, &mut chores);
    }
    chores
}

fn children(objects: &[Arc<Object>]) -> Children<'_> {
    let mut children = Children::new();
    for object in objects {
        let key = (object.metadata("namespace"), owner(&object.value));
        children.entry(key).or_default().push(&object.value);
    }
    children
}

fn owner(object: &Value) -> &str {
    object["metadata"]["ownerReferences"][0]["name"]
        .as_str()
        .unwrap_or_default()
}

fn own(object: &Value, field: &str) -> String {
    text(object, field).to_owned()
}

fn replicas(object: &Value) -> u64 {
    object["spec"]["replicas"].as_u64().unwrap_or(1)
}

fn leaving(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

pub(super) fn is_ready(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["ready"] == true
}

/// The pods of a set that stay.
fn staying<'a>(set: &Value, pods_of: &Children<'a>) -> Vec<&'a Value> {
    let key = (text(set, "namespace"), text(set, "name"));
    let pods = pods_of.get(&key).into_iter().flatten();
    pods.copied().filter(|pod| !leaving(pod)).collect()
}

fn ready(set: &Value, pods_of: &Children<'_>) -> usize {
    staying(set, pods_of)
        .iter()
        .filter(|pod| is_ready(pod))
        .count()
}

/// The name of a pod template (FNV-1a, as the deployment controller uses, over our JSON text).
fn template_hash(deployment: &Value) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = deployment["spec"]["template"].to_string();
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut name = String::new();
    for _ in 0..9 {
        name.push(char::from(
            LETTERS[usize::try_from(hash % 27).unwrap_or_default()],
        ));
        hash /= 27;
    }
    name
}

/// A rolling update with one pod of surge.
fn deploy(
    deployment: &Value,
    sets_of: &Children<'_>,
    pods_of: &Children<'_>,
    chores: &mut Vec<Chore>,
) {
    let (namespace, name) = (text(deployment, "namespace"), text(deployment, "name"));
    let desired = replicas(deployment);
    let hash = template_hash(deployment);
    let current_name = format!("{name}-{hash}");
    let sets = sets_of.get(&(namespace, name)).cloned().unwrap_or_default();
    let (current, old): (Vec<_>, Vec<_>) = sets
        .iter()
        .copied()
        .partition(|set| text(set, "name") == current_name);
    let old_replicas: u64 = old.iter().copied().map(replicas).sum();
    let scale = |set: &Value, replicas| Chore::Scale {
        namespace: namespace.to_owned(),
        name: own(set, "name"),
        replicas,
    };
    let Some(current) = current.first().copied() else {
        let replicas = if old_replicas == 0 {
            desired
        } else {
            1.min(desired)
        };
        chores.push(Chore::CreateSet {
            deployment: deployment.clone(),
            hash,
            replicas,
        });
        return;
    };
    let now = replicas(current);
    let shrinking = old.iter().copied().find(|set| replicas(set) > 0);
    match shrinking {
        Some(_) if now < desired && now + old_replicas <= desired => {
            chores.push(scale(current, now + 1));
        }
        Some(set) if ready(current, pods_of) as u64 >= now.min(desired) => {
            chores.push(scale(set, replicas(set) - 1));
        }
        None if now != desired => chores.push(scale(current, desired)),
        _ => {}
    }
    forget_sets(&old, pods_of, chores);
    let total: usize = sets.iter().map(|set| staying(set, pods_of).len()).sum();
    let available: usize = sets.iter().map(|set| ready(set, pods_of)).sum();
    tell(
        "deployments.apps",
        deployment,
        chores,
        json!({
            "observedGeneration": deployment["metadata"]["generation"], "replicas": total,
            "updatedReplicas": staying(current, pods_of).len(), "readyReplicas": available,
            "availableReplicas": available,
        }),
    );
}

/// Two empty sets are kept to roll back to.
fn forget_sets(old: &[&Value], pods_of: &Children<'_>, chores: &mut Vec<Chore>) {
    let empty = |set: &&Value| replicas(set) == 0 && staying(set, pods_of).is_empty();
    let mut empty: Vec<_> = old.iter().copied().filter(empty).collect();
    empty.sort_by_key(|set| {
        text(set, "resourceVersion")
            .parse::<u64>()
            .unwrap_or_default()
    });
    for set in empty.iter().take(empty.len().saturating_sub(2)) {
        chores.push(Chore::RemoveSet {
            namespace: own(set, "namespace"),
            name: own(set, "name"),
        });
    }
}

fn replicate(set: &Value, pods_of: &Children<'_>, chores: &mut Vec<Chore>) {
    let (wanted, pods) = (replicas(set), staying(set, pods_of));
    let running = pods.len() as u64;
    if running < wanted {
        chores.push(Chore::CreatePod { set: set.clone() });
    } else if running > wanted
        && let Some(pod) = pods.last()
    {
        chores.push(Chore::Terminate {
            namespace: own(pod, "namespace"),
            name: own(pod, "name"),
        });
    }
    let ready = ready(set, pods_of);
    tell(
        "replicasets.apps",
        set,
        chores,
        json!({
            "observedGeneration": set["metadata"]["generation"], "replicas": running,
            "fullyLabeledReplicas": running, "readyReplicas": ready, "availableReplicas": ready,
        }),
    );
}

fn tell(resource: &'static str, object: &Value, chores: &mut Vec<Chore>, status: Value) {
    if object["status"] != status {
        chores.push(Chore::Tell {
            resource,
            namespace: own(object, "namespace"),
            name: own(object, "name"),
            status,
        });
    }
}

fn keep_pod(pod: &Value, orphan: bool, chores: &mut Vec<Chore>) {
    let (namespace, name) = (own(pod, "namespace"), own(pod, "name"));
    let restarts = pod["status"]["containerStatuses"][0]["restartCount"]
        .as_u64()
        .unwrap_or(0);
    if leaving(pod) {
        chores.push(Chore::Remove { namespace, name });
    } else if orphan {
        chores.push(Chore::Terminate { namespace, name });
    } else if pod["spec"]["nodeName"].is_null() {
        chores.push(Chore::Schedule { namespace, name });
    } else if !is_ready(pod) {
        chores.push(Chore::Start {
            namespace,
            name,
            restarts,
        });
    }
}
