//! Writes by the rules of the apiserver's registry: what is checked, stamped and kept when an
//! object is created, updated or deleted.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::object::Object;
use super::patch::{self, PatchKind};
use super::refusal::Refusal;
use super::resources::ResourceSpec;
use super::store::{State, key_of};

/// Which part of an object a write is about, and in whose name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Author<'a> {
    /// Field manager.
    pub(super) manager: &'a str,
    /// Whether only `status` is written.
    pub(super) status: bool,
}

/// What a deletion insists on; empty strings insist on nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Uid.
    pub uid: String,
    /// resourceVersion.
    pub resource_version: String,
}

impl State {
    pub(super) fn get(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Object>, Refusal> {
        let table = self.table(resource)?;
        let found = table.objects.get(&key_of(namespace, name));
        found
            .cloned()
            .ok_or_else(|| Refusal::not_found(resource, name))
    }

    /// `namespace` of the request; empty takes the object's own.
    pub(super) fn create(
        &mut self,
        resource: &str,
        namespace: &str,
        body: Value,
        author: Author<'_>,
    ) -> Result<Arc<Object>, Refusal> {
        let spec = self.table(resource)?.spec.clone();
        let (mut metadata, rest) = parts(&spec, body)?;
        if string(&metadata, "name").is_empty() {
            let prefix = string(&metadata, "generateName");
            if prefix.is_empty() {
                return Err(Refusal::new(
                    422,
                    "Invalid",
                    "name or generateName is required",
                ));
            }
            let suffix: String = (0..5).map(|_| self.letter()).collect();
            metadata.insert("name".to_owned(), json!(format!("{prefix}{suffix}")));
        }
        let namespace = place(&spec, namespace, &mut metadata)?;
        let name = string(&metadata, "name");
        let key = key_of(&namespace, &name);
        if self.table(resource)?.objects.contains_key(&key) {
            return Err(Refusal::already_exists(resource, &name));
        }
        if !metadata.contains_key("uid") {
            metadata.insert("uid".to_owned(), json!(self.uid()));
        }
        if !metadata.contains_key("creationTimestamp") {
            metadata.insert("creationTimestamp".to_owned(), json!(self.now()));
        }
        if rest.contains_key("spec") {
            metadata.insert("generation".to_owned(), json!(1));
        }
        let object = assemble(&spec, metadata, rest);
        let object = self.managed(&spec, object, &Value::Null, author);
        Ok(self.commit(resource, &key, Some(object)))
    }

    /// Replaces the main part, or only `status`. An update that changes nothing commits nothing.
    pub(super) fn update(
        &mut self,
        resource: &str,
        namespace: &str,
        body: Value,
        author: Author<'_>,
    ) -> Result<Arc<Object>, Refusal> {
        let spec = self.table(resource)?.spec.clone();
        let (mut metadata, mut rest) = parts(&spec, body)?;
        let namespace = place(&spec, namespace, &mut metadata)?;
        let name = string(&metadata, "name");
        let old = self.get(resource, &namespace, &name)?;
        let expected = Preconditions {
            uid: string(&metadata, "uid"),
            resource_version: string(&metadata, "resourceVersion"),
        };
        check(resource, &old, &expected)?;
        if author.status {
            let status = rest.shift_remove("status").unwrap_or(Value::Null);
            let (old_metadata, old_rest) = parts(&spec, old.value.clone())?;
            (metadata, rest) = (old_metadata, old_rest);
            rest.insert("status".to_owned(), status);
        } else {
            keep(&spec, &old.value, &mut metadata, &mut rest);
        }
        let key = key_of(&namespace, &name);
        let done = metadata.contains_key("deletionTimestamp") && !held(&metadata);
        let object = assemble(&spec, metadata, rest);
        if done {
            return Ok(self.commit(resource, &key, None));
        }
        if same(&object, &old.value) {
            return Ok(old);
        }
        let object = self.managed(&spec, object, &old.value, author);
        Ok(self.commit(resource, &key, Some(object)))
    }

    pub(super) fn patch(
        &mut self,
        resource: &str,
        namespace: &str,
        name: &str,
        (kind, change): (PatchKind, &Value),
        author: Author<'_>,
    ) -> Result<Arc<Object>, Refusal> {
        let old = match self.get(resource, namespace, name) {
            // Server-side apply creates what it does not find.
            Err(missing) if missing.code == 404 && kind == PatchKind::Apply => {
                self.table(resource)?;
                return self.create(resource, namespace, change.clone(), author);
            }
            found => found?,
        };
        let mut next = patch::apply(kind, &old.value, change)?;
        if change["metadata"]["resourceVersion"].is_null() {
            next["metadata"]["resourceVersion"] = Value::Null;
        }
        self.update(resource, namespace, next, author)
    }

    /// Deletes, or marks for deletion what finalizers hold. A namespace takes its contents along.
    pub(super) fn delete(
        &mut self,
        resource: &str,
        namespace: &str,
        name: &str,
        expected: &Preconditions,
    ) -> Result<Arc<Object>, Refusal> {
        let old = self.get(resource, namespace, name)?;
        check(resource, &old, expected)?;
        let key = key_of(namespace, name);
        if held(old.value["metadata"].as_object().unwrap_or(&Map::new())) {
            if !old.value["metadata"]["deletionTimestamp"].is_null() {
                return Ok(old);
            }
            let mut object = old.value.clone();
            object["metadata"]["deletionTimestamp"] = json!(self.now());
            object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            return Ok(self.commit(resource, &key, Some(object)));
        }
        if resource == "namespaces" {
            self.empty_namespace(name);
        }
        Ok(self.commit(resource, &key, None))
    }

    fn empty_namespace(&mut self, namespace: &str) {
        let prefix = format!("{namespace}/");
        let inside: Vec<(String, String)> = self
            .tables
            .iter()
            .flat_map(|(resource, table)| {
                let keys = table.objects.keys().filter(|key| key.starts_with(&prefix));
                keys.map(|key| (resource.clone(), key.clone()))
            })
            .collect();
        for (resource, key) in inside {
            self.commit(&resource, &key, None);
        }
    }

    fn letter(&mut self) -> char {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        char::from(LETTERS[self.random.usize(..LETTERS.len())])
    }

    fn uid(&mut self) -> String {
        let (a, b) = (self.random.u64(..), self.random.u64(..));
        let (low, mid, high) = (a >> 32, (a >> 16) & 0xffff, a & 0xfff);
        let (variant, node) = (0x8000 | ((b >> 48) & 0x3fff), b & 0xffff_ffff_ffff);
        format!("{low:08x}-{mid:04x}-4{high:03x}-{variant:04x}-{node:012x}")
    }

    pub(super) fn now(&self) -> String {
        (self.clock)().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Renews the author's entry in `metadata.managedFields`.
    fn managed(
        &self,
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
        entries.retain(|entry| {
            entry["manager"] != author.manager || entry["subresource"] != subresource
        });
        let mut entry = json!({
            "manager": author.manager, "operation": "Update", "apiVersion": spec.api_version(),
            "time": self.now(), "fieldsType": "FieldsV1", "fieldsV1": {},
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

fn string(map: &Map<String, Value>, field: &str) -> String {
    map.get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn held(metadata: &Map<String, Value>) -> bool {
    metadata
        .get("finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty())
}

/// Splits a body into its metadata and the rest without `kind` and `apiVersion`.
fn parts(
    spec: &ResourceSpec,
    body: Value,
) -> Result<(Map<String, Value>, Map<String, Value>), Refusal> {
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
        Some(Value::Object(metadata)) => Ok((metadata, rest)),
        None | Some(Value::Null) => Ok((Map::new(), rest)),
        Some(_) => Err(Refusal::bad_request("metadata must be a JSON object")),
    }
}

/// Settles the namespace between request and object.
fn place(
    spec: &ResourceSpec,
    asked: &str,
    metadata: &mut Map<String, Value>,
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
fn keep(
    spec: &ResourceSpec,
    old: &Value,
    metadata: &mut Map<String, Value>,
    rest: &mut Map<String, Value>,
) {
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

fn check(resource: &str, old: &Object, expected: &Preconditions) -> Result<(), Refusal> {
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
fn same(left: &Value, right: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        for field in ["resourceVersion", "managedFields"] {
            object["metadata"][field] = Value::Null;
        }
        object
    };
    bare(left) == bare(right)
}

/// Puts an object together in the order in which the apiserver writes it.
fn assemble(
    spec: &ResourceSpec,
    mut metadata: Map<String, Value>,
    rest: Map<String, Value>,
) -> Value {
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
