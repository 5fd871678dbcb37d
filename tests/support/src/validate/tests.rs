//! Cases that random runs don't hold: gaps without a trace, rewinds, stragglers, replacements.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Expectation, validate_all};
use crate::evaluate::expected_events;
use crate::trace::{
    Commit, Event, Filter, Frame, Gap, Run, Start, StreamTrace, Truth, UpstreamRequest,
};

fn object(name: &str, uid: &str, version: u64) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": name, "uid": uid, "resourceVersion": version.to_string()}})
}

/// A history from lines of version, name, uid before and uid after.
fn truth(lines: &[(u64, &str, &str, &str)]) -> Truth {
    let mut last = std::collections::HashMap::new();
    let commits = lines.iter().map(|(version, name, before, after)| {
        let previous = last.remove(*name);
        assert_eq!(
            previous.is_some(),
            !before.is_empty(),
            "the line at {version} is consistent"
        );
        let current = (!after.is_empty()).then(|| object(name, after, *version));
        if let Some(value) = &current {
            last.insert(*name, value.clone());
        }
        let uid = if after.is_empty() { before } else { after };
        Commit {
            version: *version,
            namespace: String::new(),
            name: (*name).to_owned(),
            uid: (*uid).to_owned(),
            previous,
            current,
        }
    });
    Truth {
        resource: "pods".into(),
        commits: commits.collect(),
    }
}

/// The events of `truth` in these versions, without tokens.
fn events(truth: &Truth, versions: std::ops::RangeInclusive<u64>) -> Vec<Frame> {
    let all = expected_events(truth, &Filter::default());
    let inside = all
        .into_iter()
        .filter(|event| versions.contains(&event.version));
    let frame = inside.map(|event| {
        Frame::Event(Event {
            kind: event.kind.into(),
            cause: event.cause.into(),
            namespace: event.namespace,
            name: event.name,
            uid: event.uid,
            version: event.version,
            token: String::new(),
            object: event.object.to_string(),
            old_object: String::new(),
        })
    });
    frame.collect()
}

fn started(outcome: &str, epoch: &str) -> Frame {
    Frame::Started {
        outcome: outcome.into(),
        epoch: epoch.into(),
    }
}

fn bookmark(version: u64) -> Frame {
    Frame::Bookmark {
        version,
        token: format!("t{version}"),
    }
}

fn snapshot_end(version: u64, count: u64) -> Frame {
    Frame::SnapshotEnd {
        version,
        token: format!("t{version}"),
        count,
    }
}

fn stream(start: Start, frames: Vec<Frame>) -> StreamTrace {
    StreamTrace {
        subscriber: "reader".into(),
        filter: Filter::default(),
        start,
        bookmark_interval: Duration::from_secs(1),
        frames: frames
            .into_iter()
            .map(|frame| (Duration::ZERO, frame))
            .collect(),
        end: None,
        timeout: None,
        ended: None,
    }
}

fn broken(run: &Run, expectation: &Expectation) -> Vec<&'static str> {
    validate_all(run, expectation).map_or_else(|report| report.guarantees(), |_| vec![])
}

fn none_needed() -> Expectation {
    Expectation {
        min_events: 0,
        ..Expectation::default()
    }
}

#[test]
fn what_came_and_went_may_be_absent_in_a_known_gap_only() {
    let truth = truth(&[
        (1, "a", "", "1"),
        (4, "b", "", "2"),
        (6, "b", "2", ""),
        (9, "c", "", "3"),
    ]);
    let mut frames = vec![started("RESUMED", "e")];
    frames.append(&mut events(&truth, 1..=1));
    frames.append(&mut events(&truth, 9..=9));
    let mut run = Run {
        streams: vec![stream(Start::Version(0), frames)],
        truth,
        ..Run::default()
    };
    assert_eq!(
        broken(&run, &none_needed()),
        ["G1 complete", "G8 no silent loss"]
    );
    run.gaps = vec![Gap { from: 2, to: 7 }];
    assert_eq!(broken(&run, &none_needed()), [""; 0]);
    run.gaps = vec![Gap { from: 2, to: 5 }];
    assert_eq!(
        broken(&run, &none_needed()),
        ["G1 complete", "G8 no silent loss"]
    );
    run.gaps = vec![Gap { from: 5, to: 7 }];
    assert_eq!(
        broken(&run, &none_needed()),
        ["G1 complete", "G8 no silent loss"]
    );
}

#[test]
fn a_rewind_is_judged_by_the_history_of_its_epoch() {
    let old = truth(&[(1, "a", "", "1"), (5, "b", "", "2")]);
    let new = truth(&[(1, "a", "", "1"), (3, "c", "", "3")]);
    let mut frames = vec![started("RESUMED", "e1")];
    frames.append(&mut events(&old, 1..=5));
    frames.push(Frame::Reset {
        reason: "REWOUND".into(),
        epoch: "e2".into(),
    });
    for frame in events(&new, 1..=3) {
        let Frame::Event(event) = frame else {
            unreachable!("only events were asked for")
        };
        frames.push(Frame::Event(Event {
            cause: "SNAPSHOT".into(),
            ..event
        }));
    }
    frames.push(snapshot_end(4, 2));
    let mut run = Run {
        streams: vec![stream(Start::Version(0), frames)],
        truth: new,
        rewound: vec![old],
        ..Run::default()
    };
    assert_eq!(broken(&run, &none_needed()), [""; 0]);
    run.rewound.clear();
    assert!(broken(&run, &none_needed()).contains(&"G14 epoch"));
}

#[test]
fn a_replaced_object_goes_before_its_successor_comes() {
    let truth = truth(&[(1, "a", "", "1"), (5, "a", "1", "2")]);
    let mut frames = vec![started("RESUMED", "e")];
    frames.append(&mut events(&truth, 1..=5));
    let mut run = Run {
        streams: vec![stream(Start::Version(0), frames)],
        truth,
        ..Run::default()
    };
    assert_eq!(broken(&run, &none_needed()), [""; 0]);
    let mut early = run.clone();
    if let Frame::Event(event) = &mut early.streams[0].frames[2].1 {
        event.token = "t5".into();
    }
    assert_eq!(broken(&early, &none_needed()), ["G7 resumable"]);
    run.streams[0].frames.swap(2, 3);
    assert!(broken(&run, &none_needed()).contains(&"G2 ordered"));
}

#[test]
fn a_reader_left_behind_is_seen_when_all_must_have_caught_up() {
    let truth = truth(&[(1, "a", "", "1"), (5, "b", "", "2")]);
    let mut frames = vec![started("RESUMED", "e")];
    frames.append(&mut events(&truth, 1..=1));
    let run = Run {
        streams: vec![stream(Start::Version(0), frames)],
        truth,
        ..Run::default()
    };
    assert_eq!(broken(&run, &none_needed()), [""; 0]);
    let strict = Expectation {
        caught_up: true,
        ..none_needed()
    };
    assert_eq!(broken(&run, &strict), ["G16 delete fidelity"]);
}

#[test]
fn an_idle_resumed_stream_must_not_claim_what_it_did_not_deliver() {
    let truth = truth(&[(1, "a", "", "1"), (5, "b", "", "2")]);
    let frames = |last| vec![started("RESUMED", "e"), bookmark(last)];
    let run = |last| Run {
        streams: vec![stream(Start::Version(1), frames(last))],
        truth: truth.clone(),
        ..Run::default()
    };
    assert_eq!(broken(&run(4), &none_needed()), [""; 0]);
    let found = broken(&run(5), &none_needed());
    assert!(
        found.contains(&"G9 bookmark") && found.contains(&"G1 complete"),
        "{found:?}"
    );
}

#[test]
fn a_token_that_nobody_received_is_no_position() {
    let truth = truth(&[(1, "a", "", "1")]);
    let frames = vec![started("RESUMED", "e"), bookmark(4)];
    let streams = vec![stream(Start::Token("made-up".into()), frames)];
    let run = Run {
        streams,
        truth,
        ..Run::default()
    };
    assert_eq!(broken(&run, &none_needed()), ["G7 resumable"]);
}

#[test]
fn watches_may_overlap_while_a_broken_connection_is_being_noticed() {
    let watch = |started, ended| UpstreamRequest {
        resource: "pods".into(),
        verb: "watch".into(),
        uri: "/api/v1/pods?watch=1".into(),
        status: 200,
        started: Duration::from_millis(started),
        ended: Some(Duration::from_millis(ended)),
    };
    let run = |requests| Run {
        requests,
        ..Run::default()
    };
    let good = run(vec![watch(0, 1900), watch(1000, 3000), watch(3000, 3100)]);
    assert_eq!(broken(&good, &none_needed()), [""; 0]);
    let bad = run(vec![watch(0, 2100), watch(1000, 3000)]);
    assert_eq!(broken(&bad, &none_needed()), ["G13 one upstream"]);
    let replicas = Expectation {
        watches: 2,
        ..none_needed()
    };
    assert_eq!(broken(&bad, &replicas), [""; 0]);
}

#[test]
fn each_namespace_may_have_a_watch_where_namespaces_are_served() {
    let watch = |namespace: &str| UpstreamRequest {
        resource: "pods".into(),
        verb: "watch".into(),
        uri: format!("/api/v1/namespaces/{namespace}/pods?watch=1"),
        status: 200,
        started: Duration::ZERO,
        ended: None,
    };
    let judged = |requests: &[&str], collections| {
        let run = Run {
            requests: requests.iter().map(|namespace| watch(namespace)).collect(),
            ..Run::default()
        };
        let expectation = Expectation {
            collections,
            ..none_needed()
        };
        broken(&run, &expectation)
    };
    assert_eq!(judged(&["a", "b"], 2), [""; 0]);
    assert_eq!(judged(&["a", "b", "c"], 2), ["G13 one upstream"]);
    assert_eq!(judged(&["a", "a"], 2), ["G13 one upstream"]);
}

// The difference stands for the state at 7, where "a" is at 7 and comes after "b"; the reader has
// left before it came.
#[test]
fn an_object_that_has_left_the_filter_stands_where_it_was_last_written() {
    let truth = truth(&[
        (1, "a", "", "u"),
        (2, "b", "", "u"),
        (3, "a", "u", ""),
        (4, "a", "", "w"),
        (5, "b", "u", ""),
        (6, "b", "", "w"),
        (7, "a", "w", "w"),
    ]);
    let difference = |name: &str, version: u64| {
        let gone = Frame::Event(Event {
            kind: "DELETED".into(),
            cause: "RESYNC".into(),
            namespace: String::new(),
            name: name.into(),
            uid: "u".into(),
            version,
            token: String::new(),
            object: object(name, "u", version).to_string(),
            old_object: String::new(),
        });
        let mut stream = stream(Start::Version(2), vec![started("RESYNCED", "e"), gone]);
        stream.filter.field_selector = "metadata.uid=u".into();
        let run = Run {
            streams: vec![stream],
            truth: truth.clone(),
            ..Run::default()
        };
        broken(&run, &none_needed())
    };
    assert_eq!(difference("b", 6), [""; 0]);
    assert_eq!(difference("a", 4), [""; 0]);
    assert_ne!(difference("b", 7), [""; 0]);
}
