//! What is known of roles and bindings, and whom a change of one may concern.

use std::{
    collections::{HashMap, HashSet},
    hash::RandomState,
    sync::Arc,
};

use super::object::{Binding, Kind, Subject, binding, rules};
use crate::{
    access::Whom,
    resource::{Delta, Key, Object},
};

/// What one watch is about: a kind, in the whole cluster or in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) namespace: Option<Arc<str>>,
}

impl Place {
    /// Whether an object of this name and kind is of this watch.
    fn holds(&self, kind: Kind, key: &Key) -> bool {
        let inside = self.namespace.as_deref();
        self.kind == kind && inside.is_none_or(|namespace| namespace == key.namespace())
    }

    fn everybody(&self) -> Whom {
        let mut whom = Whom::default();
        whom.add_everybody(self.namespace.as_deref().unwrap_or_default());
        whom
    }
}

/// Roles and bindings, as told by several watches, each by itself.
///
/// They may tell in any order: each change names whom it may concern by what is known then, and
/// whatever is told later names them again. A check that follows the last of them sees all.
#[derive(Debug)]
pub(super) struct Book {
    hasher: RandomState,
    /// A hash of the rules.
    roles: HashMap<Key, u64>,
    bindings: HashMap<Key, Binding>,
    /// The bindings to each role, whether there is such a role or not.
    bound: HashMap<Key, HashSet<Key>>,
    /// Watches that have told all there is.
    synced: HashSet<Place>,
    /// Those of bindings.
    sources: Vec<Place>,
}

impl Book {
    /// For watches of these places.
    pub(super) fn new(places: &[Place]) -> Self {
        let bindings = places.iter().filter(|place| place.kind.is_binding());
        Self {
            hasher: RandomState::new(),
            roles: HashMap::new(),
            bindings: HashMap::new(),
            bound: HashMap::new(),
            synced: HashSet::new(),
            sources: bindings.cloned().collect(),
        }
    }

    /// Takes all objects of a place. Whoever has rights there is concerned when it is the first
    /// time: what has changed before is not known.
    pub(super) fn replace(&mut self, place: &Place, objects: &[Arc<Object>]) -> Whom {
        let mut whom = Whom::default();
        let first = self.synced.insert(place.clone());
        let mut gone = self.keys(place);
        for object in objects {
            gone.remove(object.key());
            self.put(place.kind, object, &mut whom);
        }
        for key in gone {
            self.remove(place.kind, &key, &mut whom);
        }
        if first { place.everybody() } else { whom }
    }

    /// Takes changes.
    pub(super) fn apply(&mut self, place: &Place, deltas: &[Delta]) -> Whom {
        let mut whom = Whom::default();
        for delta in deltas {
            match delta {
                Delta::Added(object) | Delta::Modified(object) => {
                    self.put(place.kind, object, &mut whom);
                }
                Delta::Deleted(object) => self.remove(place.kind, object.key(), &mut whom),
                Delta::Bookmark(_) => {}
            }
        }
        whom
    }

    /// Nothing more is told about a place: what is known of it is worth nothing.
    pub(super) fn lose(&mut self, place: &Place) {
        self.synced.remove(place);
        for key in self.keys(place) {
            self.remove(place.kind, &key, &mut Whom::default());
        }
    }

    fn keys(&self, place: &Place) -> HashSet<Key> {
        let namespaced = place.kind.is_namespaced();
        let here =
            |key: &&Key| key.namespace().is_empty() != namespaced && place.holds(place.kind, key);
        match place.kind.is_binding() {
            true => self.bindings.keys().filter(here).cloned().collect(),
            false => self.roles.keys().filter(here).cloned().collect(),
        }
    }

    fn put(&mut self, kind: Kind, object: &Object, whom: &mut Whom) {
        let key = object.key();
        if !kind.is_binding() {
            let now = rules(object.json(), &self.hasher);
            if self.roles.insert(key.clone(), now) != Some(now) {
                self.role_changed(key, whom);
            }
            return;
        }
        match binding(object.json(), key.namespace()) {
            Some(now) if self.bindings.get(key) == Some(&now) => {}
            Some(now) => {
                self.remove(kind, key, whom);
                name(&now, key, whom);
                let bound = self.bound.entry(now.role.clone()).or_default();
                bound.insert(key.clone());
                self.bindings.insert(key.clone(), now);
            }
            // Nobody can tell whom it names.
            None => {
                self.remove(kind, key, whom);
                whom.add_everybody(key.namespace());
            }
        }
    }

    fn remove(&mut self, kind: Kind, key: &Key, whom: &mut Whom) {
        if !kind.is_binding() {
            if self.roles.remove(key).is_some() {
                self.role_changed(key, whom);
            }
            return;
        }
        let Some(before) = self.bindings.remove(key) else {
            return;
        };
        name(&before, key, whom);
        if let Some(bound) = self.bound.get_mut(&before.role) {
            bound.remove(key);
            if bound.is_empty() {
                self.bound.remove(&before.role);
            }
        }
    }

    /// A role is another one: that concerns all to whom it is bound, where that is known.
    fn role_changed(&self, role: &Key, whom: &mut Whom) {
        let namespace = role.namespace();
        let binds = |place: &&Place| match namespace {
            "" => true,
            _ => place.holds(Kind::RoleBinding, role),
        };
        let mut sources = self.sources.iter().filter(binds);
        if sources.any(|place| !self.synced.contains(place)) {
            whom.add_everybody(namespace);
            return;
        }
        for key in self.bound.get(role).into_iter().flatten() {
            if let Some(binding) = self.bindings.get(key) {
                name(binding, key, whom);
            }
        }
    }
}

/// Adds those whom a binding names, where it gives rights.
fn name(binding: &Binding, key: &Key, whom: &mut Whom) {
    for subject in &binding.subjects {
        match subject {
            Subject::User(user) => whom.add_user(key.namespace(), user),
            Subject::Group(group) => whom.add_group(key.namespace(), group),
        }
    }
}

#[cfg(test)]
mod tests;
