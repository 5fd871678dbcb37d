//! Whom changes concern.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::resource::{Labels, ObjectParts, ResourceVersion};

const ROLES: Place = cluster(Kind::Role);
const BINDINGS: Place = cluster(Kind::RoleBinding);
const CLUSTER_ROLES: Place = cluster(Kind::ClusterRole);
const CLUSTER_BINDINGS: Place = cluster(Kind::ClusterRoleBinding);

const fn cluster(kind: Kind) -> Place {
    Place {
        kind,
        namespace: None,
    }
}

fn object(namespace: &str, name: &str, content: &Value) -> Arc<Object> {
    Arc::new(Object::new(ObjectParts {
        key: Key::new(namespace, name),
        uid: "".into(),
        version: ResourceVersion::new("1"),
        labels: Labels::default(),
        json: Bytes::from(content.to_string()),
        version_span: 0..0,
    }))
}

fn role(namespace: &str, name: &str, verb: &str) -> Arc<Object> {
    object(namespace, name, &json!({"rules": [{"verbs": [verb]}]}))
}

/// A binding of users; the role is a ClusterRole if its name begins with `cluster`.
fn bind(namespace: &str, name: &str, role: &str, users: &[&str]) -> Arc<Object> {
    let kind = if role.starts_with("cluster") || namespace.is_empty() {
        "ClusterRole"
    } else {
        "Role"
    };
    let subjects: Vec<_> = users
        .iter()
        .map(|name| json!({"kind": "User", "name": name}))
        .collect();
    let content = json!({"roleRef": {"kind": kind, "name": role}, "subjects": subjects});
    object(namespace, name, &content)
}

fn whom(users: &[(&str, &str)]) -> Whom {
    let mut whom = Whom::default();
    for (namespace, user) in users {
        whom.add_user(namespace, user);
    }
    whom
}

fn everybody(namespace: &str) -> Whom {
    let mut whom = Whom::default();
    whom.add_everybody(namespace);
    whom
}

/// Two namespaces, and everything told.
fn book() -> Book {
    let mut book = Book::new(&[ROLES, BINDINGS, CLUSTER_ROLES, CLUSTER_BINDINGS]);
    let everywhere = everybody("");
    let bindings = [
        bind("a", "one", "reader", &["ann"]),
        bind("b", "one", "reader", &["bob"]),
        bind("b", "two", "cluster-reader", &["bea"]),
    ];
    assert_eq!(book.replace(&BINDINGS, &bindings), everywhere);
    let bindings = [bind("", "one", "cluster-reader", &["carl", "cora"])];
    assert_eq!(book.replace(&CLUSTER_BINDINGS, &bindings), everywhere);
    let roles = [role("a", "reader", "get"), role("b", "reader", "get")];
    assert_eq!(book.replace(&ROLES, &roles), everywhere);
    let roles = [
        role("", "cluster-reader", "get"),
        role("", "cluster-other", "get"),
    ];
    assert_eq!(book.replace(&CLUSTER_ROLES, &roles), everywhere);
    book
}

#[test]
fn a_binding_concerns_those_whom_it_names_and_named() {
    let mut book = book();
    let deleted = Delta::Deleted(bind("a", "one", "reader", &["whoever"]));
    assert_eq!(book.apply(&BINDINGS, &[deleted]), whom(&[("a", "ann")]));
    let added = Delta::Added(bind("a", "new", "reader", &["abe"]));
    assert_eq!(book.apply(&BINDINGS, &[added]), whom(&[("a", "abe")]));
    let modified = Delta::Modified(bind("", "one", "cluster-reader", &["cora", "cleo"]));
    assert_eq!(
        book.apply(&CLUSTER_BINDINGS, std::slice::from_ref(&modified)),
        whom(&[("", "carl"), ("", "cora"), ("", "cleo")])
    );
    let again = book.apply(&CLUSTER_BINDINGS, &[modified]);
    assert!(again.is_empty(), "nothing that counts has changed");
}

#[test]
fn a_role_concerns_those_to_whom_it_is_bound_where_it_is_bound() {
    let mut book = book();
    let modified = Delta::Modified(role("b", "reader", "list"));
    assert_eq!(book.apply(&ROLES, &[modified]), whom(&[("b", "bob")]));
    let deleted = Delta::Deleted(role("", "cluster-reader", "get"));
    assert_eq!(
        book.apply(&CLUSTER_ROLES, std::slice::from_ref(&deleted)),
        whom(&[("b", "bea"), ("", "carl"), ("", "cora")])
    );
    assert!(book.apply(&CLUSTER_ROLES, &[deleted]).is_empty());
    let unbound = Delta::Modified(role("", "cluster-other", "list"));
    assert!(book.apply(&CLUSTER_ROLES, &[unbound]).is_empty());
    let same = Delta::Modified(role("a", "reader", "get"));
    assert!(book.apply(&ROLES, &[same]).is_empty(), "the same rules");
}

#[test]
fn a_role_that_is_bound_elsewhere_now_concerns_the_new_ones() {
    let mut book = book();
    let moved = Delta::Modified(bind("a", "one", "writer", &["ann"]));
    assert_eq!(book.apply(&BINDINGS, &[moved]), whom(&[("a", "ann")]));
    let changed = |verb| Delta::Modified(role("a", "reader", verb));
    assert!(book.apply(&ROLES, &[changed("list")]).is_empty());
    let created = Delta::Added(role("a", "writer", "get"));
    assert_eq!(book.apply(&ROLES, &[created]), whom(&[("a", "ann")]));
}

#[test]
fn what_changed_while_nothing_was_heard_is_found_by_comparing() {
    let mut book = book();
    let now = [
        bind("a", "one", "reader", &["ann"]),
        bind("b", "three", "reader", &["ben"]),
        bind("b", "two", "cluster-reader", &["bea"]),
    ];
    let found = book.replace(&BINDINGS, &now);
    assert_eq!(found, whom(&[("b", "bob"), ("b", "ben")]));
    let roles = [role("b", "reader", "get")];
    assert_eq!(book.replace(&ROLES, &roles), whom(&[("a", "ann")]));
}

#[test]
fn where_bindings_are_not_known_a_role_concerns_everybody() {
    let mut book = book();
    book.lose(&BINDINGS);
    let changed = Delta::Modified(role("b", "reader", "list"));
    assert_eq!(book.apply(&ROLES, &[changed]), everybody("b"));
    let changed = Delta::Modified(role("", "cluster-other", "list"));
    assert_eq!(book.apply(&CLUSTER_ROLES, &[changed]), everybody(""));
    let back = [bind("a", "one", "reader", &["ann"])];
    assert_eq!(book.replace(&BINDINGS, &back), everybody(""));
    let changed = Delta::Modified(role("b", "reader", "get"));
    assert!(book.apply(&ROLES, &[changed]).is_empty());
}

#[test]
fn namespaces_that_are_watched_apart_are_known_apart() {
    let place = |kind, namespace: &str| Place {
        kind,
        namespace: Some(namespace.into()),
    };
    let places = ["a", "b"].map(|namespace| place(Kind::RoleBinding, namespace));
    let mut book = Book::new(&[places.as_slice(), &[place(Kind::Role, "a")]].concat());
    let here = [bind("a", "one", "reader", &["ann"])];
    assert_eq!(book.replace(&places[0], &here), everybody("a"));
    let there = [bind("b", "one", "reader", &["bob"])];
    assert_eq!(book.replace(&places[1], &there), everybody("b"));
    assert_eq!(book.replace(&places[0], &[]), whom(&[("a", "ann")]));
    assert!(book.replace(&places[1], &there).is_empty());
    book.lose(&places[1]);
    book.replace(&place(Kind::Role, "a"), &[]);
    let added = Delta::Added(role("a", "reader", "get"));
    let apart = book.apply(&place(Kind::Role, "a"), &[added]);
    assert!(apart.is_empty(), "what is not known of b doesn't matter");
}

#[test]
fn what_can_not_be_read_concerns_everybody_there() {
    let mut book = book();
    let odd = Delta::Modified(object("a", "one", &json!({"roleRef": 7})));
    let concerned = book.apply(&BINDINGS, &[odd]);
    let mut all = whom(&[("a", "ann")]);
    all.add_everybody("a");
    assert_eq!(concerned, all);
}
