//! What nobody had planned: people changing their minds, containers crashing, nodes reporting.

use serde_json::{Value, json};

use super::{Happening, Life, is_running, objects, text};

impl Life {
    /// Something new; `None` if several ideas in a row came to nothing.
    pub(super) fn mischief(&mut self) -> Option<Happening> {
        for _ in 0..8 {
            let done = match self.random.u8(0..16) {
                0..=3 => self.turn_config(),
                4..=6 => self.turn_canary(),
                7..=9 => self.beat_node(),
                10..=11 => self.crash(),
                12..=13 => self.evict(),
                14 => self.roll(),
                _ => self.rescale(),
            };
            if done.is_some() {
                return done;
            }
        }
        None
    }

    /// A random object that passes.
    fn pick(&mut self, resource: &str, passes: impl Fn(&Value) -> bool) -> Option<Value> {
        let found: Vec<_> = self.cluster.read(|state| {
            let objects = state.tables.get(resource)?.objects.values();
            Some(
                objects
                    .filter(|object| passes(&object.value))
                    .cloned()
                    .collect(),
            )
        })?;
        self.random.choice(found).map(|object| object.value.clone())
    }

    fn change(
        &self,
        what: &'static str,
        resource: &'static str,
        object: &Value,
        change: &Value,
    ) -> Option<Happening> {
        let (namespace, name) = (text(object, "namespace"), text(object, "name"));
        self.cluster.patch(resource, namespace, name, change).ok()?;
        Some(Happening::new(what, resource, namespace, name))
    }

    fn turn_config(&mut self) -> Option<Happening> {
        let object = self.pick("configmaps", |object| !object["data"]["revision"].is_null())?;
        let change = json!({ "data": { "revision": self.steps.to_string() } });
        self.change("configure", "configmaps", &object, &change)
    }

    fn turn_canary(&mut self) -> Option<Happening> {
        let object = self.pick("pods", is_running)?;
        let canary = object["metadata"]["labels"]["track"] == "canary";
        let track = if canary { Value::Null } else { json!("canary") };
        let change = json!({ "metadata": { "labels": { "track": track } } });
        self.change("relabel", "pods", &object, &change)
    }

    fn beat_node(&mut self) -> Option<Happening> {
        let object = self.pick("nodes", |_| true)?;
        let status = objects::node_status(self.random.u32(4_000_000..8_000_000), self.steps);
        let name = text(&object, "name");
        self.cluster
            .patch_status("nodes", "", name, &json!({ "status": status }))
            .ok()?;
        Some(Happening::new("heartbeat", "nodes", "", name))
    }

    fn crash(&mut self) -> Option<Happening> {
        let object = self.pick("pods", is_running)?;
        let (namespace, name) = (text(&object, "namespace"), text(&object, "name"));
        let status = objects::crashed(&object);
        self.cluster
            .patch_status("pods", namespace, name, &json!({ "status": status }))
            .ok()?;
        Some(Happening::new("crash", "pods", namespace, name))
    }

    fn evict(&mut self) -> Option<Happening> {
        let object = self.pick("pods", is_running)?;
        let (namespace, name) = (text(&object, "namespace"), text(&object, "name"));
        self.terminate(namespace, name)
    }

    fn roll(&mut self) -> Option<Happening> {
        let object = self.pick("deployments.apps", |object| {
            object["status"]["updatedReplicas"] == object["spec"]["replicas"]
        })?;
        let mut containers = object["spec"]["template"]["spec"]["containers"].clone();
        let image = containers[0]["image"].as_str()?.to_owned();
        let (repository, tag) = image.rsplit_once(":1.")?;
        let next = tag.parse::<u64>().ok()? + 1;
        containers[0]["image"] = json!(format!("{repository}:1.{next}"));
        let change = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
        self.change("roll", "deployments.apps", &object, &change)
    }

    fn rescale(&mut self) -> Option<Happening> {
        let object = self.pick("deployments.apps", |_| true)?;
        let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
        let next = if replicas >= 6 || (replicas > 1 && self.random.bool()) {
            replicas - 1
        } else {
            replicas + 1
        };
        self.change(
            "rescale",
            "deployments.apps",
            &object,
            &json!({ "spec": { "replicas": next } }),
        )
    }
}
