//! What the columns of a resource show, as far as this client knows the resource.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    CliError, age,
    pod::{self, condition, list, text},
    resolve,
};
use crate::proto::v1::Resource;

/// A name and its least width.
pub(crate) type Column = (&'static str, usize);

const POD: &[Column] = &[("READY", 0), ("STATUS", 17), ("RESTARTS", 11), ("AGE", 5)];
const POD_WIDE: &[Column] = &[("IP", 15), ("NODE", 0)];
const DEPLOYMENT: &[Column] = &[
    ("READY", 0),
    ("UP-TO-DATE", 0),
    ("AVAILABLE", 0),
    ("AGE", 5),
];
const DEPLOYMENT_WIDE: &[Column] = &[("CONTAINERS", 0), ("IMAGES", 0)];
const NODE: &[Column] = &[("STATUS", 8), ("ROLES", 13), ("AGE", 5), ("VERSION", 8)];
const NODE_WIDE: &[Column] = &[("INTERNAL-IP", 15), ("OS-IMAGE", 0)];
const SERVICE: &[Column] = &[
    ("TYPE", 12),
    ("CLUSTER-IP", 15),
    ("EXTERNAL-IP", 0),
    ("PORT(S)", 12),
    ("AGE", 5),
];
const SERVICE_WIDE: &[Column] = &[("SELECTOR", 0)];
const OTHER: &[Column] = &[("AGE", 5), ("RESOURCEVERSION", 0)];
const OTHER_WIDE: &[Column] = &[("UID", 36), ("LABELS", 0)];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Pod,
    Deployment,
    Node,
    Service,
    Other,
}

/// The columns behind NAME.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    kind: Kind,
    wide: bool,
}

impl Columns {
    pub(crate) fn of(resource: &Resource, wide: bool) -> Self {
        let kind = match resolve::full_name(resource).as_str() {
            "pods" => Kind::Pod,
            "deployments.apps" => Kind::Deployment,
            "nodes" => Kind::Node,
            "services" => Kind::Service,
            _ => Kind::Other,
        };
        Self { kind, wide }
    }

    pub(crate) fn headers(self) -> Vec<Column> {
        let (narrow, wide) = match self.kind {
            Kind::Pod => (POD, POD_WIDE),
            Kind::Deployment => (DEPLOYMENT, DEPLOYMENT_WIDE),
            Kind::Node => (NODE, NODE_WIDE),
            Kind::Service => (SERVICE, SERVICE_WIDE),
            Kind::Other => (OTHER, OTHER_WIDE),
        };
        let wide = if self.wide { wide } else { &[] };
        [narrow, wide].concat()
    }

    /// One value per header. What an object doesn't say is `<none>`.
    pub(crate) fn cells(self, object: &[u8], now: Timestamp) -> Result<Vec<String>, CliError> {
        let object: Value =
            serde_json::from_slice(object).map_err(|e| CliError::Object(e.to_string()))?;
        let created = object["metadata"]["creationTimestamp"].as_str();
        let age = age::since(created, now);
        let mut cells = match self.kind {
            Kind::Pod => pod_cells(&object, age, now),
            Kind::Deployment => deployment_cells(&object, age),
            Kind::Node => node_cells(&object, age),
            Kind::Service => service_cells(&object, age),
            Kind::Other => other_cells(&object, age),
        };
        cells.truncate(self.headers().len());
        Ok(cells)
    }
}

fn or_none(text: Option<impl Into<String>>) -> String {
    text.map_or_else(|| "<none>".to_owned(), Into::into)
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.collect();
    or_none((!texts.is_empty()).then(|| texts.join(",")))
}

fn map(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    joined(pairs.iter().map(String::as_str))
}

fn pod_cells(object: &Value, age: String, now: Timestamp) -> Vec<String> {
    let summary = pod::summary(object, now);
    vec![
        summary.ready,
        summary.status,
        summary.restarts,
        age,
        or_none(text(&object["status"]["podIP"])),
        or_none(text(&object["spec"]["nodeName"])),
    ]
}

fn deployment_cells(object: &Value, age: String) -> Vec<String> {
    let status = &object["status"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    // The apiserver fills in one replica; objects that never saw it may lack the field.
    let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let containers = || list(&object["spec"]["template"]["spec"]["containers"]).iter();
    vec![
        format!("{}/{wanted}", count(&status["readyReplicas"])),
        count(&status["updatedReplicas"]).to_string(),
        count(&status["availableReplicas"]).to_string(),
        age,
        joined(containers().filter_map(|container| text(&container["name"]))),
        joined(containers().filter_map(|container| text(&container["image"]))),
    ]
}

fn node_cells(object: &Value, age: String) -> Vec<String> {
    const ROLE: &str = "node-role.kubernetes.io/";
    let status = &object["status"];
    let ready = condition(status, "Ready").and_then(|ready| ready["status"].as_str());
    let mut words = match ready {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if object["spec"]["unschedulable"] == true {
        words.push_str(",SchedulingDisabled");
    }
    let labels = object["metadata"]["labels"].as_object();
    let roles = labels.into_iter().flatten();
    let roles = roles.filter_map(|(label, _)| label.strip_prefix(ROLE));
    let mut addresses = list(&status["addresses"]).iter();
    let internal = addresses.find(|address| address["type"] == "InternalIP");
    vec![
        words,
        joined(roles),
        age,
        or_none(text(&status["nodeInfo"]["kubeletVersion"])),
        or_none(internal.and_then(|address| text(&address["address"]))),
        or_none(text(&status["nodeInfo"]["osImage"])),
    ]
}

fn service_cells(object: &Value, age: String) -> Vec<String> {
    let spec = &object["spec"];
    let kind = text(&spec["type"]).unwrap_or("ClusterIP");
    let ingress = list(&object["status"]["loadBalancer"]["ingress"]).iter();
    let ingress = ingress.filter_map(|i| text(&i["ip"]).or(text(&i["hostname"])));
    let mut external: Vec<&str> = list(&spec["externalIPs"])
        .iter()
        .filter_map(text)
        .chain(ingress)
        .collect();
    if kind == "ExternalName" {
        external.extend(text(&spec["externalName"]));
    } else if kind == "LoadBalancer" && external.is_empty() {
        external.push("<pending>");
    }
    let ports: Vec<String> = list(&spec["ports"])
        .iter()
        .map(|port| {
            let protocol = text(&port["protocol"]).unwrap_or("TCP");
            match port["nodePort"].as_u64() {
                Some(node_port) => format!("{}:{node_port}/{protocol}", port["port"]),
                None => format!("{}/{protocol}", port["port"]),
            }
        })
        .collect();
    vec![
        kind.to_owned(),
        or_none(text(&spec["clusterIP"])),
        joined(external.into_iter()),
        joined(ports.iter().map(String::as_str)),
        age,
        map(&spec["selector"]),
    ]
}

fn other_cells(object: &Value, age: String) -> Vec<String> {
    let metadata = &object["metadata"];
    vec![
        age,
        or_none(text(&metadata["resourceVersion"])),
        or_none(text(&metadata["uid"])),
        map(&metadata["labels"]),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::proto::v1::GroupVersionResource;

    fn shown(group: &str, name: &str, object: Value) -> String {
        let resource = Resource {
            resource: Some(GroupVersionResource {
                group: group.into(),
                version: "v1".into(),
                resource: name.into(),
            }),
            ..Default::default()
        };
        let now = "2026-01-01T00:00:30Z".parse().expect("a timestamp");
        let columns = Columns::of(&resource, true);
        let object = object.to_string();
        let cells = columns.cells(object.as_bytes(), now).expect("json");
        assert_eq!(cells.len(), columns.headers().len(), "{name}");
        let narrow = Columns::of(&resource, false);
        let few = narrow.cells(object.as_bytes(), now).expect("json");
        assert_eq!(few, cells[..narrow.headers().len()], "{name}");
        cells.join(" | ")
    }

    fn metadata() -> Value {
        json!({
            "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "7", "uid": "u",
            "labels": {"a": "b", "node-role.kubernetes.io/control-plane": ""},
        })
    }

    #[test]
    fn shows_what_people_look_for() {
        let pod = json!({"metadata": metadata(), "spec": {"nodeName": "n1", "containers": [{}]},
                         "status": {"phase": "Pending", "podIP": "10.0.0.1"}});
        assert_eq!(
            shown("", "pods", pod),
            "0/1 | Pending | 0 | 30s | 10.0.0.1 | n1"
        );
        let deployment = json!({
            "metadata": metadata(),
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "web", "image": "web:1"}, {"name": "log", "image": "log:2"}]}}},
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
        });
        assert_eq!(
            shown("apps", "deployments", deployment),
            "2/3 | 3 | 2 | 30s | web,log | web:1,log:2"
        );
        let node = json!({
            "metadata": metadata(), "spec": {"unschedulable": true},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": "10.1.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1.33.0", "osImage": "Linux"}},
        });
        assert_eq!(
            shown("", "nodes", node),
            "Ready,SchedulingDisabled | control-plane | 30s | v1.33.0 | 10.1.0.1 | Linux"
        );
        let service = json!({
            "metadata": metadata(),
            "spec": {"type": "LoadBalancer", "clusterIP": "10.2.0.1", "selector": {"app": "web"},
                     "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53}]},
        });
        assert_eq!(
            shown("", "services", service),
            "LoadBalancer | 10.2.0.1 | <pending> | 80:30080/TCP,53/TCP | 30s | app=web"
        );
        assert_eq!(
            shown("acme.io", "pods", json!({"metadata": metadata()})),
            "30s | 7 | u | a=b,node-role.kubernetes.io/control-plane="
        );
        assert_eq!(
            shown("", "configmaps", json!({})),
            "<unknown> | <none> | <none> | <none>"
        );
    }

    #[test]
    fn an_object_that_is_no_json_is_an_error() {
        let columns = Columns::of(&Resource::default(), false);
        columns.cells(b"{", Timestamp::UNIX_EPOCH).expect_err("cut");
    }
}
