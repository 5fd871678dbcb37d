//! Paths: spelling, and the walk compared with a parsed document.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parse(text: &str) -> FieldPath {
    FieldPath::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

fn lookup(path: &str, json: &str) -> Option<String> {
    parse(path).lookup(json.as_bytes()).map(Cow::into_owned)
}

#[test]
fn has_one_spelling() {
    for (text, canonical) in [
        ("metadata.name", "metadata.name"),
        ("['metadata']['name']", "metadata.name"),
        ("[\"a.b\"].c", "['a.b'].c"),
        (
            "metadata.annotations['example.com/owner']",
            "metadata.annotations['example.com/owner']",
        ),
        ("spec.containers[0].image", "spec.containers[0].image"),
        ("a[007]", "a[7]"),
        ("a['0']", "a.0"),
        ("a['']", "a['']"),
        (r#"["it's"]"#, r"['it\'s']"),
        (r#"['"']"#, r#"['"']"#),
        (r"['\\']", r"['\\']"),
        ("$ref.under_score.da-sh", "$ref.under_score.da-sh"),
        ("함.목", "함.목"),
        ("['a=b,c']", "['a=b,c']"),
        ("[0][1]", "[0][1]"),
    ] {
        assert_eq!(parse(text).to_string(), canonical, "{text:?}");
        assert_eq!(parse(canonical), parse(text), "{text:?}");
    }
}

#[test]
fn refuses_bad_paths_where_they_are_bad() {
    for (text, position, reason) in [
        ("", 0, "found the end; expected the name"),
        (".a", 0, "expected the name"),
        ("a.", 2, "found the end"),
        ("a..b", 2, r#"found ".""#),
        ("a b", 1, "['...']"),
        ("a/b", 1, "['...']"),
        ("a]", 1, "['...']"),
        ("a[", 2, "quoted key or an array index"),
        ("a[b]", 2, "quoted key or an array index"),
        ("a[-1]", 2, "quoted key or an array index"),
        ("a[1", 3, "expected ']'"),
        ("a[1x]", 3, "expected ']'"),
        ("a[4294967296]", 2, "too large"),
        ("a['b", 4, "closing '"),
        ("a[\"b']", 6, "closing \""),
        ("a['b'", 5, "expected ']'"),
        (r"a['\n']", 3, "may stand before"),
        (r"a['\", 3, "may stand before"),
        ("a['b']c", 6, "['...']"),
    ] {
        let error = FieldPath::parse(text).expect_err(text);
        assert_eq!(error.position, position, "{text:?}: {error}");
        assert!(error.message.contains(reason), "{text:?}: {error}");
    }
    let deep = |n: usize| vec!["a"; n].join(".");
    assert_eq!(parse(&deep(64)).segments().len(), 64);
    let error = FieldPath::parse(&deep(65)).expect_err("too deep");
    assert!(error.message.contains("more than 64 segments"), "{error}");
}

#[test]
fn finds_scalars_as_they_are_spelled() {
    let json = r#" {"s":"x","e":"","esc":"a\"\u00e9\n","n":1.50,"big":12345678901234567890123,
        "exp":1E3,"t":true,"f":false,"nil":null,"o":{"a":"1"},"l":["x",{"k":"y"},[7]],
        "k\u0065y":"escaped","dup":"1","dup":"2","d":{"a":1},"d":{"b":2},"":"blank"} "#;
    for (path, expected) in [
        ("s", Some("x")),
        ("e", Some("")),
        ("esc", Some("a\"é\n")),
        ("n", Some("1.50")),
        ("big", Some("12345678901234567890123")),
        ("exp", Some("1E3")),
        ("t", Some("true")),
        ("f", Some("false")),
        ("nil", None),
        ("o", None),
        ("l", None),
        ("absent", None),
        ("o.a", Some("1")),
        ("o.b", None),
        ("s.a", None),
        ("n.a", None),
        ("t.a", None),
        ("nil.a", None),
        ("l[0]", Some("x")),
        ("l[1].k", Some("y")),
        ("l[2][0]", Some("7")),
        ("l[3]", None),
        ("l[4294967295]", None),
        ("l.k", None),
        ("l['0']", None),
        ("o[0]", None),
        ("key", Some("escaped")),
        ("dup", Some("2")),
        ("d.a", None),
        ("d.b", Some("2")),
        ("['']", Some("blank")),
    ] {
        assert_eq!(lookup(path, json).as_deref(), expected, "{path}");
    }
}

#[test]
fn borrows_what_has_no_escapes() {
    let json = br#"{"a":"plain","b":"es\\caped"}"#;
    assert!(matches!(
        parse("a").lookup(json),
        Some(Cow::Borrowed("plain"))
    ));
    assert!(matches!(parse("b").lookup(json), Some(Cow::Owned(_))));
}

#[test]
fn what_cannot_be_walked_is_absent() {
    for json in [
        &b""[..],
        b"{",
        b"{\"a\"",
        b"{\"a\":",
        b"{\"a\":\"x",
        b"{\"a\":x}",
        b"[\"a\"]",
        b"\"a\"",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":\"\xff\"}",
        b"{\"b\":\x01,\"a\":1}",
    ] {
        assert_eq!(parse("a").lookup(json), None, "{}", json.escape_ascii());
    }
}

#[test]
fn depth_is_no_concern() {
    const DEPTH: usize = 100_000;
    let (open, close) = (r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
    let objects = format!("{open}1{close}");
    let arrays = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let json = format!(r#"{{"o":{objects},"l":[{arrays},"x"],"z":"end"}}"#);
    assert_eq!(lookup("z", &json).as_deref(), Some("end"));
    assert_eq!(lookup("l[1]", &json).as_deref(), Some("x"));
    assert_eq!(lookup("o", &json), None);
    assert_eq!(lookup("o.a.a.a.b", &json), None);
    assert_eq!(lookup("l[0][0][0]", &json), None);

    let path = vec!["a"; MAX_SEGMENTS].join(".");
    assert_eq!(lookup(&path, &objects), None);
    let (open, close) = (r#"{"a":"#.repeat(MAX_SEGMENTS), "}".repeat(MAX_SEGMENTS));
    assert_eq!(
        lookup(&path, &format!("{open}1{close}")).as_deref(),
        Some("1")
    );
}

/// The same question asked of a parsed document.
fn naive(path: &FieldPath, document: &Value) -> Option<String> {
    let mut at = document;
    for segment in path.segments() {
        at = match segment {
            Segment::Key(key) => at.as_object()?.get(&**key)?,
            Segment::Index(index) => at.as_array()?.get(*index as usize)?,
        };
    }
    match at {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(at.to_string()),
        _ => None,
    }
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab]|\\PC?|['\"\\\\]", inner, 0..4)
                .prop_map(|map| json!(map)),
        ]
    })
}

fn path() -> impl Strategy<Value = FieldPath> {
    let segment = prop_oneof![
        4 => "[ab]|.{0,3}|['\"\\\\]".prop_map(|key| Segment::Key(key.into())),
        1 => (0..3u32).prop_map(Segment::Index),
    ];
    prop::collection::vec(segment, 1..5).prop_map(|segments| FieldPath {
        segments: segments.into(),
    })
}

/// All paths to anything in a document.
fn paths(document: &Value, at: &[Segment], out: &mut Vec<FieldPath>) {
    if !at.is_empty() {
        out.push(FieldPath {
            segments: at.into(),
        });
    }
    let mut step = |segment, value| paths(value, &[at, &[segment]].concat(), out);
    match document {
        Value::Object(map) => {
            for (key, value) in map {
                step(Segment::Key(key.as_str().into()), value);
            }
        }
        Value::Array(list) => {
            for (index, value) in (0..).zip(list) {
                step(Segment::Index(index), value);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,20}|[ab.'\"\\\\\\[\\]0-9]{0,12}") {
        match FieldPath::parse(&text) {
            Ok(path) => prop_assert_eq!(parse(&path.to_string()), path),
            Err(error) => prop_assert!(text.is_char_boundary(error.position), "{}", error),
        }
    }

    #[test]
    fn reads_back_what_it_wrote(path in path()) {
        prop_assert_eq!(parse(&path.to_string()), path);
    }

    #[test]
    fn agrees_with_a_parsed_document(document in document(), other in path()) {
        let json = document.to_string();
        let mut all = vec![other];
        paths(&document, &[], &mut all);
        for path in all {
            let found = path.lookup(json.as_bytes()).map(Cow::into_owned);
            prop_assert_eq!(found, naive(&path, &document), "{} in {}", path, json);
        }
    }

    #[test]
    fn damaged_documents_are_walked_as_far_as_they_are_read(
        document in document(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut json = document.to_string().into_bytes();
        let place = place.index(json.len());
        if cut {
            json.truncate(place);
        } else {
            json[place] = byte;
        }
        let mut all = Vec::new();
        paths(&document, &[], &mut all);
        let read = serde_json::from_slice::<Value>(&json);
        for path in all {
            let found = path.lookup(&json);
            // Numbers are left out: a damaged one may be spelled otherwise than it is printed.
            if let Ok(document) = &read
                && let Some(text) = naive(&path, document).filter(|t| t.parse::<f64>().is_err())
            {
                prop_assert_eq!(found.as_deref(), Some(&*text), "{}", path);
            }
        }
    }
}
