//! Field selectors against the cases of k8s.io/apimachinery pkg/fields (selector_test.go).

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::resource::{Key, Labels, ObjectParts, ResourceVersion};

fn parse(text: &str) -> FieldSelector {
    FieldSelector::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

fn object(namespace: &str, name: &str, json: &Value) -> Object {
    Object::new(ObjectParts {
        key: Key::new(namespace, name),
        uid: "".into(),
        version: ResourceVersion::new("1"),
        labels: Labels::default(),
        json: Bytes::from(json.to_string()),
        version_span: 0..0,
    })
}

#[test]
fn reads_and_writes_what_upstream_reads() {
    for (text, canonical) in [
        ("", ""),
        (",", ""),
        ("a=avalue", "a=avalue"),
        (
            "a=avalue,b==bvalue,c!=cvalue",
            "a=avalue,b=bvalue,c!=cvalue",
        ),
        ("a=a,", "a=a"),
        (",a=a", "a=a"),
        ("a=", "a="),
        ("a!=,b=", "a!=,b="),
        (r"k=\,,k2=v2", r"k=\,,k2=v2"),
        (r"k=\\,k2=v2", r"k=\\,k2=v2"),
        (r"k=\\\,,k2=v2", r"k=\\\,,k2=v2"),
        ("함=수,목=록", "목=록,함=수"),
        ("x=a,y=b,z=c", "x=a,y=b,z=c"),
        ("x!=a,y=b", "x!=a,y=b"),
        (r"x=a||y\=b", r"x=a||y\=b"),
        (r"x=a\=\=b", r"x=a\=\=b"),
        ("x=a,a=x", "a=x,x=a"),
        ("notin=in", "notin=in"),
        ("x= a b ", "x= a b "),
        ("x=!y", "x=!y"),
        ("x=a,x==a,['x']=a", "x=a"),
        ("['a=b,c!=d']==1", "['a=b,c!=d']=1"),
        (
            "metadata.annotations[\"x.io/y\"]!=z",
            "metadata.annotations['x.io/y']!=z",
        ),
    ] {
        assert_eq!(parse(text).to_string(), canonical, "{text:?}");
        assert_eq!(parse(canonical), parse(text), "{text:?}");
    }
}

#[test]
fn refuses_what_upstream_refuses() {
    for (text, position, reason) in [
        ("x=a||y=b", 6, r"write it as '\='"),
        ("x==a==b", 4, r"write it as '\='"),
        ("x===a", 3, r"write it as '\='"),
        ("x=a,b", 5, "found the end of the selector; expected '='"),
        ("x,y=b", 1, "expected '='"),
        ("x in (a)", 1, "the only operators"),
        ("metadata.name in (a,b,c)", 13, "the only operators"),
        ("a>b", 1, "the only operators"),
        ("a!b", 1, "the only operators"),
        ("x", 1, "found the end of the selector"),
        ("=b", 0, "expected the name of a field"),
        ("!x", 0, "expected the name of a field"),
        ("a=b, c=d", 4, "expected the name of a field"),
        (r"k=\a", 2, "may stand before"),
        (r"k=\", 2, "may stand before"),
        (r"k=\\\", 4, "may stand before"),
        ("a/b=c", 1, "['...']"),
        ("a.[0]=c", 2, "expected the name of a field"),
        ("x=a,y['z=b", 10, "closing '"),
    ] {
        let error = FieldSelector::parse(text).expect_err(text);
        assert_eq!(error.position, position, "{text:?}: {error}");
        assert!(error.message.contains(reason), "{text:?}: {error}");
    }
}

#[test]
fn holds_the_limits() {
    let terms = |n: usize| {
        (0..n)
            .map(|i| format!("k{i}=v"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(parse(&terms(64)).requirements().len(), 64);
    let error = FieldSelector::parse(&terms(65)).expect_err("too many");
    assert!(
        error.message.contains("more than 64 requirements"),
        "{error}"
    );
    assert_eq!(error.position, terms(64).len() + 1);

    let long = |n: usize| format!("x={}", "v".repeat(n - 2));
    assert_eq!(parse(&long(4096)).requirements().len(), 1);
    let error = FieldSelector::parse(&long(4097)).expect_err("too long");
    assert_eq!(error.position, 4096);
}

#[test]
fn matches_what_upstream_matches() {
    let pod = object(
        "default",
        "web-0",
        &json!({
            "metadata": {"name": "not looked at", "namespace": "nor this", "labels": {"app": "web"}},
            "spec": {"nodeName": "node-1", "hostNetwork": true, "priority": 7, "x": null},
            "complex": r"=value\,\",
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }),
    );
    for (text, expected) in [
        ("", true),
        ("metadata.name=web-0,metadata.namespace=default", true),
        ("['metadata'].name!=web-0", false),
        ("metadata.namespace=other", false),
        ("metadata.labels.app=web", true),
        ("spec.nodeName=node-1", true),
        ("spec.nodeName!=node-1", false),
        ("spec.nodeName=node-1,spec.priority=8", false),
        ("spec.nodeName!=a,spec.priority!=b", true),
        ("spec.hostNetwork=true,spec.priority=7", true),
        (r"complex=\=value\\\,\\", true),
        ("spec.absent=", true),
        ("spec.absent!=", false),
        ("spec.absent=x", false),
        ("spec.absent!=x", true),
        ("spec.x=,spec=,status.conditions=", true),
        ("spec.x=null", false),
        ("status.conditions[0].type=Ready", true),
        ("status.conditions[1].type=", true),
    ] {
        assert_eq!(parse(text).matches(&pod), expected, "{text:?}");
    }
    let node = object("", "node-1", &json!({}));
    assert!(parse("metadata.namespace=,metadata.name=node-1").matches(&node));
}

#[test]
fn anchors_are_equalities() {
    let selector = parse("b=2,a.b!=1,a.c=");
    let terms: Vec<_> = selector
        .equality_terms()
        .map(|(path, value)| format!("{path}:{value}"))
        .collect();
    assert_eq!(terms, ["a.c:", "b:2"]);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}|[ab.=!,'\\\\\\[\\]0]{0,16}") {
        match FieldSelector::parse(&text) {
            Ok(selector) => {
                let canonical = selector.to_string();
                prop_assert_eq!(parse(&canonical).to_string(), canonical.clone());
                prop_assert_eq!(parse(&canonical), selector);
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.position), "{}", error),
        }
    }

    #[test]
    fn agrees_with_a_naive_evaluator(
        fields in prop::collection::btree_map("[a-c]", "[ab,=\\\\]{0,2}", 0..3),
        asked in prop::collection::vec(("[a-c]", any::<bool>(), "[ab,=\\\\]{0,2}"), 0..4),
    ) {
        let terms: Vec<_> = asked
            .iter()
            .map(|(key, equal, value)| {
                let value = value.replace('\\', r"\\").replace(',', r"\,").replace('=', r"\=");
                format!("{key}{}{value}", if *equal { "=" } else { "!=" })
            })
            .collect();
        let selector = parse(&terms.join(","));
        let expected = asked.iter().all(|(key, equal, value)| {
            (fields.get(key).map_or("", String::as_str) == value) == *equal
        });
        prop_assert_eq!(selector.matches(&object("n", "x", &json!(fields))), expected);
        prop_assert_eq!(parse(&selector.to_string()), selector);
    }
}
