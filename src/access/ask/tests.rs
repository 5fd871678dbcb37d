//! What is asked, in the form in which it is sent.

use serde_json::{Value, json};

use super::{about::single_name, *};
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

/// A selector about as long as a caller may make it.
fn long_selector() -> String {
    let values: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
    let sets = values.chunks(250).enumerate();
    let sets: Vec<_> = sets
        .map(|(key, set)| format!("k{key} in ({})", set.join(",")))
        .collect();
    sets.join(",")
}

#[test]
fn all_questions_of_a_scope_share_what_was_written_once() {
    let namespaces: Vec<_> = (0..MAX_EXACT_ENTRIES).map(|n| format!("n{n}")).collect();
    let questions = Question::all::<Subscribe>(&scope(FilterSpec {
        namespaces: &namespaces,
        label_selector: &long_selector(),
        ..FilterSpec::default()
    }));
    assert_eq!(questions.len(), VERBS * MAX_EXACT_ENTRIES);
    let about = |question: &Question| match question {
        Question::Resource(asked) => asked.about.clone(),
        Question::Path { .. } => panic!("it is about objects"),
    };
    let first = about(&questions[0]);
    let copies = questions.clone();
    for question in questions.iter().chain(&copies) {
        assert!(Arc::ptr_eq(&first, &about(question)));
        let told: usize = question.parts().iter().map(|part| part.len()).sum();
        assert!(told < 64, "{told} bytes tell it from others");
    }
}

#[test]
fn questions_are_told_apart_by_all_that_is_sent() {
    let (one, two, names) = (owned(&["a"]), owned(&["b"]), owned(&["web"]));
    let plain = FilterSpec::default();
    #[rustfmt::skip]
    let specs = [
        plain,
        FilterSpec { namespaces: &one, ..plain },
        FilterSpec { namespaces: &two, ..plain },
        FilterSpec { names: &names, ..plain },
        FilterSpec { label_selector: "a=b", ..plain },
        FilterSpec { label_selector: "a!=b", ..plain },
        FilterSpec { label_selector: "a=b,c", ..plain },
        FilterSpec { field_selector: "metadata.name=web", ..plain },
        FilterSpec { field_selector: "spec.nodeName=b", ..plain },
    ];
    let named = |group: &str, version: &str, resource: &str| Named {
        group: group.into(),
        version: version.into(),
        resource: resource.into(),
    };
    let mut all: Vec<Question> = Vec::new();
    for resource in [
        named("", "", "pods"),
        named("", "v1", "pods"),
        named("v1", "", "pods"),
        named("", "", "nodes"),
    ] {
        for spec in specs {
            let membership = Membership::new(spec).expect("valid");
            let resource = resource.clone();
            let scope = Scope {
                resource,
                membership,
            };
            all.extend(Question::all::<Subscribe>(&scope));
            all.extend(Question::all::<Get>(&scope));
        }
    }
    for (path, verb) in [("/a", "get"), ("/b", "get"), ("/a", "list")] {
        let path = path.to_owned();
        all.push(Question::Path { path, verb });
    }
    for one in &all {
        for other in &all {
            let same = serde_json::to_value(one).expect("JSON")
                == serde_json::to_value(other).expect("JSON");
            assert_eq!(one.parts() == other.parts(), same, "{one:?} {other:?}");
        }
    }
}
