//! `get` against scripted answers.

use clap::Parser;

use super::*;
use crate::proto::v1::GroupVersionResource;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    get: GetArgs,
}

fn parse(line: &str) -> GetArgs {
    let words = std::iter::once("get").chain(line.split_whitespace());
    Cli::try_parse_from(words).expect(line).get
}

fn configmaps() -> Resource {
    Resource {
        resource: Some(GroupVersionResource {
            version: "v1".into(),
            resource: "configmaps".into(),
            ..Default::default()
        }),
        kind: "ConfigMap".into(),
        namespaced: true,
        ..Default::default()
    }
}

fn list(names: &[&str]) -> List {
    let object = |name: &&str| Object {
        namespace: "default".into(),
        name: (*name).to_owned(),
        object: format!(r#"{{"metadata":{{"name":"{name}","resourceVersion":"7"}}}}"#).into(),
        ..Default::default()
    };
    List {
        objects: names.iter().map(object).collect(),
        resource_version: "9".into(),
        resume_token: String::new(),
    }
}

fn written(line: &str, names: &[&str]) -> String {
    let mut out = Vec::new();
    let now = Timestamp::UNIX_EPOCH;
    write(&mut out, &parse(line), &configmaps(), &list(names), now).expect("memory takes all");
    String::from_utf8(out).expect("text")
}

#[test]
fn a_table_is_as_wide_as_its_widest_row() {
    assert_eq!(
        written("cm", &["a", "a-long-name"]),
        "\
NAME          AGE         RESOURCEVERSION
a             <unknown>   7
a-long-name   <unknown>   7
"
    );
    assert_eq!(
        written("cm -A --no-headers", &["a"]),
        "default     a      <unknown>   7\n"
    );
}

#[test]
fn a_list_is_a_list_and_one_object_is_itself() {
    let json = written("cm -o json", &["a", "b"]);
    let list: serde_json::Value = serde_json::from_str(&json).expect("json");
    assert_eq!(list["kind"], "List");
    assert_eq!(list["metadata"]["resourceVersion"], "9");
    assert_eq!(list["items"][1]["metadata"]["name"], "b");
    let one: serde_json::Value =
        serde_json::from_str(&written("cm a -o json", &["a"])).expect("json");
    assert_eq!(one["metadata"]["name"], "a");
    let none: serde_json::Value = serde_json::from_str(&written("cm -o json", &[])).expect("json");
    assert_eq!(none["items"], serde_json::json!([]));
    assert_eq!(
        written("cm a -o yaml", &["a"]),
        "metadata:\n  name: a\n  resourceVersion: \"7\"\n"
    );
}

#[test]
fn lines_are_for_pipes() {
    assert_eq!(
        written("cm -o name", &["a", "b"]),
        "configmap/a\nconfigmap/b\n"
    );
    assert_eq!(
        written("cm -o jsonl", &["a"]),
        "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}\n"
    );
}

#[test]
fn says_where_nothing_was_found() {
    let table = [
        ("cm", "no resources found in namespace default"),
        ("cm -A", "no resources found"),
        ("cm -n a,b", "no resources found in namespaces a, b"),
    ];
    for (line, text) in table {
        assert_eq!(nothing(&parse(line), &configmaps()), text);
    }
}
