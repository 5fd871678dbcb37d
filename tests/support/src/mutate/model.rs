//! A random writer, and what perfectly served subscribers receive from its history.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::script::Script;
use crate::evaluate::object_key;
use crate::trace::{Commit, Filter, Rights, Run, Truth, UpstreamRequest};

/// A random history of `commits` writes: creations, updates that move objects in and out of
/// filters, deletions, re-creations under the same name, also within one step.
#[must_use]
pub fn good_truth(rng: &mut Rng, commits: usize) -> Truth {
    let mut objects: BTreeMap<(usize, usize), Value> = BTreeMap::new();
    let mut truth = Truth {
        resource: "widgets.example.com".into(),
        commits: Vec::new(),
    };
    let mut version = 100;
    for serial in 0..commits {
        version += rng.u64(1..=3);
        let place = (rng.usize(..NAMESPACES.len()), rng.usize(..6));
        let previous = objects.get(&place).cloned();
        let kept = previous
            .as_ref()
            .and_then(|old| old["metadata"]["uid"].as_str());
        let uid = match kept {
            Some(uid) if rng.u8(..20) > 0 => uid.to_owned(),
            _ => format!("uid-{serial}"),
        };
        let current = match &previous {
            Some(_) if rng.u8(..5) == 0 => None,
            _ => Some(object(rng, place, &uid, version, serial)),
        };
        let written = match &current {
            Some(value) => objects
                .insert(place, value.clone())
                .map_or(uid.clone(), |_| uid),
            None => {
                objects.remove(&place);
                kept.unwrap_or(&uid).to_owned()
            }
        };
        let (namespace, name) = (NAMESPACES[place.0].to_owned(), name(place.1));
        truth.commits.push(Commit {
            version,
            namespace,
            name,
            uid: written,
            previous,
            current,
        });
    }
    truth
}

// Chosen so that the order of `namespace/name` differs from that of namespace, then name.
const NAMESPACES: [&str; 3] = ["t1", "t1-bad", "t2"];

fn name(number: usize) -> String {
    format!("w{number}")
}

fn object(rng: &mut Rng, place: (usize, usize), uid: &str, version: u64, serial: usize) -> Value {
    let app = ["web", "api", "db"][rng.usize(..3)];
    let node = ["", "node-1", "node-2"][rng.usize(..3)];
    let metadata = json!({
        "name": name(place.1), "namespace": NAMESPACES[place.0], "uid": uid,
        "resourceVersion": version.to_string(), "labels": {"app": app, "example.com/tier": "x"},
        "managedFields": [{"manager": "writer", "fieldsV1": {"f:spec": {}}}],
        "creationTimestamp": null,
    });
    let mut value = json!({"spec": {"nodeName": node, "serial": serial, "big": 9_007_199_254_740_993_u64,
        "ratio": 0.5, "text": "<é>\n"}, "z": null, "a": [true, {}]});
    let fields = value.as_object_mut().expect("an object");
    fields.insert("metadata".into(), metadata);
    // A watch may spell these anywhere; what is delivered has them first.
    fields.insert("kind".into(), "Widget".into());
    fields.insert("apiVersion".into(), "example.com/v1".into());
    value
}

/// The filters whose subscribers a good run has.
fn filters() -> Vec<Filter> {
    let base = Filter::default;
    vec![
        base(),
        Filter {
            namespaces: vec!["t1".into(), "t2".into()],
            ..base()
        },
        Filter {
            names: vec!["w1".into(), "w2".into()],
            ..base()
        },
        Filter {
            label_selector: "app in (web,api)".into(),
            ..base()
        },
        Filter {
            field_selector: "spec.nodeName!=,metadata.namespace=t1".into(),
            ..base()
        },
        Filter {
            label_selector: "app!=db".into(),
            event_types: vec!["ADDED".into(), "DELETED".into()],
            ..base()
        },
        Filter {
            field_selector: "spec.nodeName=node-1".into(),
            event_types: vec!["MODIFIED".into(), "DELETED".into()],
            ..base()
        },
    ]
}

/// A run in which everything went as promised: for each filter, two whole streams, a drained and
/// resumed one, one from a version, one from now, one that was reset, one that lived through a
/// difference of states, one that resumed into one and one that resumed into a snapshot.
#[must_use]
pub fn good_run(seed: u64, commits: usize) -> Run {
    let mut rng = Rng::with_seed(seed);
    let truth = good_truth(&mut rng, commits);
    let versions: Vec<u64> = truth.commits.iter().map(|commit| commit.version).collect();
    let end = versions.last().map_or(0, |last| last + 5);
    let mut streams = Vec::new();
    for (number, filter) in filters().into_iter().enumerate() {
        let mut script = Script::new(&truth, filter, number, end, rng.fork());
        let mut at =
            |low: usize, high: usize| versions[rng.usize(commits * low / 8..commits * high / 8)];
        script.whole("whole-a", at(0, 3));
        script.whole("whole-b", at(0, 3));
        script.drained("drained", at(0, 2), at(3, 7));
        script.version("version", at(0, 6));
        script.now_on("now", at(1, 7));
        script.reset("reset", at(0, 2), at(3, 4), at(5, 7));
        script.resync("resync", at(0, 2), at(3, 4), at(5, 7));
        script.resumed_into_resync("resynced", at(0, 2), at(3, 4), at(5, 7));
        script.resumed_into_snapshot("late-reset", at(0, 2), at(3, 4), at(5, 7));
        streams.append(&mut script.streams);
    }
    let seconds = Duration::from_secs;
    let request = |verb: &str, started, ended| UpstreamRequest {
        resource: truth.resource.clone(),
        verb: verb.to_owned(),
        uri: format!("/apis/example.com/v1/widgets?{verb}"),
        status: 200,
        started,
        ended,
    };
    let requests = vec![
        request("list", seconds(0), Some(seconds(1))),
        request("watch", seconds(1), Some(seconds(300))),
        request("watch", seconds(300) - Duration::from_millis(20), None),
    ];
    let all = streams.iter().map(|trace| trace.subscriber.clone());
    let rights = all.map(|name| (name, Rights::default())).collect();
    Run {
        truth,
        requests,
        streams,
        rights,
        ..Run::default()
    }
}

/// One stream without a filter over a long history.
#[must_use]
pub fn long_run(seed: u64, commits: usize) -> Run {
    let mut rng = Rng::with_seed(seed);
    let truth = good_truth(&mut rng, commits);
    let last = truth.commits.last().map_or(0, |commit| commit.version);
    let mut script = Script::new(&truth, Filter::default(), 0, last, rng);
    script.whole("whole-a", 100);
    let streams = script.streams;
    Run {
        truth,
        streams,
        ..Run::default()
    }
}

/// The key of a commit's object.
pub(super) fn key_of(commit: &Commit) -> String {
    object_key(&commit.namespace, &commit.name)
}
