//! Tables of decoding.

use super::*;
use crate::resource::{Gvr, UpstreamEvent};

pub(super) fn pods() -> ResourceInfo {
    ResourceInfo {
        gvr: Gvr::new("", "v1", "pods"),
        kind: "Pod".into(),
        namespaced: true,
        watchable: true,
        preferred: true,
        short_names: vec!["po".into()],
    }
}

pub(super) fn decoder() -> Decoder {
    Decoder::new(&pods(), false)
}

pub(super) fn added(line: &str) -> Arc<Object> {
    match decoder().line(line.as_bytes()) {
        Ok(UpstreamEvent::Added(object)) => object,
        other => panic!("expected ADDED, got {other:?}"),
    }
}

pub(super) fn json_of(object: &Object) -> &str {
    std::str::from_utf8(object.json()).expect("utf-8")
}

pub(super) fn version_text(object: &Object) -> String {
    // Restamping with a marker shows where the span points.
    let marked = object.json_at(&ResourceVersion::new("@"));
    String::from_utf8(marked.to_vec()).expect("utf-8")
}

#[test]
fn one_form_for_every_order_of_members() {
    let meta = r#""metadata":{"name":"a","namespace":"n","resourceVersion":"7"}"#;
    let want = format!(r#"{{"apiVersion":"v1","kind":"Pod",{meta}"#);
    let cases = [
        (format!(r#"{{"kind":"Pod","apiVersion":"v1",{meta}}}"#), "}"),
        (format!(r#"{{"apiVersion":"v1","kind":"Pod",{meta}}}"#), "}"),
        (format!(r#"{{{meta},"apiVersion":"v1","kind":"Pod"}}"#), "}"),
        (
            format!(r#"{{{meta} , "kind":"Pod" , "apiVersion":"v1" }}"#),
            " }",
        ),
        (format!(r#"{{{meta}}}"#), "}"),
        (format!(r#"{{"kind":null,{meta}}}"#), "}"),
        (format!(r#"{{"\u006bind":"Pod",{meta}}}"#), "}"),
        (
            format!(r#"{{"kind":"Pod",{meta},"apiVersion":"v1","x":[1.0,1e2, 3 ]}}"#),
            r#","x":[1.0,1e2, 3 ]}"#,
        ),
        (
            format!(r#"{{"apiVersion":"v1",{meta},"x":{{}},"kind":"Pod"}}"#),
            r#","x":{}}"#,
        ),
    ];
    for (object, tail) in cases {
        let got = added(&format!(r#"{{"type":"ADDED","object":{object}}}"#));
        assert_eq!(json_of(&got), format!("{want}{tail}"));
        assert_eq!(version_text(&got), json_of(&got).replace("\"7\"", "\"@\""));
    }
}

#[test]
fn managed_fields_are_cut_with_one_comma() {
    let cases = [
        (
            r#"{"managedFields":[{"a":"}"}],"name":"a","resourceVersion":"7"}"#,
            r#"{"name":"a","resourceVersion":"7"}"#,
        ),
        (
            r#"{"name":"a","managedFields":[], "resourceVersion":"7"}"#,
            r#"{"name":"a","resourceVersion":"7"}"#,
        ),
        (
            r#"{"name":"a","resourceVersion":"7" , "managedFields":null}"#,
            r#"{"name":"a","resourceVersion":"7" }"#,
        ),
        (
            r#"{"name":"a","resourceVersion":"7"}"#,
            r#"{"name":"a","resourceVersion":"7"}"#,
        ),
    ];
    for (given, want) in cases {
        let line = format!(r#"{{"type":"ADDED","object":{{"kind":"Pod","metadata":{given}}}}}"#);
        let got = added(&line);
        assert_eq!(
            json_of(&got),
            format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{want}}}"#)
        );
        assert_eq!(version_text(&got), json_of(&got).replace("\"7\"", "\"@\""));

        let kept = Decoder::new(&pods(), true)
            .line(line.as_bytes())
            .expect("decodes");
        let UpstreamEvent::Added(kept) = kept else {
            panic!("ADDED")
        };
        assert!(json_of(&kept).contains(given), "{}", json_of(&kept));
    }
}

#[test]
fn managed_fields_elsewhere_stay() {
    let got = added(
        r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"7"},"managedFields":1,"spec":{"metadata":{"managedFields":2}}}}"#,
    );
    assert!(
        json_of(&got).ends_with(r#","managedFields":1,"spec":{"metadata":{"managedFields":2}}}"#)
    );
}

#[test]
fn envelopes_in_any_shape_are_read() {
    let object = r#"{"metadata":{"name":"a","namespace":"n","uid":"u","labels":{"x":"1","y":"\u0032"},"resourceVersion":"7"}}"#;
    for line in [
        format!(r#"{{"type":"ADDED","object":{object}}}"#),
        format!(" {{ \"object\" : {object} , \"type\" : \"ADDED\" }} \r"),
        format!(r#"{{"type":"ADDED","object":{object},"future":{{"a":[]}}}}"#),
        format!(r#"{{"type":"\u0041DDED","object":{object}}}"#),
    ] {
        let got = added(&line);
        assert_eq!((got.key().as_str(), got.uid()), ("n/a", "u"));
        assert_eq!(got.version(), &ResourceVersion::new("7"));
        assert_eq!(
            got.labels().iter().collect::<Vec<_>>(),
            [("x", "1"), ("y", "2")]
        );
    }
}

#[test]
fn f3_to_f6_bad_lines_say_how_bad_they_are() {
    let malformed = |result: Result<UpstreamEvent, DecodeError>| {
        matches!(result, Err(DecodeError::Malformed { .. }))
    };
    for line in [
        &b""[..],
        b"{",
        b"null",
        b"<html>",
        b"{\"type\":\"ADDED\"}",
        b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"b\",\"resourceVers",
        b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}",
        b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\xff\",\"resourceVersion\":\"7\"}}}",
        b"{\"type\":\"ADDED\",\"object\":[]}",
        b"{\"type\":\"BOOKMARK\",\"object\":null}",
        b"\0\0\0",
    ] {
        assert!(malformed(decoder().line(line)), "{}", String::from_utf8_lossy(line));
    }
    for (line, want) in [
        (
            r#"{"type":"WHATEVER","object":{}}"#,
            DecodeError::UnknownType,
        ),
        (r#"{"type":"ADDED","object":{}}"#, DecodeError::NoVersion),
        (
            r#"{"type":"ADDED","object":{"metadata":null}}"#,
            DecodeError::NoVersion,
        ),
        (
            r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#,
            DecodeError::NoVersion,
        ),
        (
            r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":7}}}"#,
            DecodeError::NoVersion,
        ),
        (
            r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":""}}}"#,
            DecodeError::NoVersion,
        ),
        (
            r#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}"#,
            DecodeError::NoName,
        ),
        (
            r#"{"type":"BOOKMARK","object":{"metadata":{}}}"#,
            DecodeError::NoVersion,
        ),
        (
            r#"{"type":"MODIFIED","object":{"kind":"Status","code":410}}"#,
            DecodeError::StatusObject,
        ),
    ] {
        assert_eq!(decoder().line(line.as_bytes()), Err(want), "{line}");
    }
}

#[test]
fn bookmarks_are_judged_by_the_value_of_the_annotation() {
    for (annotations, ends) in [
        (
            r#""annotations":{"k8s.io/initial-events-end":"true"},"#,
            true,
        ),
        (
            r#""annotations":{"k8s.io/initial-events-end":"false"},"#,
            false,
        ),
        (
            r#""annotations":{"k8s.io/initial-events-end":true},"#,
            false,
        ),
        (r#""annotations":null,"#, false),
        ("", false),
    ] {
        // A Job's bookmark holds a null where its type has a list.
        let line = format!(
            r#"{{"type":"BOOKMARK","object":{{"kind":"Job","metadata":{{{annotations}"resourceVersion":"9","creationTimestamp":null}},"spec":{{"template":{{"spec":{{"containers":null}}}}}}}}}}"#
        );
        let want = UpstreamEvent::Bookmark {
            version: ResourceVersion::new("9"),
            initial_events_end: ends,
        };
        assert_eq!(decoder().line(line.as_bytes()), Ok(want), "{annotations}");
    }
}

#[test]
fn error_events_always_decode() {
    let error = |line: &str| match decoder().line(line.as_bytes()) {
        Ok(UpstreamEvent::Error(status)) => status,
        other => panic!("expected ERROR, got {other:?}"),
    };
    let expired = error(
        r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (5)","reason":"Expired","code":410}}"#,
    );
    assert!(expired.is_expired());
    let large = error(
        r#"{"type":"ERROR","object":{"kind":"Status","code":504,"details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1}}}"#,
    );
    assert_eq!(large.causes[0], "ResourceVersionTooLarge");
    assert_eq!(large.retry_after, Some(std::time::Duration::from_secs(1)));
    assert_eq!(error(r#"{"type":"ERROR","object":{"kind":"Pod"}}"#).code, 0);
    assert_eq!(
        error(r#"{"type":"ERROR","object":{"kind":"Status","code":"x"}}"#).code,
        0
    );
}

#[test]
fn f38_depth_is_no_limit() {
    let deep = format!("{}{}", "{\"a\":[".repeat(50_000), "]}".repeat(50_000));
    let line = format!(
        r#"{{"type":"ADDED","object":{{"metadata":{{"name":"a","resourceVersion":"7","managedFields":{deep}}},"spec":{deep}}}}}"#
    );
    let got = added(&line);
    assert!(json_of(&got).ends_with(&format!(r#","spec":{deep}}}"#)));
    let page = format!(
        r#"{{"metadata":{{"resourceVersion":"8"}},"items":[{{"metadata":{{"name":"a","resourceVersion":"7"}},"spec":{deep}}}]}}"#
    );
    assert_eq!(
        decoder()
            .page(page.as_bytes())
            .expect("decodes")
            .objects
            .len(),
        1
    );
}

#[test]
fn pages_say_where_they_continue() {
    let item = r#"{"metadata":{"name":"a","namespace":"n","resourceVersion":"7"}}"#;
    let page = decoder()
        .page(format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"9","continue":"abc","remainingItemCount":3}},"items":[{item}]}}"#).as_bytes())
        .expect("decodes");
    assert_eq!(page.version, ResourceVersion::new("9"));
    assert_eq!(page.continue_token.as_deref(), Some("abc"));
    assert_eq!(
        json_of(&page.objects[0]),
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n","resourceVersion":"7"}}"#
    );

    let empty =
        decoder().page(br#"{"metadata":{"resourceVersion":"9","continue":""},"items":null}"#);
    let empty = empty.expect("decodes");
    assert_eq!((empty.objects.len(), empty.continue_token), (0, None));

    let html = decoder().page(b"<html>log in</html>");
    assert!(
        matches!(html, Err(DecodeError::Malformed { .. })),
        "F8: {html:?}"
    );
    let status = decoder().page(br#"{"kind":"Status","code":200}"#);
    assert_eq!(status, Err(DecodeError::StatusObject));
}

#[test]
fn f7_f23_error_responses() {
    let pretty = b"{\n  \"kind\": \"Status\",\n  \"reason\": \"Expired\",\n  \"message\": \"gone\",\n  \"code\": 410\n}\n";
    let got = status(410, None, pretty);
    assert_eq!(
        (got.code, &*got.reason, &*got.message),
        (410, "Expired", "gone")
    );
    assert_eq!(
        status(502, None, b"<html>\n  bad gateway</html>").message,
        "<html> bad gateway</html>"
    );
    let wait = |header| {
        status(429, Some(header), b"")
            .retry_after
            .map(|d| d.as_secs())
    };
    assert_eq!(wait("3"), Some(3));
    assert_eq!(wait("4294967295"), Some(4_294_967_295));
    assert_eq!(wait("99999999999999999999999"), Some(u64::MAX));
    for junk in ["-1", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", ""] {
        assert_eq!(wait(junk), None, "{junk}");
    }
}
