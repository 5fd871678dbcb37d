//! One object that comes into a predicate and goes out of it, beside a namespace whose name begins
//! the same.

use futures::future::join_all;
use serde_json::json;

use super::{
    scenarios,
    table::{Case, all_of, play},
};
use crate::{
    stage::Kind,
    world::{World, quick},
};

scenarios![k14_watch];

const PODS: Case = all_of("pods");
/// A pod is marked before it goes, with a change of its own; what is deleted is a widget.
const WIDGETS: Case = all_of("widgets.example.com");

const CASES: &[Case] = &[
    Case {
        name: "create",
        steps: &[("create bad/foo", ""), ("create ns/foo", "ADDED")],
        ..PODS
    },
    Case {
        name: "into",
        fields: "spec.nodeName=bar",
        steps: &[
            ("assign bad/foo bar", ""),
            ("create ns/foo", ""),
            ("assign ns/foo bar", "ADDED"),
        ],
        ..PODS
    },
    Case {
        name: "update",
        steps: &[
            ("create bad/foo", ""),
            ("create ns/foo", "ADDED"),
            ("assign ns/foo bar", "MODIFIED"),
        ],
        ..PODS
    },
    Case {
        name: "out",
        fields: "spec.nodeName!=bar",
        steps: &[
            ("create bad/foo", ""),
            ("create ns/foo", "ADDED"),
            ("assign ns/foo bar", "DELETED"),
        ],
        ..PODS
    },
    Case {
        name: "chain",
        labels: "select=true",
        steps: &[
            ("create bad/foo", ""),
            ("select bad/foo", ""),
            ("create ns/foo", ""),
            ("select ns/foo", "ADDED"),
            ("unselect ns/foo", "DELETED"),
            ("select ns/foo", "ADDED"),
            ("assign ns/foo bar", "MODIFIED"),
            ("delete ns/foo", "DELETED"),
        ],
        ..WIDGETS
    },
];

/// `RunTestWatch` (storage/testing/watcher_tests.go), for a single key and for all below it, with
/// the trap that `test-bad` begins like `test`.
async fn k14_watch(kind: Kind) {
    let world = World::new(kind, "k14", &["pods", "widgets.example.com"], &[]).await;
    for names in [&["foo"][..], &[]] {
        let namespace = world.kube.namespace("k14").await;
        let bad = format!("{namespace}-bad");
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": bad}});
        world.kube.create("namespaces", "", object).await;
        let namespaces = [("ns", namespace), ("bad", bad)];
        let cases = CASES.iter().map(|case| Case {
            namespaces: &["ns"],
            names,
            ..*case
        });
        let cases: Vec<Case> = cases.collect();
        join_all(cases.iter().map(|case| play(&world, &namespaces, case))).await;
    }
    // Of pods and of widgets.
    world.finish(&quick(10)).await;
}
