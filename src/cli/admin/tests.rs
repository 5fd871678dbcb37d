//! Pages as they are written.

use clap::Parser;

use super::*;
use crate::proto::v1::{
    EventType, ExplainFilterResponse, FilterAnchor, SubscriptionGroup, Upstream, UpstreamPhase,
};

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    list: ListArgs,
}

fn args(line: &str) -> ListArgs {
    let words = std::iter::once("admin").chain(line.split_whitespace());
    Cli::try_parse_from(words).expect(line).list
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> Result<(), CliError>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory takes all");
    String::from_utf8(out).expect("text")
}

fn deployments() -> GroupVersionResource {
    GroupVersionResource {
        group: "apps".into(),
        version: "v1".into(),
        resource: "deployments".into(),
    }
}

fn upstream_list(line: &str) -> String {
    let healthy = Upstream {
        resource: Some(deployments()),
        phase: UpstreamPhase::Healthy.into(),
        synced: true,
        resource_version: "900".into(),
        oldest_resource_version: "17".into(),
        epoch: "1".into(),
        silence: Some(prost_types::Duration {
            seconds: 125,
            nanos: 5,
        }),
        objects: 1_200,
        history_changes: 40,
        history_bytes: 5 << 20,
        queries: 3,
        subscriptions: 70,
        lists: 1,
        watches: 4,
        ..Default::default()
    };
    let asleep = Upstream {
        resource: Some(GroupVersionResource {
            version: "v1".into(),
            resource: "pods".into(),
            ..Default::default()
        }),
        namespace: "shop".into(),
        phase: UpstreamPhase::Asleep.into(),
        ..Default::default()
    };
    let all = [healthy, asleep];
    text(|out| list(out, &args(line), &upstreams::COLUMNS, &all, upstreams::row))
}

#[test]
fn upstreams_are_a_table() {
    assert_eq!(
        upstream_list(""),
        "\
RESOURCE              NAMESPACE   STATE     SILENCE   OBJECTS   CHANGES   BYTES   QUERIES   STREAMS
deployments.v1.apps   *           healthy   2m5s      1200      40        5.0Mi   3         70
pods                  shop        asleep              0         0         0       0         0
"
    );
    let wide = upstream_list("-o wide --no-headers");
    let cells: Vec<&str> = wide
        .lines()
        .next()
        .expect("a row")
        .split_whitespace()
        .collect();
    assert_eq!(cells[9..], ["900", "17", "1", "1", "4"]);
}

#[test]
fn upstreams_are_json() {
    let rows: serde_json::Value = serde_json::from_str(&upstream_list("-o json")).expect("json");
    assert_eq!(rows[0]["resource"], "deployments.v1.apps");
    assert_eq!(rows[0]["oldestResourceVersion"], "17");
    assert_eq!(rows[0]["silenceSeconds"], 125);
    assert_eq!(rows[1]["namespace"], "shop");
    assert_eq!(rows[1]["silenceSeconds"], serde_json::Value::Null);
}

fn filter() -> Filter {
    Filter {
        namespaces: vec!["a".into(), "b".into()],
        names: vec!["x".into()],
        label_selector: "app=web".into(),
        field_selector: "spec.nodeName=node-1".into(),
        event_types: vec![EventType::Added.into(), EventType::Deleted.into()],
    }
}

#[test]
fn subscriptions_are_told_in_the_words_of_watch() {
    let all = [
        SubscriptionGroup {
            resource: Some(deployments()),
            filter: Some(filter()),
            include_old_object: true,
            subscriptions: 2,
            log_bytes: 1_536,
        },
        SubscriptionGroup {
            resource: Some(deployments()),
            subscriptions: 1,
            ..Default::default()
        },
    ];
    let written = |line: &str| {
        text(|out| {
            list(
                out,
                &args(line),
                &subscriptions::COLUMNS,
                &all,
                subscriptions::row,
            )
        })
    };
    let table = written("-o wide");
    let words = "a,b          x -l app=web --field-selector spec.nodeName=node-1 \
                 --event-types added,deleted   2         1.5Ki   true";
    assert!(
        table.lines().nth(1).is_some_and(|row| row.ends_with(words)),
        "{table}"
    );
    let all_of_it: Vec<&str> = table
        .lines()
        .nth(2)
        .map(|row| row.split_whitespace().collect())
        .expect("a row");
    assert_eq!(
        all_of_it,
        ["deployments.v1.apps", "*", "*", "1", "0", "false"]
    );
    let rows: serde_json::Value = serde_json::from_str(&written("-o json")).expect("json");
    assert_eq!(rows[0]["filter"]["labelSelector"], "app=web");
    assert_eq!(
        rows[0]["filter"]["eventTypes"],
        serde_json::json!(["ADDED", "DELETED"])
    );
}

#[test]
fn an_explanation_tells_the_cost() {
    let answer = |anchor: FilterAnchor, term: &str| ExplainFilterResponse {
        resource: Some(deployments()),
        filter: Some(filter()),
        anchor: anchor.into(),
        anchor_term: term.into(),
        fingerprint: "00ff".into(),
        subscriptions: 3,
    };
    let told = text(|out| explain::write(out, None, &answer(FilterAnchor::Label, "app=web")));
    assert_eq!(
        told,
        "\
resource:    deployments.v1.apps
namespaces:  a,b
filter:      x -l app=web --field-selector spec.nodeName=node-1 --event-types added,deleted
found by:    label (app=web): it is looked at only for changes of objects that have this
streams:     3
fingerprint: 00ff
"
    );
    let told = text(|out| explain::write(out, None, &answer(FilterAnchor::None, "")));
    assert!(
        told.contains("found by:    nothing: it is looked at for each change"),
        "{told}"
    );
    let json = Some(explain::ExplainFormat::Json);
    let told = text(|out| explain::write(out, json, &answer(FilterAnchor::Label, "app=web")));
    let told: serde_json::Value = serde_json::from_str(&told).expect("json");
    assert_eq!(
        (&told["foundBy"], &told["term"]),
        (&"label".into(), &"app=web".into())
    );
}

#[test]
fn sizes_are_short() {
    let table = [
        (0, "0"),
        (1_023, "1023"),
        (1_024, "1.0Ki"),
        (1_536 << 10, "1.5Mi"),
        (3 << 30, "3.0Gi"),
        (u64::MAX, "16777216.0Ti"),
    ];
    for (bytes, expected) in table {
        assert_eq!(size(bytes), expected);
    }
}
