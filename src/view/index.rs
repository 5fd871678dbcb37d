//! Finds the views that a change may concern, without asking each.
//!
//! A view stands under one [`Anchor`]: a condition that every object it matches must fulfil. Looking up
//! what the object before and after the change fulfils gives all candidates; only those evaluate
//! their whole query. Names first, then labels, fields and namespaces: the rarest condition usually.

use std::collections::HashMap;

use crate::{
    resource::Object,
    selector::{FieldPath, Membership},
    store::Change,
};

/// Names a view in the registry.
pub(super) type ViewId = usize;

/// Views by anchor.
#[derive(Debug, Default)]
pub(super) struct Index {
    names: HashMap<Box<str>, Vec<ViewId>>,
    labels: HashMap<Box<str>, HashMap<Box<str>, Vec<ViewId>>>,
    fields: HashMap<FieldPath, HashMap<Box<str>, Vec<ViewId>>>,
    namespaces: HashMap<Box<str>, Vec<ViewId>>,
    rest: Vec<ViewId>,
}

impl Index {
    /// Files a view under its anchor.
    pub(super) fn insert(&mut self, id: ViewId, membership: &Membership) {
        self.each_bucket(membership, |bucket| bucket.push(id));
    }

    /// Takes a view out.
    pub(super) fn remove(&mut self, id: ViewId, membership: &Membership) {
        self.each_bucket(membership, |bucket| bucket.retain(|filed| *filed != id));
        self.names.retain(|_, ids| !ids.is_empty());
        self.namespaces.retain(|_, ids| !ids.is_empty());
        for values in self.labels.values_mut() {
            values.retain(|_, ids| !ids.is_empty());
        }
        self.labels.retain(|_, values| !values.is_empty());
        for values in self.fields.values_mut() {
            values.retain(|_, ids| !ids.is_empty());
        }
        self.fields.retain(|_, values| !values.is_empty());
    }

    /// Adds the views that a change may concern to `found`, each once, in ascending order.
    pub(super) fn candidates(&self, change: &Change, found: &mut Vec<ViewId>) {
        found.clear();
        found.extend(&self.rest);
        for object in [&change.prev, &change.cur].into_iter().flatten() {
            self.candidates_of(object, found);
        }
        found.sort_unstable();
        found.dedup();
    }

    fn candidates_of(&self, object: &Object, found: &mut Vec<ViewId>) {
        found.extend(self.names.get(object.name()).into_iter().flatten());
        found.extend(
            self.namespaces
                .get(object.namespace())
                .into_iter()
                .flatten(),
        );
        if !self.labels.is_empty() {
            for (key, value) in object.labels().iter() {
                let ids = self.labels.get(key).and_then(|values| values.get(value));
                found.extend(ids.into_iter().flatten());
            }
        }
        for (path, values) in &self.fields {
            let value = path.value(object);
            found.extend(values.get(&*value).into_iter().flatten());
        }
    }

    fn each_bucket(&mut self, membership: &Membership, mut act: impl FnMut(&mut Vec<ViewId>)) {
        match Anchor::of(membership) {
            Anchor::Names(names) => {
                for name in names {
                    act(self.names.entry(name.clone()).or_default());
                }
            }
            Anchor::Label(key, value) => {
                let values = self.labels.entry(key.into()).or_default();
                act(values.entry(value.into()).or_default());
            }
            Anchor::Field(path, value) => {
                let values = self.fields.entry(path.clone()).or_default();
                act(values.entry(value.into()).or_default());
            }
            Anchor::Namespaces(namespaces) => {
                for namespace in namespaces {
                    act(self.namespaces.entry(namespace.clone()).or_default());
                }
            }
            Anchor::None => act(&mut self.rest),
        }
    }
}

/// The condition under which a view is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor<'a> {
    /// One of these names.
    Names(&'a [Box<str>]),
    /// This value of a label.
    Label(&'a str, &'a str),
    /// This value of a field.
    Field(&'a FieldPath, &'a str),
    /// One of these namespaces.
    Namespaces(&'a [Box<str>]),
    /// None that could be looked up: each change is a candidate.
    None,
}

impl<'a> Anchor<'a> {
    /// The rarest condition of a membership, as far as its kind tells.
    pub fn of(membership: &'a Membership) -> Self {
        if !membership.names().is_empty() {
            return Self::Names(membership.names());
        }
        if let Some((key, value)) = membership.labels().equality_terms().next() {
            return Self::Label(key, value);
        }
        if let Some((path, value)) = membership.fields().equality_terms().next() {
            return Self::Field(path, value);
        }
        match membership.namespaces() {
            [] => Self::None,
            namespaces => Self::Namespaces(namespaces),
        }
    }
}
