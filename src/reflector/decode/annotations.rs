//! What of a secret's annotations is cut out.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{DecodeError, text::Text};
use crate::resource::Gvr;

/// What kubectl writes of an object as it was applied: of a secret that is all its data, where
/// nobody who hides `data` looks for it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whether objects of this resource are delivered without it.
pub(super) fn are_cut(gvr: &Gvr) -> bool {
    gvr.group.is_empty() && gvr.resource == "secrets"
}

/// Its values in `metadata.annotations`: one, unless the JSON repeats a key.
///
/// # Errors
/// The annotations are neither null nor an object: what is in them can't be cut out.
pub(super) fn last_applied(annotations: &RawValue) -> Result<Vec<&RawValue>, DecodeError> {
    let found: Option<LastApplied<'_>> = serde_json::from_str(annotations.get())?;
    Ok(found.map(|found| found.0).unwrap_or_default())
}

struct LastApplied<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for LastApplied<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnnotationsVisitor;
        impl<'de> Visitor<'de> for AnnotationsVisitor {
            type Value = LastApplied<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    if key.0 == LAST_APPLIED {
                        found.push(value);
                    }
                }
                Ok(LastApplied(found))
            }
        }
        deserializer.deserialize_map(AnnotationsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        reflector::decode::{
            Decoder,
            tests::{json_of, pods, version_text},
        },
        resource::{Object, ResourceInfo, UpstreamEvent},
    };

    fn secrets() -> ResourceInfo {
        ResourceInfo {
            gvr: Gvr::new("", "v1", "secrets"),
            kind: "Secret".into(),
            ..pods()
        }
    }

    fn decoded(info: &ResourceInfo, metadata: &str) -> Arc<Object> {
        let line = format!(r#"{{"type":"ADDED","object":{{"metadata":{metadata},"data":{{}}}}}}"#);
        match Decoder::new(info, false).line(line.as_bytes()) {
            Ok(UpstreamEvent::Added(object)) => object,
            other => panic!("expected ADDED, got {other:?}"),
        }
    }

    #[test]
    fn what_cannot_be_cut_is_not_delivered() {
        let applied = r#"{"kubectl.kubernetes.io/last-applied-configuration":"c2VjcmV0"}"#;
        let meta = r#""name":"a","resourceVersion":"7""#;
        for object in [
            format!(r#"{{"metadata":{{{meta},"annotations":[{applied}]}}}}"#),
            format!(r#"{{"metadata":{{{meta},"annotations":"text"}}}}"#),
            format!(r#"{{"metadata":{{{meta},"annotations":{applied},"annotations":{{}}}}}}"#),
            format!(r#"{{"metadata":{{{meta},"annotations":{applied},"annotations":null}}}}"#),
            format!(r#"{{"metadata":{{"annotations":{applied}}},"metadata":{{{meta}}}}}"#),
        ] {
            let line = format!(r#"{{"type":"ADDED","object":{object}}}"#);
            let decode = |info: &ResourceInfo| Decoder::new(info, false).line(line.as_bytes());
            let refused = decode(&secrets()).expect_err(&object);
            assert!(
                matches!(refused, DecodeError::Malformed { .. }),
                "{refused:?}"
            );
            assert!(decode(&pods()).is_ok(), "unusual, and delivered: {object}");
        }
    }

    #[test]
    fn the_annotation_is_cut_with_one_comma() {
        let last = r#""kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"a\":\"c2VjcmV0\"}}\n""#;
        let escaped = r#""kubectl.kubernetes.io\u002flast-applied-configuration" : "c2VjcmV0""#;
        let cases = [
            (format!("{{{last}}}"), "{}".to_owned()),
            (format!(r#"{{{last},"b":"1"}}"#), r#"{"b":"1"}"#.to_owned()),
            (
                format!(r#"{{"a":"\"x\"","b" : "1" , {last} }}"#),
                r#"{"a":"\"x\"","b" : "1" }"#.to_owned(),
            ),
            (
                format!(r#"{{"a":"1",{escaped},"b":"2",{last}}}"#),
                r#"{"a":"1","b":"2"}"#.to_owned(),
            ),
            ("null".to_owned(), "null".to_owned()),
            (
                r#"{"example.com/last-applied-configuration":"1"}"#.to_owned(),
                r#"{"example.com/last-applied-configuration":"1"}"#.to_owned(),
            ),
        ];
        for (given, want) in cases {
            let metadata = |annotations: &str, managed: &str| {
                format!(
                    r#"{{"name":"a","annotations":{annotations},{managed}"resourceVersion":"7"}}"#
                )
            };
            let got = decoded(&secrets(), &metadata(&given, r#""managedFields":[],"#));
            let want = format!(
                r#"{{"apiVersion":"v1","kind":"Secret","metadata":{},"data":{{}}}}"#,
                metadata(&want, "")
            );
            assert_eq!(json_of(&got), want);
            assert_eq!(version_text(&got), want.replace("\"7\"", "\"@\""));
            // Everywhere else it stays.
            let kept = decoded(&pods(), &metadata(&given, ""));
            assert!(json_of(&kept).contains(&given), "{}", json_of(&kept));
        }
    }
}
