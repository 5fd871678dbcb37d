//! Rendered objects, and the questions that tests ask of them.

use std::collections::BTreeSet;

use serde_json::Value;

/// What helm rendered.
pub(super) struct Manifest {
    /// As it is applied.
    pub(super) text: String,
    pub(super) objects: Vec<Value>,
}

impl Manifest {
    pub(super) fn parse(text: String) -> Self {
        let mut objects = Vec::new();
        let mut document = String::new();
        for line in text.lines().chain(["---"]) {
            if line != "---" {
                document.push_str(line);
                document.push('\n');
                continue;
            }
            let object: Value = serde_saphyr::from_str(&document)
                .unwrap_or_else(|error| panic!("no YAML: {error}\n{document}"));
            if object.is_object() {
                objects.push(object);
            }
            document.clear();
        }
        Self { text, objects }
    }

    pub(super) fn of(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |o| o["kind"] == kind)
    }

    /// Those that are installed, without those of `helm test`.
    pub(super) fn installed(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.of(kind)
            .filter(|o| o["metadata"]["annotations"]["helm.sh/hook"].is_null())
    }

    /// The only object of its kind.
    pub(super) fn one(&self, kind: &'static str) -> &Value {
        let all: Vec<_> = self.installed(kind).collect();
        assert_eq!(all.len(), 1, "{kind}: {all:#?}");
        all[0]
    }

    /// The pod template's spec.
    pub(super) fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]["spec"]
    }

    /// The daemon's container.
    pub(super) fn container(&self) -> &Value {
        let containers = list(&self.pod()["containers"]);
        let found = containers.iter().find(|c| c["name"] == "informerd");
        found.expect("the container")
    }

    /// The daemon's arguments.
    pub(super) fn arguments(&self) -> Vec<&str> {
        texts(&self.container()["args"])
    }

    /// The value of `--NAME=VALUE`.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        let prefix = format!("--{name}=");
        self.arguments()
            .into_iter()
            .find_map(|argument| argument.strip_prefix(&prefix))
    }

    /// All rules with the namespace that they hold in; those of cluster roles hold everywhere.
    pub(super) fn rules(&self) -> Vec<(Option<&str>, &Value)> {
        let roles = self.installed("Role").chain(self.installed("ClusterRole"));
        roles
            .flat_map(|role| {
                let namespace = role["metadata"]["namespace"].as_str();
                list(&role["rules"])
                    .iter()
                    .map(move |rule| (namespace, rule))
            })
            .collect()
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}

/// The resources of a rule as the daemon's flag names them.
pub(super) fn names(rule: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for group in texts(&rule["apiGroups"]) {
        for resource in texts(&rule["resources"]) {
            let dot = if group.is_empty() { "" } else { "." };
            names.insert(format!("{resource}{dot}{group}"));
        }
    }
    names
}
