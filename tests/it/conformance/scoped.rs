//! Namespace and cluster scopes together with selectors, case by case.

use futures::future::join_all;

use super::{
    scenarios,
    table::{Case, all_of, play},
};
use crate::{
    stage::Kind,
    world::{World, quick},
};

scenarios![k12_namespace_scoped_watch, k13_cluster_scoped_watch];

/// A pod is bound once; where an object goes from node to node it is a widget.
const PODS: Case = all_of("pods");
const WIDGETS: Case = all_of("widgets.example.com");
const NODES: Case = all_of("nodes");

/// The cases without a name asked for.
const NAMESPACED: &[Case] = &[
    Case {
        name: "t1",
        steps: &[
            ("create ns1/foo1", "ADDED"),
            ("create ns2/foo2", "ADDED"),
            ("update ns1/foo1", "MODIFIED"),
            ("update ns2/foo2", "MODIFIED"),
        ],
        ..PODS
    },
    Case {
        name: "t2",
        fields: "metadata.namespace={ns1}",
        steps: &[
            ("create ns1/foo1", "ADDED"),
            ("create ns2/foo1", ""),
            ("update ns1/foo1", "MODIFIED"),
            ("update ns2/foo1", ""),
        ],
        ..PODS
    },
    Case {
        name: "t3",
        fields: "spec.nodeName=bar1",
        steps: &[
            ("create ns1/foo1", ""),
            ("create ns2/foo2", ""),
            ("assign ns1/foo1 bar1", "ADDED"),
            ("assign ns2/foo2 bar1", "ADDED"),
        ],
        ..PODS
    },
    Case {
        name: "t4",
        fields: "spec.nodeName!=bar1",
        steps: &[
            ("create ns1/foo1", "ADDED"),
            ("create ns1/foo2", "ADDED"),
            ("update ns1/foo1", "MODIFIED"),
            ("assign ns1/foo1 bar1", "DELETED"),
        ],
        ..PODS
    },
    Case {
        name: "t5",
        namespaces: &["ns1"],
        steps: &[
            ("create ns1/foo1", "ADDED"),
            ("create ns2/foo1", ""),
            ("create ns1/foo2", "ADDED"),
            ("update ns1/foo1", "MODIFIED"),
            ("update ns2/foo1", ""),
        ],
        ..PODS
    },
    Case {
        name: "t6",
        namespaces: &["ns1"],
        fields: "metadata.namespace={ns1}",
        steps: &[
            ("create ns1/foo1", "ADDED"),
            ("create ns2/foo1", ""),
            ("update ns1/foo1", "MODIFIED"),
        ],
        ..PODS
    },
    Case {
        name: "t7",
        namespaces: &["ns1"],
        fields: "metadata.namespace={ns2}",
        steps: &[
            ("create ns1/foo1", ""),
            ("create ns2/foo1", ""),
            ("update ns1/foo1", ""),
            ("update ns2/foo1", ""),
        ],
        ..PODS
    },
    Case {
        name: "t8",
        namespaces: &["ns1"],
        fields: "spec.nodeName=bar2",
        steps: &[
            ("create ns1/foo1", ""),
            ("assign ns1/foo1 bar1", ""),
            ("assign ns2/foo1 bar2", ""),
            ("assign ns1/foo1 bar2", "ADDED"),
        ],
        ..WIDGETS
    },
    Case {
        name: "t9",
        namespaces: &["ns2"],
        fields: "spec.nodeName!=bar1",
        steps: &[
            ("create ns1/foo1", ""),
            ("create ns2/foo1", "ADDED"),
            ("assign ns2/foo1 bar1", "DELETED"),
            ("assign ns2/foo1 bar2", "ADDED"),
        ],
        ..WIDGETS
    },
];

/// The cases with a name asked for, by both means. There is no t13 and no t14.
const NAMED: &[Case] = &[
    Case {
        name: "t10",
        names: &["foo1"],
        fields: "metadata.name={foo1}",
        steps: &[
            ("create ns1/foo1", "ADDED"),
            ("create ns2/foo1", "ADDED"),
            ("create ns1/foo2", ""),
            ("update ns1/foo1", "MODIFIED"),
            ("assign ns1/foo1 bar1", "MODIFIED"),
        ],
        ..PODS
    },
    Case {
        name: "t11",
        names: &["foo1"],
        fields: "metadata.name={foo1},metadata.namespace={ns1}",
        steps: &[
            ("create ns1/foo1", "ADDED"),
            ("create ns1/foo2", ""),
            ("create ns2/foo1", ""),
            ("update ns1/foo1", "MODIFIED"),
            ("assign ns1/foo1 bar1", "MODIFIED"),
        ],
        ..PODS
    },
    Case {
        name: "t12",
        names: &["foo1"],
        fields: "metadata.name={foo1},spec.nodeName=bar1",
        steps: &[
            ("create ns1/foo1", ""),
            ("update ns1/foo1", ""),
            ("assign ns1/foo1 bar1", "ADDED"),
        ],
        ..PODS
    },
    Case {
        name: "t15",
        names: &["foo1"],
        fields: "spec.nodeName!=bar1,metadata.name={foo1}",
        steps: &[
            ("create ns1/foo1", "ADDED"),
            ("create ns1/foo2", ""),
            ("update ns1/foo1", "MODIFIED"),
            ("assign ns1/foo1 bar1", "DELETED"),
            ("assign ns1/foo1 bar2", "ADDED"),
        ],
        ..WIDGETS
    },
    Case {
        name: "t16",
        namespaces: &["ns1"],
        names: &["foo1"],
        fields: "metadata.name={foo1}",
        steps: &[
            ("create ns1/foo1", "ADDED"),
            ("create ns1/foo2", ""),
            ("update ns1/foo1", "MODIFIED"),
            ("assign ns1/foo1 bar1", "MODIFIED"),
        ],
        ..PODS
    },
    Case {
        name: "t17",
        namespaces: &["ns1"],
        names: &["foo2"],
        fields: "metadata.name={foo2},metadata.namespace={ns1}",
        steps: &[
            ("create ns1/foo1", ""),
            ("create ns1/foo2", "ADDED"),
            ("update ns1/foo1", ""),
            ("assign ns1/foo2 bar1", "MODIFIED"),
        ],
        ..PODS
    },
    Case {
        name: "t18",
        namespaces: &["ns1"],
        names: &["foo1"],
        fields: "metadata.name={foo1},metadata.namespace={ns1},spec.nodeName=bar1",
        steps: &[
            ("create ns1/foo1", ""),
            ("create ns1/foo2", ""),
            ("create ns2/foo1", ""),
            ("update ns1/foo1", ""),
            ("assign ns1/foo1 bar1", "ADDED"),
        ],
        ..PODS
    },
    Case {
        name: "t19",
        namespaces: &["ns1"],
        names: &["foo2"],
        fields: "spec.nodeName!=bar1,metadata.name={foo2},metadata.namespace={ns1}",
        steps: &[
            ("create ns1/foo1", ""),
            ("create ns2/foo2", ""),
            ("create ns1/foo2", "ADDED"),
            ("update ns1/foo2", "MODIFIED"),
            ("assign ns1/foo2 bar1", "DELETED"),
        ],
        ..PODS
    },
];

const CLUSTER_SCOPED: &[Case] = &[
    Case {
        name: "t1",
        steps: &[
            ("create foo1", "ADDED"),
            ("update foo1", "MODIFIED"),
            ("assign foo2 bar1", "ADDED"),
        ],
        ..NODES
    },
    Case {
        name: "t2",
        fields: "spec.providerID=bar1",
        steps: &[("create foo1", ""), ("assign foo1 bar1", "ADDED")],
        ..NODES
    },
    Case {
        name: "t3",
        fields: "spec.providerID!=bar1",
        steps: &[
            ("create foo1", "ADDED"),
            ("create foo2", "ADDED"),
            ("update foo1", "MODIFIED"),
            ("assign foo1 bar1", "DELETED"),
        ],
        ..NODES
    },
    Case {
        name: "t4",
        names: &["foo1"],
        fields: "metadata.name={foo1}",
        steps: &[
            ("create foo1", "ADDED"),
            ("create foo2", ""),
            ("update foo1", "MODIFIED"),
            ("update foo2", ""),
        ],
        ..NODES
    },
    Case {
        name: "t5",
        names: &["foo1"],
        fields: "metadata.name={foo1},spec.providerID=bar1",
        steps: &[
            ("create foo1", ""),
            ("create foo2", ""),
            ("update foo1", ""),
            ("update foo2", ""),
            ("assign foo1 bar1", "ADDED"),
        ],
        ..NODES
    },
    Case {
        name: "t6",
        names: &["foo1"],
        fields: "spec.providerID!=bar1,metadata.name={foo1}",
        steps: &[
            ("create foo1", "ADDED"),
            ("create foo2", ""),
            ("update foo1", "MODIFIED"),
            ("assign foo1 bar1", "DELETED"),
            ("assign foo2 bar1", ""),
        ],
        ..NODES
    },
];

/// `RunTestNamespaceScopedWatch` (storage/testing/watcher_tests.go), all 17 cases.
async fn k12_namespace_scoped_watch(kind: Kind) {
    let world = World::new(kind, "k12", &["pods", "widgets.example.com"], &[]).await;
    let namespaces = [
        ("ns1", world.namespace.clone()),
        ("ns2", world.kube.namespace("k12").await),
    ];
    let cases = NAMESPACED.iter().chain(NAMED);
    let played = join_all(cases.map(|case| play(&world, &namespaces, case))).await;
    assert_eq!(played.len(), 17);
    // Both resources have some of the cases; the fewest events are those of the widgets.
    world.finish(&quick(8)).await;
}

/// `RunTestClusterScopedWatch` (storage/testing/watcher_tests.go), all 6 cases.
async fn k13_cluster_scoped_watch(kind: Kind) {
    let world = World::new(kind, "k13", &["nodes"], &[]).await;
    let played = join_all(CLUSTER_SCOPED.iter().map(|case| play(&world, &[], case))).await;
    assert_eq!(played.len(), 6);
    let events = played.iter().sum::<usize>();
    world.finish(&quick(events as u64)).await;
}
