//! Unix sockets: who may connect, whose file it is, and what becomes of it.

use std::{fs, os::unix::fs::PermissionsExt as _};

use futures::StreamExt as _;
use informerd::{
    client::{Client, Step, WatchBuilder},
    proto::v1::EventType::Modified,
};
use serde_json::json;

use super::files::text;
use crate::{
    cli::run::run,
    conformance::scenarios,
    daemon::Daemon,
    request::Ask,
    stage::Kind,
    world::{World, quick},
};

scenarios![unix_sockets_carry_streams_and_survive_a_crash];

async fn unix_sockets_carry_streams_and_survive_a_crash(kind: Kind) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("grpc.sock");
    let socket = format!("unix:{}", text(&path));
    let flags = ["--listen", &socket];
    let mut world = World::new(kind, "unix", &["configmaps"], &flags).await;
    assert_eq!(world.daemon.addresses()[1], socket);
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    world.create_map("cm", json!({})).await;

    let client = Client::connect(&socket).await.expect("accepted");
    let ask = Ask::of("configmaps").namespace(&world.namespace);
    let opened = world.try_watch_on("unix", &ask, client.channel()).await;
    let mut subscriber = opened.expect("accepted");
    assert_eq!(subscriber.snapshot().await.0.len(), 1);
    let version = world.touch_map("cm", "1").await;
    subscriber.expect(Modified, "cm", version).await;
    drop(subscriber);

    let kubeconfig = world.stage.kubeconfig();
    let second = run(&[
        "serve",
        "--kubeconfig",
        &text(&kubeconfig),
        "--listen",
        &socket,
        "--admin-listen",
        "127.0.0.1:0",
    ])
    .await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.err.contains("another process listens"), "{second:?}");

    // A crash leaves the file; the next daemon takes its place, and clients come back to it.
    let watch = WatchBuilder::new("", "v1", "configmaps").namespace(&world.namespace);
    let mut steps = client.steps(watch);
    let mut versions = Vec::new();
    while versions.is_empty() {
        take(&mut versions, steps.next().await);
    }
    world.daemon.crash();
    assert!(path.exists(), "left behind");
    let next = Daemon::start(&kubeconfig, &flags).await;
    world.replace_daemon(next).await.kill();
    let last = world.touch_map("cm", "2").await;
    while versions.last() != Some(&last) {
        take(&mut versions, steps.next().await);
    }
    assert_eq!(versions, [version, last], "continued, nothing twice");
    drop((steps, client));

    world.daemon.terminate();
    let stage = world.stage.kubeconfig();
    let other = Daemon::start(&stage, &[]).await;
    let ended = world.replace_daemon(other).await;
    assert_eq!(ended.ended().await, Some(0));
    assert!(!path.exists(), "the file goes with the daemon");
    world.finish(&quick(1)).await;
}

/// Notes the version of an event of the object.
fn take(versions: &mut Vec<u64>, step: Option<Result<Step, informerd::client::CallError>>) {
    let step = step.expect("no end").expect("no failure");
    if let Step::Event(event) = step {
        assert_eq!(event.name, "cm");
        versions.push(event.resource_version.parse().expect("a number"));
    }
}
