//! Tables of writes and of what a subscriber makes of each: the form in which the storage suites of
//! Kubernetes say what filters do.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use informerd::proto::v1::EventType;
use serde_json::{Value, json};

use crate::{
    kube,
    request::Ask,
    subscriber::{Subscriber, number},
    world::World,
};

/// One stream and what happens while it is open. In `fields`, `{ns1}` stands for a namespace of the
/// table and `{foo}` for an object's name.
pub struct Case {
    /// Short and unique in its scenario.
    pub name: &'static str,
    pub resource: &'static str,
    /// Namespaces asked for, by their names in the table.
    pub namespaces: &'static [&'static str],
    /// Names asked for.
    pub names: &'static [&'static str],
    pub labels: &'static str,
    pub fields: &'static str,
    /// Writes, each with the type of the event that it must lead to; empty for none.
    ///
    /// `create ns1/foo`, `update ns1/foo`, `assign ns1/foo bar` (creates what isn't there),
    /// `select ns1/foo` and `unselect ns1/foo` (the label `select=true`), `delete ns1/foo`.
    pub steps: &'static [(&'static str, &'static str)],
}

/// Everything of one resource; the rest is said where it differs.
pub const fn all_of(resource: &'static str) -> Case {
    Case {
        name: "",
        resource,
        namespaces: &[],
        names: &[],
        labels: "",
        fields: "",
        steps: &[],
    }
}

/// What a table calls a namespace, and its real name.
pub type Namespaces = [(&'static str, String)];

/// Plays one case; cases may be played at the same time. Gives the number of events.
pub async fn play(world: &World, namespaces: &Namespaces, case: &Case) -> usize {
    let prefix = format!("{}-{}", world.namespace, case.name);
    let ask = ask(namespaces, case, &prefix);
    let mut player = Player {
        world,
        case,
        prefix,
        namespaces,
        subscriber: world.synced(case.name, &ask, 0).await,
        existing: HashSet::new(),
        held: HashMap::new(),
        last: 0,
    };
    let mut events = 0;
    for (step, expected) in case.steps {
        player.step(step, expected).await;
        events += usize::from(!expected.is_empty());
    }
    let fence = world.fence(case.resource).await;
    player.subscriber.quiet_until(fence).await;
    events
}

fn ask(namespaces: &Namespaces, case: &Case, prefix: &str) -> Ask {
    let mut labels = format!("case={prefix}");
    if !case.labels.is_empty() {
        labels = format!("{labels},{}", case.labels);
    }
    let mut fields = case.fields.replace("{foo", &format!("{prefix}-foo"));
    for (short, real) in namespaces {
        fields = fields.replace(&format!("{{{short}}}"), real);
    }
    // Machines under test are busy: between two steps more than three seconds may pass.
    let mut ask = Ask::of(case.resource)
        .labels(&labels)
        .fields(&fields.replace('}', ""))
        .bookmarks(Duration::from_secs(2));
    for name in case.names {
        ask = ask.name(&format!("{prefix}-{name}"));
    }
    for short in case.namespaces {
        ask = ask.namespace(real_name(namespaces, short));
    }
    ask
}

fn real_name<'a>(namespaces: &'a Namespaces, short: &str) -> &'a str {
    let found = namespaces.iter().find(|(known, _)| *known == short);
    found.map_or("", |(_, real)| real.as_str())
}

struct Player<'a> {
    world: &'a World,
    case: &'a Case,
    /// Before all names, so that cases don't meet.
    prefix: String,
    namespaces: &'a Namespaces,
    subscriber: Subscriber,
    /// What has been created and not deleted.
    existing: HashSet<String>,
    /// The objects as the subscriber was shown them last.
    held: HashMap<String, Value>,
    /// The newest version known.
    last: u64,
}

/// Where an object is.
struct Place<'a> {
    namespace: &'a str,
    name: String,
}

impl Player<'_> {
    async fn step(&mut self, step: &str, expected: &str) {
        let mut words = step.split(' ');
        let (verb, key) = (words.next().expect("a verb"), words.next().expect("a key"));
        let argument = words.next().unwrap_or_default();
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        let place = Place {
            namespace: real_name(self.namespaces, namespace),
            name: format!("{}-{name}", self.prefix),
        };
        let new = !self.existing.contains(key);
        let version = match verb {
            "create" => Some(self.create(&place, "").await),
            "assign" if new => Some(self.create(&place, argument).await),
            "assign" => Some(self.assign(&place, argument).await),
            "update" => Some(self.update(&place).await),
            "select" => Some(self.label(&place, json!("true")).await),
            "unselect" => Some(self.label(&place, Value::Null).await),
            "delete" => {
                let kube = &self.world.kube;
                kube.delete(self.case.resource, place.namespace, &place.name)
                    .await;
                None
            }
            other => panic!("{other} is no step"),
        };
        if verb == "delete" {
            self.existing.remove(key);
        } else {
            self.existing.insert(key.to_owned());
        }
        if !expected.is_empty() {
            self.expect(step, key, &place, version, expected).await;
        }
        self.last = version.unwrap_or(self.last);
    }

    /// The next event must be this one; `version` is unknown for deletions only.
    async fn expect(
        &mut self,
        step: &str,
        key: &str,
        place: &Place<'_>,
        version: Option<u64>,
        expected: &str,
    ) {
        let what = format!("{}: {step}", self.case.name);
        let event = self.subscriber.event().await;
        let kind = EventType::from_str_name(&format!("EVENT_TYPE_{expected}")).expect("a type");
        let got = (event.namespace.as_str(), event.name.as_str());
        assert_eq!(event.r#type(), kind, "{what}");
        assert_eq!(got, (place.namespace, place.name.as_str()), "{what}");
        let own = number(&event.resource_version);
        match version {
            Some(version) => assert_eq!(own, version, "{what}"),
            None => assert!(own > self.last, "{what}: {own} after {}", self.last),
        }
        let shown: Value = serde_json::from_slice(&event.object).expect("json");
        assert_eq!(
            shown["metadata"]["resourceVersion"],
            own.to_string(),
            "{what}"
        );
        if kind != EventType::Deleted {
            self.held.insert(key.to_owned(), shown);
            return;
        }
        let mut held = self.held.remove(key).expect("what goes was there");
        held["metadata"]["resourceVersion"] = own.to_string().into();
        assert_eq!(shown, held, "{what}: the last matching state was expected");
    }

    async fn create(&self, place: &Place<'_>, node: &str) -> u64 {
        let mut object = match self.case.resource {
            "pods" => kube::pod(&place.name, json!({})),
            "nodes" => json!({"apiVersion": "v1", "kind": "Node", "spec": {}}),
            "widgets.example.com" => {
                json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {}})
            }
            other => panic!("tables know no {other}"),
        };
        object["metadata"] = json!({"name": place.name, "labels": {"case": self.prefix}});
        if !node.is_empty() {
            object["spec"][self.node_field()] = node.into();
        }
        let (resource, namespace) = (self.case.resource, place.namespace);
        kube::version(&self.world.kube.create(resource, namespace, object).await)
    }

    fn node_field(&self) -> &'static str {
        match self.case.resource {
            // A node is on no node; like a pod's, this field is set once.
            "nodes" => "providerID",
            _ => "nodeName",
        }
    }

    /// Puts an object on a node. A pod is bound by the scheduler's way, and only once.
    async fn assign(&self, place: &Place<'_>, node: &str) -> u64 {
        if self.case.resource == "pods" && self.world.stage.simulated().is_none() {
            let collection = kube::collection("pods", place.namespace);
            let path = format!("{collection}/{}", place.name);
            let binding = json!({
                "apiVersion": "v1", "kind": "Binding", "metadata": {"name": place.name},
                "target": {"apiVersion": "v1", "kind": "Node", "name": node},
            });
            let kube = &self.world.kube;
            kube.post(&format!("{path}/binding"), binding).await;
            return kube::version(&kube.get(&path).await);
        }
        let field = self.node_field();
        self.patch(place, json!({"spec": {field: node}})).await
    }

    /// Changes the status, where there is one beside the object.
    async fn update(&self, place: &Place<'_>) -> u64 {
        let news = format!("after {}", self.last);
        let status = match self.case.resource {
            "pods" => json!({"status": {"message": news}}),
            "nodes" => json!({"status": {"nodeInfo": {"machineID": news}}}),
            _ => return self.patch(place, json!({"spec": {"size": news}})).await,
        };
        let (resource, namespace) = (self.case.resource, place.namespace);
        let kube = &self.world.kube;
        kube::version(
            &kube
                .patch_status(resource, namespace, &place.name, status)
                .await,
        )
    }

    async fn label(&self, place: &Place<'_>, value: Value) -> u64 {
        let patch = json!({"metadata": {"labels": {"select": value}}});
        self.patch(place, patch).await
    }

    async fn patch(&self, place: &Place<'_>, patch: Value) -> u64 {
        let (resource, namespace) = (self.case.resource, place.namespace);
        let kube = &self.world.kube;
        kube::version(&kube.patch(resource, namespace, &place.name, patch).await)
    }
}
