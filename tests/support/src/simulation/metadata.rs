//! What an object's metadata says and how the apiserver stamps, checks and orders it.

use serde_json::{Map, Value, json};

use super::object::Object;
use super::refusal::Refusal;
use super::resources::ResourceSpec;
use super::writes::{Author, Preconditions};

/// The fields of a JSON object.
pub(super) type Fields = Map<String, Value>;

/// Renews the author's entry in `metadata.managedFields`.
pub(super) fn managed(
    now: &str,
    spec: &ResourceSpec,
    mut object: Value,
    old: &Value,
    author: Author<'_>,
) -> Value {
    let mut entries = old["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let subresource = if author.status {
        json!("status")
    } else {
        Value::Null
    };
    entries
        .retain(|entry| entry["manager"] != author.manager || entry["subresource"] != subresource);
    let mut entry = json!({
        "manager": author.manager, "operation": "Update", "apiVersion": spec.api_version(),
        "time": now, "fieldsType": "FieldsV1", "fieldsV1": {},
    });
    let parts = if author.status {
        vec!["status"]
    } else {
        vec!["metadata", "spec", "data"]
    };
    for part in parts.into_iter().filter(|part| object.get(part).is_some()) {
        entry["fieldsV1"][format!("f:{part}")] = owned_fields(&object[part], 2);
    }
    if author.status {
        entry["subresource"] = subresource;
    }
    entries.push(entry);
    object["metadata"]["managedFields"] = json!(entries);
    object
}

fn owned_fields(value: &Value, depth: usize) -> Value {
    let fields = value
        .as_object()
        .filter(|_| depth > 0)
        .into_iter()
        .flatten();
    let fields = fields
        .filter(|(key, _)| !matches!(key.as_str(), "uid" | "resourceVersion" | "managedFields"))
        .map(|(key, inner)| (format!("f:{key}"), owned_fields(inner, depth - 1)));
    Value::Object(fields.collect())
}

pub(super) fn string(map: &Fields, field: &str) -> String {
    map.get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

pub(super) fn held(metadata: &Fields) -> bool {
    metadata
        .get("finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty())
}

/// Splits a body into its metadata and the rest without `kind` and `apiVersion`.
pub(super) fn parts(spec: &ResourceSpec, body: Value) -> Result<(Fields, Fields), Refusal> {
    let Value::Object(mut rest) = body else {
        return Err(Refusal::bad_request("the body must be a JSON object"));
    };
    for (field, expected) in [
        ("kind", spec.kind.clone()),
        ("apiVersion", spec.api_version()),
    ] {
        if rest
            .shift_remove(field)
            .is_some_and(|given| given != expected)
        {
            let text = format!("the {field} in the data does not match the expected {expected}");
            return Err(Refusal::bad_request(text));
        }
    }
    match rest.shift_remove("metadata") {
        Some(Value::Object(mut metadata)) => {
            // Both are `omitempty` upstream (apimachinery `ObjectMeta`).
            for field in ["labels", "annotations"] {
                if metadata.get(field) == Some(&json!({})) {
                    metadata.shift_remove(field);
                }
            }
            Ok((metadata, rest))
        }
        None | Some(Value::Null) => Ok((Map::new(), rest)),
        Some(_) => Err(Refusal::bad_request("metadata must be a JSON object")),
    }
}

/// Settles the namespace between request and object.
pub(super) fn place(
    spec: &ResourceSpec,
    asked: &str,
    metadata: &mut Fields,
) -> Result<String, Refusal> {
    let own = string(metadata, "namespace");
    if !spec.namespaced {
        metadata.shift_remove("namespace");
        return Ok(String::new());
    }
    if !asked.is_empty() && !own.is_empty() && asked != own {
        let text =
            "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(text));
    }
    let namespace = [asked, own.as_str(), "default"]
        .into_iter()
        .find(|name| !name.is_empty());
    let namespace = namespace.unwrap_or_default().to_owned();
    metadata.insert("namespace".to_owned(), json!(namespace));
    Ok(namespace)
}

/// Carries over what an update of the main part can't change, and counts the generation.
pub(super) fn keep(spec: &ResourceSpec, old: &Value, metadata: &mut Fields, rest: &mut Fields) {
    let fixed = [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    for field in fixed {
        match old["metadata"].get(field) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.shift_remove(field),
        };
    }
    if spec.has_status {
        match old.get("status") {
            Some(status) => rest.insert("status".to_owned(), status.clone()),
            None => rest.shift_remove("status"),
        };
    }
    let changed = rest.get("spec").is_some_and(|next| *next != old["spec"]);
    if changed {
        let generation = old["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
        metadata.insert("generation".to_owned(), json!(generation));
    }
}

pub(super) fn check(resource: &str, old: &Object, expected: &Preconditions) -> Result<(), Refusal> {
    let name = old.metadata("name");
    if !expected.uid.is_empty() && expected.uid != old.metadata("uid") {
        return Err(Refusal::conflict(
            resource,
            name,
            "the UID in the precondition does not match",
        ));
    }
    if !expected.resource_version.is_empty()
        && expected.resource_version != old.metadata("resourceVersion")
    {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        return Err(Refusal::conflict(resource, name, why));
    }
    Ok(())
}

/// Whether two states differ in nothing but what every write stamps.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    let equal = |left: &Value, right: &Value, except: &[&str]| {
        let fields = |object: &Value| {
            let fields = object.as_object().into_iter().flatten();
            fields
                .filter(|(key, _)| !except.contains(&key.as_str()))
                .count()
        };
        let mut of_left = left.as_object().into_iter().flatten();
        fields(left) == fields(right)
            && of_left
                .all(|(key, value)| except.contains(&key.as_str()) || right.get(key) == Some(value))
    };
    equal(left, right, &["metadata"])
        && equal(
            &left["metadata"],
            &right["metadata"],
            &["resourceVersion", "managedFields"],
        )
}

/// Puts an object together in the order in which the apiserver writes it.
pub(super) fn assemble(spec: &ResourceSpec, mut metadata: Fields, rest: Fields) -> Value {
    let mut ordered = Map::new();
    // The version is stamped by the commit, in place.
    metadata.insert("resourceVersion".to_owned(), Value::Null);
    metadata.shift_remove("managedFields");
    let first = [
        "name",
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
    ];
    for field in first {
        if let Some(value) = metadata.shift_remove(field) {
            ordered.insert(field.to_owned(), value);
        }
    }
    ordered.extend(metadata);
    let mut object = Map::new();
    object.insert("kind".to_owned(), json!(spec.kind));
    object.insert("apiVersion".to_owned(), json!(spec.api_version()));
    object.insert("metadata".to_owned(), Value::Object(ordered));
    object.extend(rest);
    Value::Object(object)
}
