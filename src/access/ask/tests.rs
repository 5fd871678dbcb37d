//! What is asked, in the form in which it is sent.

use serde_json::{Value, json};

use super::*;
use crate::selector::FilterSpec;

fn scope(spec: FilterSpec<'_>) -> Scope {
    Scope {
        resource: Named {
            group: "apps".into(),
            version: String::new(),
            resource: "deployments".into(),
        },
        membership: Membership::new(spec).expect("valid"),
    }
}

fn asked<R: Right>(scope: &Scope) -> Value {
    serde_json::to_value(Question::all::<R>(scope)).expect("JSON")
}

fn owned(all: &[&str]) -> Vec<String> {
    all.iter().map(|&one| one.to_owned()).collect()
}

#[test]
fn a_stream_is_a_list_and_a_watch_in_each_namespace() {
    let namespaces = owned(&["a", "b"]);
    let spec = FilterSpec {
        namespaces: &namespaces,
        ..FilterSpec::default()
    };
    let one = |verb: &str, namespace: &str| {
        json!({"resourceAttributes": {
            "verb": verb, "group": "apps", "resource": "deployments", "namespace": namespace,
        }})
    };
    assert_eq!(
        asked::<Subscribe>(&scope(spec)),
        json!([
            one("list", "a"),
            one("watch", "a"),
            one("list", "b"),
            one("watch", "b")
        ])
    );
}

#[test]
fn names_and_selectors_are_passed_on_as_the_apiserver_would_parse_them() {
    let names = owned(&["web"]);
    let spec = FilterSpec {
        names: &names,
        label_selector: "a in (x,y),b!=z,c,!d,e>5",
        field_selector: "spec.nodeName=n,status.phase!=Failed",
        ..FilterSpec::default()
    };
    assert_eq!(
        asked::<List>(&scope(spec)),
        json!([{"resourceAttributes": {
            "verb": "list", "group": "apps", "resource": "deployments", "name": "web",
            "fieldSelector": {"requirements": [
                {"key": "metadata.name", "operator": "In", "values": ["web"]},
                {"key": "spec.nodeName", "operator": "In", "values": ["n"]},
                ]},
            "labelSelector": {"requirements": [
                {"key": "a", "operator": "In", "values": ["x", "y"]},
                {"key": "b", "operator": "NotIn", "values": ["z"]},
                {"key": "c", "operator": "Exists"},
                {"key": "d", "operator": "DoesNotExist"},
            ]},
        }}])
    );
    assert_eq!(
        asked::<Get>(&scope(spec))[0]["resourceAttributes"]["fieldSelector"],
        Value::Null
    );
}

#[test]
fn a_name_counts_only_if_it_is_the_only_one() {
    let name = |names: &[&str], field_selector: &str| {
        let names = owned(names);
        let scope = scope(FilterSpec {
            names: &names,
            field_selector,
            ..FilterSpec::default()
        });
        single_name(&scope.membership).map(str::to_owned)
    };
    assert_eq!(name(&["a"], ""), Some("a".into()));
    assert_eq!(name(&["a", "b"], ""), None);
    assert_eq!(name(&[], "metadata.name=a"), Some("a".into()));
    assert_eq!(name(&[], "['metadata'].name=a"), Some("a".into()));
    assert_eq!(name(&[], "metadata.name!=a"), None);
    assert_eq!(name(&[], "metadata.name="), None);
    assert_eq!(name(&[], "metadata.name=a/b"), None);
}

#[test]
fn refusals_repeat_only_what_was_asked() {
    let namespaces = owned(&["a"]);
    let scope = scope(FilterSpec {
        namespaces: &namespaces,
        ..FilterSpec::default()
    });
    assert_eq!(
        Question::all::<List>(&scope)[0].forbidden("jane"),
        r#"user "jane" cannot list resource "deployments" in API group "apps" in the namespace "a""#
    );
    let path = Question::Path {
        path: "/informerd/admin".into(),
        verb: "get",
    };
    assert_eq!(
        path.forbidden("jane"),
        r#"user "jane" cannot get path "/informerd/admin""#
    );
}

#[test]
fn a_field_is_asked_about_only_if_it_means_the_same_to_the_apiserver() {
    let asked = |field_selector: &str| {
        let spec = FilterSpec {
            field_selector,
            ..FilterSpec::default()
        };
        asked::<List>(&scope(spec))[0]["resourceAttributes"]["fieldSelector"].clone()
    };
    assert!(asked("spec.nodeName=n").is_object());
    for wider in [
        "spec.hostNetwork!=false",
        "spec.hostNetwork=true",
        "spec.nodeName=",
        "spec.nodeName!=n",
        "status.successful=0",
    ] {
        assert_eq!(asked(wider), Value::Null, "{wider}");
    }
}

#[test]
fn a_namespace_is_read_in_itself() {
    let names = owned(&["shop"]);
    let spec = FilterSpec {
        names: &names,
        ..FilterSpec::default()
    };
    let scope = |resource: &str| Scope {
        resource: Named {
            group: String::new(),
            version: "v1".into(),
            resource: resource.into(),
        },
        membership: Membership::new(spec).expect("valid"),
    };
    let place = |asked: Value| asked[0]["resourceAttributes"]["namespace"].clone();
    assert_eq!(place(asked::<Get>(&scope("namespaces"))), json!("shop"));
    assert_eq!(place(asked::<List>(&scope("namespaces"))), Value::Null);
    assert_eq!(place(asked::<Get>(&scope("nodes"))), Value::Null);
}
