//! Filters: limits, faults, canonical form and fingerprint.

use bytes::Bytes;

use super::*;
use crate::resource::{Key, Labels, ObjectParts, ResourceVersion};

fn texts(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|e| (*e).to_owned()).collect()
}

fn membership(
    namespaces: &[&str],
    names: &[&str],
    label_selector: &str,
    field_selector: &str,
) -> Result<Membership, FilterError> {
    Membership::new(FilterSpec {
        namespaces: &texts(namespaces),
        names: &texts(names),
        label_selector,
        field_selector,
    })
}

fn namespaces(entries: &[&str]) -> Result<Membership, FilterError> {
    membership(entries, &[], "", "")
}

fn names(entries: &[&str]) -> Result<Membership, FilterError> {
    membership(&[], entries, "", "")
}

fn object(namespace: &str, name: &str) -> Object {
    let json = r#"{"apiVersion":"v1","kind":"Pod","spec":{"nodeName":"n1"}}"#;
    Object::new(ObjectParts {
        key: Key::new(namespace, name),
        uid: "".into(),
        version: ResourceVersion::new("1"),
        labels: [("app", "web")].into_iter().collect::<Labels>(),
        json: Bytes::from_static(json.as_bytes()),
        version_span: 0..0,
    })
}

#[test]
fn names_the_field_and_the_place_of_a_fault() {
    for (result, field, position, reason) in [
        (
            namespaces(&[""]),
            "filter.namespaces[0]",
            0,
            "namespace is empty",
        ),
        (
            namespaces(&["a", "b", "C"]),
            "filter.namespaces[2]",
            0,
            "lowercase",
        ),
        (namespaces(&["a.b"]), "filter.namespaces[0]", 1, "lowercase"),
        (
            namespaces(&["a-"]),
            "filter.namespaces[0]",
            1,
            "begin and end",
        ),
        (
            namespaces(&["-a"]),
            "filter.namespaces[0]",
            0,
            "begin and end",
        ),
        (
            namespaces(&[&"a".repeat(64)]),
            "filter.namespaces[0]",
            63,
            "at most 63",
        ),
        (names(&["a", ""]), "filter.names[1]", 0, "name is empty"),
        (names(&["."]), "filter.names[0]", 0, "not allowed"),
        (names(&[".."]), "filter.names[0]", 0, "not allowed"),
        (names(&["a/b"]), "filter.names[0]", 1, "must not contain"),
        (names(&["ab%2f"]), "filter.names[0]", 2, "must not contain"),
        (
            names(&[&"a".repeat(254)]),
            "filter.names[0]",
            253,
            "at most 253",
        ),
        (
            membership(&[], &[], "a in (b", ""),
            "filter.label_selector",
            7,
            "')'",
        ),
        (
            membership(&[], &[], "", "a.b>1"),
            "filter.field_selector",
            3,
            "'!='",
        ),
    ] {
        let error = result.expect_err(field);
        assert_eq!(error.field, field, "{error}");
        assert_eq!(error.position, Some(position), "{error}");
        assert!(error.message.contains(reason), "{error}");
    }
}

#[test]
fn takes_what_the_resources_allow() {
    assert!(namespaces(&["0", "kube-system", &"a".repeat(63)]).is_ok());
    assert!(names(&["system:node:x", "...", "A_b c", &"a".repeat(253)]).is_ok());
}

#[test]
fn lists_hold_at_most_a_hundred_entries() {
    let many = |n: usize| vec!["a"; n];
    assert!(namespaces(&many(100)).is_ok());
    for (result, field) in [
        (namespaces(&many(101)), "filter.namespaces"),
        (names(&many(10_000)), "filter.names"),
    ] {
        let error = result.expect_err(field);
        assert_eq!((&*error.field, error.position), (field, None));
        assert!(error.message.contains("at most 100"), "{error}");
    }
}

#[test]
fn all_conditions_must_hold() {
    let web = object("default", "web");
    for (namespaces, names, labels, fields, expected) in [
        (&[][..], &[][..], "", "", true),
        (&["default"], &["web"], "app=web", "spec.nodeName=n1", true),
        (&["x", "default", "a"], &["web", "b"], "app", "", true),
        (&["other"], &["web"], "app=web", "spec.nodeName=n1", false),
        (
            &["default"],
            &["other"],
            "app=web",
            "spec.nodeName=n1",
            false,
        ),
        (&["default"], &["web"], "app=api", "spec.nodeName=n1", false),
        (&["default"], &["web"], "app=web", "spec.nodeName=n2", false),
        (&["y"], &[], "", "metadata.namespace=default", false),
        (&["default"], &[], "", "metadata.namespace=y", false),
    ] {
        let membership = membership(namespaces, names, labels, fields).expect("valid");
        assert_eq!(membership.matches(&web), expected, "{membership}");
    }
    let node = object("", "node-1");
    assert!(Membership::default().matches(&node));
    assert!(!namespaces(&["default"]).expect("valid").matches(&node));
}

#[test]
fn spelling_makes_no_difference() {
    let one = membership(
        &["b", "a", "b"],
        &["y", "x", "y"],
        "b in (2,1,2), a==x",
        "c==1,['b']=2,",
    );
    let other = membership(&["a", "b"], &["x", "y"], "a=x,b in (1,2)", "b=2,c=1");
    let (one, other) = (one.expect("valid"), other.expect("valid"));
    assert_eq!(one, other);
    assert_eq!(one.to_string(), other.to_string());
    assert_eq!(one.fingerprint(), other.fingerprint());
}

#[test]
fn different_conditions_read_differently() {
    let all = [
        membership(&[], &[], "", ""),
        membership(&["a"], &[], "", ""),
        membership(&[], &["a"], "", ""),
        membership(&["a", "b"], &[], "", ""),
        membership(&["a"], &["b"], "", ""),
        membership(&[], &["a,b"], "", ""),
        membership(&[], &["a", "b"], "", ""),
        membership(&[], &["a; labels: b"], "", ""),
        membership(&[], &["a"], "b", ""),
        membership(&[], &["a\nb"], "", ""),
        membership(&[], &["\"a\\nb\""], "", ""),
        membership(&[], &[], "a=b", ""),
        membership(&[], &[], "", "a=b"),
        membership(&[], &[], "a=b", "a=b"),
        membership(&[], &[], "", "a=\n"),
        membership(&[], &[], "", r"a=\\n"),
    ]
    .map(|m| m.expect("valid"));
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            assert_ne!(a, b);
            assert_ne!(a.to_string(), b.to_string());
            assert_ne!(a.fingerprint(), b.fingerprint(), "{a} and {b}");
        }
        assert!(!a.to_string().contains('\n'));
    }
    assert_eq!(all[0].to_string(), "everything");
    let full = membership(&["b", "a"], &["x y"], "app==web", "spec.x=1").expect("valid");
    let text = r#"namespaces: a,b; names: "x y"; labels: app=web; fields: spec.x=1"#;
    assert_eq!(full.to_string(), text);
}

/// Computed with `printf ... | sha256sum` from the description of the format.
#[test]
fn fingerprints_stay_what_they_are() {
    let empty = Membership::default();
    assert_eq!(empty.fingerprint(), 0xce1d_d3a9_015e_1c09_u64.to_be_bytes());
    let full = membership(&["bc", "a"], &["web"], "app in (web)", "spec.x==1").expect("valid");
    assert_eq!(full.fingerprint(), 0x366f_0ec1_a68b_4337_u64.to_be_bytes());
}
