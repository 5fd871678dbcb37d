//! Faults inside of an open watch.

use std::collections::BTreeMap;

use informerd::proto::v1::EventType::Deleted;
use informerd_support::simulation::{Action, Disruption};
use serde_json::{Value, json};

use super::storm::{Asked, MAPS, Row, Storm, first_watch, line, next_watch, play};
use crate::{conformance::scenarios, request::Ask, stage::Kind, world::quick};

scenarios![
    f1_f2_watch_breaks_in_the_middle_of_a_line,
    f3_f4_f5_bad_line,
    f4_bad_lines_at_one_position,
    f6_event_without_identity,
    f15_events_come_again,
    f16_versions_go_back,
    f16_events_change_places,
    f18_f19_position_expired,
    f26_error_inside_of_the_stream,
];

/// Nothing but one more watch: no subscriber can tell.
const UNSEEN: &[&str] = &["RESYNC", "RESET", "DEGRADED"];
/// Explicit to subscribers, and never an end or a new start.
const UNBROKEN: &[&str] = &["RESET", "STARTED RESUMED"];

const CONTINUED: Asked = Asked {
    syncs: 1,
    continued: 1,
};
const SYNCED_AGAIN: Asked = Asked {
    syncs: 2,
    continued: 0,
};

/// A row whose fault is healed by a watch from the last good version.
fn unseen(name: &'static str, disruption: Disruption) -> Row {
    Row {
        name,
        faults: vec![first_watch(8, disruption)],
        asked: CONTINUED,
        shows: &[],
        hides: UNSEEN,
        counted: &["reflector_restarts"],
    }
}

/// F1, F2: the partial line is discarded, the watch goes on from the last complete one.
async fn f1_f2_watch_breaks_in_the_middle_of_a_line(kind: Kind) {
    let rows = vec![
        unseen("f1-reset", Disruption::Reset),
        unseen("f2-abort", Disruption::Abort),
        unseen("f2-cut", Disruption::CutMidLine),
    ];
    play(kind, rows).await;
}

/// F3, F4, F5: behind a line that can't be read hides a change, so nothing after it counts.
async fn f3_f4_f5_bad_line(kind: Kind) {
    let bad = |name, line: &'static [u8]| {
        let mut row = unseen(name, Disruption::line(line));
        row.counted = &["reflector_malformed_lines"];
        row
    };
    let mut torn = unseen("f3-torn", Disruption::TornLine);
    torn.counted = &["reflector_malformed_lines"];
    let rows = vec![
        torn,
        bad(
            "f4-utf8",
            b"{\"type\":\"ADDED\",\"object\":{\"a\":\"\xff\xfe\"}}",
        ),
        bad("f4-nul", b"\0\0\0"),
        bad("f4-garbage", b"upstream connect error"),
        bad(
            "f5-type",
            br#"{"type":"WHATEVER","object":{"metadata":{"name":"x","resourceVersion":"1"}}}"#,
        ),
    ];
    play(kind, rows).await;
}

/// F4: three bad lines at one position, and the whole state is fetched anew.
async fn f4_bad_lines_at_one_position(kind: Kind) {
    let again = || next_watch(Action::stream(Disruption::line("garbage")));
    let rows = vec![Row {
        name: "f4-three",
        faults: vec![
            first_watch(8, Disruption::line("garbage")),
            again(),
            again(),
        ],
        asked: Asked {
            syncs: 2,
            continued: 2,
        },
        shows: &["RESYNC", "DEGRADED", "HEALTHY"],
        hides: UNBROKEN,
        counted: &["reflector_malformed_lines"],
    }];
    play(kind, rows).await;
}

/// F6: an event that doesn't tell what or when leads to a new state and an honest difference.
async fn f6_event_without_identity(kind: Kind) {
    let row = |name, object| Row {
        name,
        faults: vec![first_watch(8, Disruption::line(line("MODIFIED", &object)))],
        asked: SYNCED_AGAIN,
        shows: &["DEGRADED", "HEALTHY"],
        hides: UNBROKEN,
        counted: &["reflector_malformed_lines"],
    };
    let head = |metadata| json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata});
    let rows = vec![
        row(
            "f6-metadata",
            json!({"kind": "ConfigMap", "apiVersion": "v1"}),
        ),
        row("f6-version", head(json!({"name": "o-1", "namespace": "a"}))),
        row(
            "f6-name",
            head(json!({"resourceVersion": "5", "namespace": "a"})),
        ),
        row(
            "f6-number",
            head(json!({"name": "o-1", "namespace": "a", "resourceVersion": 5})),
        ),
    ];
    play(kind, rows).await;
}

/// F15 (etcd-io/etcd#15271): events that were seen are dropped, inside of a stream and at the
/// start of a new one.
async fn f15_events_come_again(kind: Kind) {
    let mut repeated = unseen("f15-repeated", Disruption::Replay(1));
    repeated.asked.continued = 0;
    repeated.counted = &["reflector_duplicates"];
    play(kind, vec![repeated]).await;

    let mut storm = Storm::brew(kind, "f15-reconnected", &[]).await;
    let old = storm.cluster.objects_at(MAPS, storm.cluster.revision());
    let old: Vec<_> = old
        .expect("not compacted")
        .iter()
        .map(|o| line("MODIFIED", o).into())
        .collect();
    let count = old.len();
    storm.cluster.inject(first_watch(8, Disruption::End));
    storm
        .cluster
        .inject(next_watch(Action::stream(Disruption::Lines(old))));
    storm.subscribe().await;
    storm.blow();
    storm.struck().await;
    storm.caught_up().await;
    let dropped = storm
        .world
        .daemon
        .metric("informerd_reflector_duplicates_total", "configmaps")
        .await;
    assert!(dropped >= count as f64, "{dropped} of {count}");
    let calm = storm.calm(&quick(50)).await;
    assert_eq!(calm.asked, CONTINUED);
    calm.without(UNSEEN);
}

/// F16: versions that go back inside of one stream are a desync, also if nothing was lost.
async fn f16_versions_go_back(kind: Kind) {
    let rows = vec![Row {
        name: "f16",
        faults: vec![first_watch(8, Disruption::Replay(3))],
        asked: SYNCED_AGAIN,
        shows: &["DEGRADED", "HEALTHY"],
        hides: UNBROKEN,
        counted: &["reflector_restarts"],
    }];
    play(kind, rows).await;
}

/// F16: two events change places. The second one was told before the disorder showed, so that
/// the first one comes late, as part of the difference; in the end everyone holds the truth.
async fn f16_events_change_places(kind: Kind) {
    let mut storm = Storm::brew(kind, "f16-swapped", &[]).await;
    storm.cluster.inject(first_watch(8, Disruption::Swap));
    let mut all = storm.world.watch("all", &Ask::of(MAPS)).await;
    let mut held = BTreeMap::new();
    for object in all.snapshot().await.0 {
        held.insert((object.namespace, object.name), object.resource_version);
    }
    storm.gust(12);
    storm.struck().await;
    storm.asked(SYNCED_AGAIN).await;
    // The difference is over before anything that is written now.
    storm.caught_up().await;
    storm.gust(12);
    for event in all.events_until(storm.cluster.revision()).await {
        let key = (event.namespace.clone(), event.name.clone());
        match event.r#type() {
            Deleted => held.remove(&key),
            _ => held.insert(key, event.resource_version),
        };
    }
    let truth = storm.cluster.objects_at(MAPS, storm.cluster.revision());
    let text = |object: &Value, field: &str| {
        object["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let truth: BTreeMap<_, _> = truth
        .expect("not compacted")
        .iter()
        .map(|o| {
            (
                (text(o, "namespace"), text(o, "name")),
                text(o, "resourceVersion"),
            )
        })
        .collect();
    assert_eq!(held, truth);
    assert_eq!(Asked::of(&storm.world.requests(MAPS)), SYNCED_AGAIN);
}

/// F18, F19: 410 inside of the stream and as HTTP status. One new state, whose difference live
/// streams get as events of cause RESYNC; at most two watches before it.
async fn f18_f19_position_expired(kind: Kind) {
    let expired = || Disruption::error(410, "Expired", "too old resource version: 1 (9)");
    let slow = || super::refusals::slow_sync();
    let row = |name, faults, continued| Row {
        name,
        faults,
        asked: Asked {
            syncs: 2,
            continued,
        },
        shows: &["RESYNC"],
        hides: UNBROKEN,
        counted: &["reflector_restarts"],
    };
    let refused = Action::status(410, "Expired", "too old resource version: 1 (9)");
    let rows = vec![
        row("f18", vec![first_watch(8, expired()), slow()], 0),
        row(
            "f19",
            vec![first_watch(8, Disruption::End), next_watch(refused), slow()],
            1,
        ),
    ];
    play(kind, rows).await;
}

/// F26: "etcdserver: no leader" inside of the stream is no reason for a new state.
async fn f26_error_inside_of_the_stream(kind: Kind) {
    let error = |text| Disruption::error(500, "InternalError", text);
    let rows = vec![
        unseen("f26-leader", error("etcdserver: no leader")),
        unseen("f26-storage", error("rpc error: code = Unavailable")),
    ];
    play(kind, rows).await;
}
