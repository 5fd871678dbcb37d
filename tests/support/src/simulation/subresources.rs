//! Subresources besides `status`: `scale` for whoever runs `kubectl scale`, `binding` for whoever
//! plays the scheduler.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::patch::{self, PatchKind};
use super::refusal::Refusal;
use super::resources::ResourceSpec;
use super::routes::{Answer, Request, Target};
use super::verbs::body;
use super::writes::Author;

/// A subresource as discovery tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subresource {
    pub(super) name: &'static str,
    /// Group, version and kind; `None` for those of the resource.
    pub(super) kind: Option<(&'static str, &'static str, &'static str)>,
    pub(super) verbs: &'static [&'static str],
}

const READ_WRITE: &[&str] = &["get", "patch", "update"];

/// The subresources of a resource.
pub(super) fn of(spec: &ResourceSpec) -> Vec<Subresource> {
    let mut list = Vec::new();
    if spec.has_status {
        list.push(Subresource {
            name: "status",
            kind: None,
            verbs: READ_WRITE,
        });
    }
    match spec.id().as_str() {
        "deployments.apps" | "replicasets.apps" => {
            let kind = Some(("autoscaling", "v1", "Scale"));
            list.push(Subresource {
                name: "scale",
                kind,
                verbs: READ_WRITE,
            });
        }
        "pods" => {
            let kind = Some(("", "v1", "Binding"));
            list.push(Subresource {
                name: "binding",
                kind,
                verbs: &["create"],
            });
        }
        _ => {}
    }
    list
}

/// Answers a request for `scale` or `binding`; `None` if it is for something else.
pub(super) fn answer(
    cluster: &Cluster,
    target: &Target,
    request: &Request,
    verb: &str,
) -> Option<Result<Answer, Refusal>> {
    match (target.subresource.as_str(), verb) {
        ("scale", _) => Some(scale(cluster, target, request, verb)),
        ("binding", "create") => Some(bind(cluster, target, request)),
        ("binding", _) => Some(Err(Refusal::method_not_allowed())),
        _ => None,
    }
}

fn scale(
    cluster: &Cluster,
    target: &Target,
    request: &Request,
    verb: &str,
) -> Result<Answer, Refusal> {
    let (resource, namespace, name) = (target.spec.id(), &target.namespace, &target.name);
    let present = scale_of(&cluster.get(&resource, namespace, name)?);
    let wanted = match verb {
        "get" => return Ok(Answer::json(200, &present)),
        "update" => body(request)?,
        "patch" => {
            let kind = PatchKind::of(&request.content_type).unwrap_or(PatchKind::Merge);
            patch::apply(kind, &present, &body(request)?)?
        }
        _ => return Err(Refusal::method_not_allowed()),
    };
    let version = &wanted["metadata"]["resourceVersion"];
    let change = json!({
        "metadata": { "resourceVersion": version }, "spec": { "replicas": wanted["spec"]["replicas"] },
    });
    let author = Author {
        manager: "scale",
        status: false,
    };
    let scaled = cluster.write(|state| {
        state.patch(
            &resource,
            namespace,
            name,
            (PatchKind::Merge, &change),
            author,
        )
    })?;
    Ok(Answer::json(200, &scale_of(&scaled)))
}

fn scale_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": { "replicas": object["spec"]["replicas"] },
        "status": { "replicas": object["status"]["replicas"].as_u64().unwrap_or(0) },
    })
}

fn bind(cluster: &Cluster, target: &Target, request: &Request) -> Result<Answer, Refusal> {
    let node = body(request)?["target"]["name"].clone();
    let bound = &cluster.get("pods", &target.namespace, &target.name)?["spec"]["nodeName"];
    if !bound.is_null() {
        let why = format!("pod {} is already assigned to node {bound}", target.name);
        return Err(Refusal::conflict("pods/binding", &target.name, &why));
    }
    let change = json!({ "spec": { "nodeName": node } });
    cluster.patch("pods", &target.namespace, &target.name, &change)?;
    let done = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    Ok(Answer::json(201, &done))
}
