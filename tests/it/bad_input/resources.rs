//! What is no resource, and resources that can't be watched here.

use informerd::proto::v1::{GetObjectRequest, GroupVersionResource};
use tonic::Code;

use super::refusal::{Call, Refusal, check, invalid, refused};
use crate::{
    conformance::scenarios,
    request::named,
    stage::Kind,
    world::{World, quick},
};

scenarios![
    b15_resource_is_required,
    b17_unknown_resources_and_their_neighbours,
    b18_kinds_and_short_names_are_no_plurals,
    b19_hostile_names_never_reach_a_url,
    b20_b21_unwatchable_and_disabled,
];

fn gvr(group: &str, version: &str, resource: &str) -> GroupVersionResource {
    GroupVersionResource {
        group: group.into(),
        version: version.into(),
        resource: resource.into(),
    }
}

/// Row B15.
async fn b15_resource_is_required(kind: Kind) {
    let world = World::new(kind, "b15", &[], &[]).await;
    let channel = world.channel();
    let missing = invalid("INVALID_RESOURCE", "resource");
    for call in [
        Call::Watch(Default::default()),
        Call::Get(Default::default()),
        Call::List(Default::default()),
    ] {
        check(&channel, call, "", missing).await;
    }
    for call in Call::about(&gvr("apps", "v1", "")) {
        let empty = invalid("INVALID_RESOURCE", "resource.resource");
        check(&channel, call, "", empty).await;
    }
    world.finish(&quick(0)).await;
}

/// Row B17, and that the text helps on.
async fn b17_unknown_resources_and_their_neighbours(kind: Kind) {
    let world = World::new(kind, "b17", &[], &[]).await;
    let channel = world.channel();
    let unknown = refused(Code::NotFound, "RESOURCE_NOT_SERVED");
    let rows = [
        (gvr("", "", "podz"), "pods"),
        (gvr("", "", "configmap-s"), "configmaps"),
        (gvr("apps", "v1", "deploymints"), "deployments.apps"),
        (gvr("", "v9", "pods"), "pods/v9"),
        (gvr("nobody.example.com", "", "pods"), "pods.nobody"),
        (gvr("apps", "v9", "deployments"), "deployments.apps/v9"),
        (gvr("", "", "zzzzzz"), "zzzzzz"),
    ];
    for (resource, hint) in rows {
        for call in Call::about(&resource) {
            let text = check(&channel, call, &resource.resource, unknown).await;
            assert!(text.contains(hint), "{text} lacks {hint}");
        }
    }
    world.finish(&quick(0)).await;
}

/// Row B18: a hint instead of a guess.
async fn b18_kinds_and_short_names_are_no_plurals(kind: Kind) {
    let world = World::new(kind, "b18", &[], &[]).await;
    let channel = world.channel();
    let expected = invalid("INVALID_RESOURCE", "resource.resource");
    let rows = [
        ("", "Pod", "pods"),
        ("", "pod", "pods"),
        ("", "po", "pods"),
        ("", "Pods", "pods"),
        ("", "PODS", "pods"),
        ("", "ConfigMap", "configmaps"),
        ("", "cm", "configmaps"),
        ("apps", "Deployment", "deployments"),
        ("apps", "deploy", "deployments"),
        ("apps", "DEPLOYMENTS", "deployments"),
    ];
    for (group, written, plural) in rows {
        for call in Call::about(&gvr(group, "", written)) {
            let text = check(&channel, call, written, expected).await;
            let hint = format!("write {plural:?}");
            assert!(text.contains(&hint), "{written}: {text}");
        }
    }
    world.finish(&quick(0)).await;
}

/// Row B19: whatever is no name is refused before anyone is asked about it.
async fn b19_hostile_names_never_reach_a_url(kind: Kind) {
    let world = World::new(kind, "b19", &[], &[]).await;
    let channel = world.channel();
    // Discovery is done; from here on no call may ask for anything.
    check_known(&world).await;
    let before = requests(&world);
    let long = "a".repeat(10_000);
    let label = "a".repeat(64);
    let hostile = [
        "pods/log",
        "pods/status",
        "../secrets",
        "..",
        "pods?watch=1",
        "pods#",
        "%2e%2e",
        "pods%2fstatus",
        "pods\0",
        "pods\r\nhost: elsewhere",
        "\u{202e}sdop",
        "pøds",
        "-pods",
        "pods-",
        "pods ",
        "po ds",
        "pods.apps",
        long.as_str(),
        label.as_str(),
    ];
    for text in hostile {
        let rows = [
            (gvr("", "", text), "resource.resource"),
            (gvr("", text, "pods"), "resource.version"),
            (gvr(text, "", "pods"), "resource.group"),
        ];
        for (resource, field) in rows {
            // A dot is fine in a group.
            if field == "resource.group" && text == "pods.apps" {
                continue;
            }
            for call in Call::about(&resource) {
                check(&channel, call, text, invalid("INVALID_RESOURCE", field)).await;
            }
        }
    }
    assert_eq!(requests(&world), before, "asked upstream on hostile input");
    world.finish(&quick(0)).await;
}

/// Makes sure that discovery has been read.
async fn check_known(world: &World) {
    let request = GetObjectRequest {
        resource: Some(named("pods")),
        ..Default::default()
    };
    let expected: Refusal = invalid("INVALID_NAME", "name");
    check(&world.channel(), Call::Get(request), "", expected).await;
}

/// What a simulated cluster was asked for; nothing is known of a real one.
fn requests(world: &World) -> Vec<String> {
    let cluster = world.stage.simulated();
    let requests = cluster.map(|cluster| cluster.requests());
    requests
        .unwrap_or_default()
        .into_iter()
        .map(|request| request.uri)
        .collect()
}

/// Rows B20 and B21.
async fn b20_b21_unwatchable_and_disabled(kind: Kind) {
    let world = World::new(kind, "b20", &[], &[]).await;
    let channel = world.channel();
    let unwatchable = refused(Code::FailedPrecondition, "NOT_WATCHABLE");
    let disabled = refused(Code::PermissionDenied, "RESOURCE_DISABLED");
    let mut rows = vec![("componentstatuses", unwatchable), ("secrets", disabled)];
    if kind == Kind::Real {
        rows.push(("tokenreviews.authentication.k8s.io", unwatchable));
        rows.push(("subjectaccessreviews.authorization.k8s.io", unwatchable));
    }
    for (resource, expected) in rows {
        for call in Call::about(&named(resource)) {
            check(&channel, call, resource, expected).await;
        }
    }
    world.finish(&quick(0)).await;

    let narrow = World::new(kind, "b21", &[], &["--resources", "secrets"]).await;
    for call in Call::about(&named("configmaps")) {
        check(&narrow.channel(), call, "configmaps", disabled).await;
    }
    let list = v_list("secrets");
    super::refusal::accepted(&narrow.channel(), list).await;
    narrow.finish(&quick(0)).await;
}

fn v_list(resource: &str) -> Call {
    Call::List(informerd::proto::v1::ListObjectsRequest {
        resource: Some(named(resource)),
        ..Default::default()
    })
}
