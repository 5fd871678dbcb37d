//! Properties of decoding over random objects and random bytes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    status,
    tests::{added, decoder, json_of, version_text},
};
use crate::resource::UpstreamEvent;

/// JSON values of some depth, written with the given spacing.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("\\PC{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn write(members: &[(String, String)], spaces: bool) -> String {
    let (colon, comma) = if spaces { (" : ", " ,\n ") } else { (":", ",") };
    let members: Vec<_> = members
        .iter()
        .map(|(key, value)| format!("{}{colon}{value}", Value::from(key.as_str())))
        .collect();
    format!("{{{}}}", members.join(comma))
}

proptest! {
    #[test]
    fn decoding_keeps_all_but_what_it_must_change(
        extra in proptest::collection::btree_map("[a-z]{1,3}X", value(), 0..4),
        meta_extra in proptest::collection::btree_map("[a-z]{1,3}X", value(), 0..3),
        managed in proptest::option::of(value()),
        named in any::<bool>(),
        spaces in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut meta = vec![
            ("name".to_owned(), "\"a\"".to_owned()),
            ("resourceVersion".to_owned(), "\"77\"".to_owned()),
        ];
        meta.extend(meta_extra.iter().map(|(k, v)| (k.clone(), v.to_string())));
        let mut want_meta = serde_json::from_str::<Value>(&write(&meta, false)).expect("json");
        if let Some(managed) = managed {
            meta.push(("managedFields".to_owned(), managed.to_string()));
        }
        rng.shuffle(&mut meta);
        let mut top = vec![("metadata".to_owned(), write(&meta, spaces))];
        top.extend(extra.iter().map(|(k, v)| (k.clone(), v.to_string())));
        if named {
            top.push(("kind".to_owned(), "\"Pod\"".to_owned()));
            top.push(("apiVersion".to_owned(), "\"v1\"".to_owned()));
        }
        rng.shuffle(&mut top);

        let line = format!(r#"{{"type":"ADDED","object":{}}}"#, write(&top, spaces));
        let got = added(&line);
        let head = r#"{"apiVersion":"v1","kind":"Pod","#;
        prop_assert!(json_of(&got).starts_with(head));
        let mut want = json!({"apiVersion": "v1", "kind": "Pod", "metadata": want_meta.take()});
        for (key, value) in extra {
            want[key] = value;
        }
        prop_assert_eq!(&serde_json::from_slice::<Value>(got.json()).expect("json"), &want);
        want["metadata"]["resourceVersion"] = json!("@");
        prop_assert_eq!(&serde_json::from_str::<Value>(&version_text(&got)).expect("json"), &want);
        prop_assert_eq!(got.json().len(), json_of(&got).len());

        // Its own output is its fixed point.
        let again = added(&format!(r#"{{"type":"ADDED","object":{}}}"#, json_of(&got)));
        prop_assert_eq!(again.json(), got.json());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decoder().page(&bytes);
        let _ = status(500, None, &bytes);
        let is_object = matches!(decoder().line(&bytes), Ok(UpstreamEvent::Added(_)));
        prop_assert!(!is_object);
    }

    #[test]
    fn cut_lines_never_decode(at in 0_usize..89) {
        let line = r#"{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"7"},"x":1}}"#;
        prop_assert!(decoder().line(&line.as_bytes()[..at]).is_err());
    }
}
