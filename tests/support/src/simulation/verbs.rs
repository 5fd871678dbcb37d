//! The verbs that read or change objects, once the resource is known.

use std::sync::Arc;

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::list::list;
use super::object::Object;
use super::patch::PatchKind;
use super::protobuf;
use super::query::ListQuery;
use super::refusal::Refusal;
use super::routes::{Answer, Request, Target};
use super::store::State;
use super::subresources;
use super::writes::{Author, Preconditions};

/// Everything but a watch.
pub(super) async fn objects(
    cluster: &Cluster,
    target: &Target,
    request: &Request,
    verb: &str,
) -> Result<Answer, Refusal> {
    let (resource, namespace, name) = (target.spec.id(), &target.namespace, &target.name);
    let manager = request.query.get("fieldManager");
    let agent = request.user_agent.split('/').next().unwrap_or_default();
    let manager = [manager, agent, "unknown"]
        .into_iter()
        .find(|name| !name.is_empty());
    let author = Author {
        manager: manager.unwrap_or_default(),
        status: target.subresource == "status",
    };
    if let Some(answered) = subresources::answer(cluster, target, request, verb) {
        return answered;
    }
    match verb {
        "get" => cluster
            .get(&resource, namespace, name)
            .map(|object| Answer::json(200, &object)),
        "list" => {
            let query = ListQuery::parse(&request.query)?;
            let body = list(cluster, &target.spec, namespace, &query).await?;
            Ok(Answer::whole(200, "application/json", body))
        }
        "create" => create(cluster, target, request, author),
        "update" => {
            let mut body = body(request)?;
            if body["metadata"]["name"].is_null() && body["metadata"].is_object() {
                body["metadata"]["name"] = json!(name);
            }
            if body["metadata"]["name"] != json!(name) {
                let text = "the name of the object does not match the name on the URL";
                return Err(Refusal::bad_request(text));
            }
            let updated = write(cluster, request, |state| {
                state.update(&resource, namespace, body, author)
            });
            updated.map(|object| Answer::json(200, &object))
        }
        "patch" => {
            let kind = PatchKind::of(&request.content_type).ok_or_else(unsupported)?;
            let change = body(request)?;
            let patched = write(cluster, request, |state| {
                state.patch(&resource, namespace, name, (kind, &change), author)
            });
            patched.map(|object| Answer::json(200, &object))
        }
        "delete" => delete(cluster, target, request),
        _ => delete_all(cluster, target, request),
    }
}

/// A write, or only its trial where the request is a dry run.
fn write(
    cluster: &Cluster,
    request: &Request,
    act: impl FnOnce(&mut State) -> Result<Arc<Object>, Refusal>,
) -> Result<Value, Refusal> {
    match request.query.get("dryRun") {
        "" => cluster.write(act),
        _ => cluster.try_out(act),
    }
}

fn create(
    cluster: &Cluster,
    target: &Target,
    request: &Request,
    author: Author<'_>,
) -> Result<Answer, Refusal> {
    let body = body(request)?;
    let namespace = &target.namespace;
    let created = write(cluster, request, |state| {
        if target.spec.namespaced && state.get("namespaces", "", namespace).is_err() {
            return Err(Refusal::not_found("namespaces", namespace));
        }
        state.create(&target.spec.id(), namespace, body, author)
    })?;
    Ok(Answer::json(201, &created))
}

fn delete(cluster: &Cluster, target: &Target, request: &Request) -> Result<Answer, Refusal> {
    let options = if request.body.is_empty() {
        Value::Null
    } else {
        body(request)?
    };
    let text = |field: &str| {
        options["preconditions"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let expected = Preconditions {
        uid: text("uid"),
        resource_version: text("resourceVersion"),
    };
    let (resource, name) = (target.spec.id(), &target.name);
    let object = write(cluster, request, |state| {
        state.delete(&resource, &target.namespace, name, &expected)
    })?;
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Ok(Answer::json(200, &object));
    }
    let mut details = json!({ "name": name });
    if !target.spec.group.is_empty() {
        details["group"] = json!(target.spec.group);
    }
    details["kind"] = json!(target.spec.resource);
    details["uid"] = object["metadata"]["uid"].clone();
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    });
    Ok(Answer::json(200, &status))
}

fn delete_all(cluster: &Cluster, target: &Target, request: &Request) -> Result<Answer, Refusal> {
    let selector = request.query.selector()?;
    let resource = target.spec.id();
    for object in cluster.objects_at(&resource, cluster.revision())? {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        let inside = target.namespace.is_empty() || target.namespace == namespace;
        if inside && selector.matches(&object) {
            cluster.delete(&resource, namespace, name)?;
        }
    }
    Ok(Answer::json(
        200,
        &json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" }),
    ))
}

fn unsupported() -> Refusal {
    let text = "the body of the request was in an unknown format - accepted media types include: \
                application/json";
    Refusal::new(415, "UnsupportedMediaType", text)
}

pub(super) fn body(request: &Request) -> Result<Value, Refusal> {
    if request.content_type.contains("protobuf") {
        return protobuf::decode(&request.body).ok_or_else(unsupported);
    }
    serde_json::from_slice(&request.body)
        .map_err(|error| Refusal::bad_request(format!("the body is not JSON: {error}")))
}
