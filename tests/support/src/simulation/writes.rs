//! Writes by the rules of the apiserver's registry: what is checked, stamped and kept when an
//! object is created, updated or deleted.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::metadata::{assemble, check, held, keep, managed, parts, place, same, string};
use super::object::Object;
use super::patch::{self, PatchKind};
use super::refusal::Refusal;
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
        // Typed clients send null for a time that they don't set.
        metadata.retain(|_, value| !value.is_null());
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
        let object = managed(&self.now(), &spec, object, &Value::Null, author);
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
        let object = managed(&self.now(), &spec, object, &old.value, author);
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
}
