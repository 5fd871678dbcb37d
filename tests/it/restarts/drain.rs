//! SIGTERM: streams are sent away in good order, and continue at another daemon.

use std::time::Duration;

use informerd::proto::v1::{
    EventType::Modified, StartOutcome, WatchResponse, frame::Frame,
    watch_service_client::WatchServiceClient,
};
use serde_json::json;
use tonic::{Code, Status, Streaming, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use super::MAPS;
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    kube,
    request::Ask,
    stage::Kind,
    subscriber::{Subscriber, reason},
    wait::until,
    world::{World, quick},
};

scenarios![
    r4_terminated_daemon_drains,
    r4_who_comes_after_sigterm_is_served,
];

/// Readiness goes first, then each stream is told, gets its position and ends with UNAVAILABLE; the
/// process ends with 0. All continue at another daemon.
async fn r4_terminated_daemon_drains(kind: Kind) {
    let mut world = World::new(kind, "r4", &[MAPS], &[]).await;
    let large = json!({"text": "x".repeat(400_000)});
    let large = kube::config_map("large", json!({}), large);
    world.kube.create(MAPS, &world.namespace, large).await;
    world.create_map("small", json!({"size": "small"})).await;
    // They are read one after the other.
    let ask = Ask::of(MAPS).namespace(&world.namespace).labels("size");
    let ask = ask.bookmarks(Duration::from_secs(120));
    let mut streams = Vec::new();
    for at in 0..20 {
        streams.push(world.synced(&format!("stream-{at}"), &ask, 1).await);
    }
    let changed = world.touch_map("small", "1").await;
    for stream in &mut streams {
        stream.expect(Modified, "small", changed).await;
    }
    // Somebody who reads slowly keeps the process alive, so that its pages can be looked at.
    let slow = unread(&world).await;
    assert_eq!(world.daemon.page("/readyz").await.0, 200);

    world.daemon.terminate();
    let mut delays = Vec::new();
    for stream in &mut streams {
        let delay = draining(stream).await;
        delays.push(delay);
        assert_eq!(world.daemon.page("/readyz").await.0, 503);
        let status = last_bookmark(stream, changed).await;
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(reason(&status), "DRAINING");
        let retry = status.get_error_details().retry_info().cloned();
        let retry = retry.and_then(|retry| retry.retry_delay);
        assert_eq!(retry, Some(delay), "the same as the Draining frame told");
    }
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 10, "not all come back at once: {delays:?}");
    assert_eq!(world.daemon.page("/livez").await.0, 200);

    let other = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    let drained = world.replace_daemon(other).await;
    drop(slow);
    assert_eq!(drained.ended().await, Some(0));
    let later = world.touch_map("small", "2").await;
    for ended in streams {
        let resumed = ask.clone().token(&ended.token());
        let mut stream = world.watch(&ended.name, &resumed).await;
        assert_eq!(stream.started().await.outcome(), StartOutcome::Resumed);
        stream.expect(Modified, "small", later).await;
    }
    let required = ["DRAINING", "END UNAVAILABLE DRAINING", "STARTED RESUMED"];
    let mut expectation = quick(60).requiring(&required);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// While load balancers still send clients here, they are served as ever; then they are sent away
/// like those who were there before, and the process ends.
async fn r4_who_comes_after_sigterm_is_served(kind: Kind) {
    let flags = ["--drain-accept", "15s", "--drain", "60s"];
    let mut world = World::new(kind, "r4-late", &[MAPS], &flags).await;
    world.create_map("cm", json!({})).await;
    // One event at a time, and no bookmarks in between.
    let calm = Duration::from_secs(120);
    let ask = Ask::of(MAPS).namespace(&world.namespace).bookmarks(calm);
    let mut streams = vec![world.synced("before", &ask, 1).await];

    world.daemon.terminate();
    until("it is not ready any more", || async {
        world.daemon.page("/readyz").await.0 == 503
    })
    .await;
    for at in 0..20 {
        let channel = world.daemon.connect().await;
        let opened = world
            .try_watch_on(&format!("late-{at}"), &ask, channel)
            .await;
        let mut stream = opened.expect("served");
        assert_eq!(stream.snapshot().await.0.len(), 1);
        streams.push(stream);
    }
    let mut health = HealthClient::new(world.daemon.connect().await);
    let state = health.check(HealthCheckRequest::default()).await;
    let state = state.expect("answered").into_inner().status();
    assert_eq!(state, ServingStatus::NotServing);
    let changed = world.touch_map("cm", "1").await;
    for stream in &mut streams {
        stream.expect(Modified, "cm", changed).await;
    }
    for stream in &mut streams {
        draining(stream).await;
        let status = last_bookmark(stream, changed).await;
        assert_eq!(reason(&status), "DRAINING");
    }
    drop(streams);
    let other = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    let drained = world.replace_daemon(other).await;
    assert_eq!(drained.ended().await, Some(0));
    world.finish(&quick(21)).await;
}

/// The delay of the Draining frame.
async fn draining(stream: &mut Subscriber) -> Duration {
    loop {
        match stream.frame().await {
            Frame::Draining(draining) => {
                let delay = draining.reconnect_delay.expect("a delay");
                return delay.try_into().expect("not negative");
            }
            Frame::Bookmark(_) => {}
            other => panic!("{}: {other:?}", stream.name),
        }
    }
}

/// A bookmark, and then the end.
async fn last_bookmark(stream: &mut Subscriber, at_least: u64) -> Status {
    match stream.frame().await {
        Frame::Bookmark(bookmark) => {
            let version = crate::subscriber::number(&bookmark.resource_version);
            assert!(version >= at_least, "{}: {version}", stream.name);
        }
        other => panic!("{}: {other:?}", stream.name),
    }
    let name = stream.name.clone();
    match stream.next().await {
        Err(status) => status,
        Ok(frame) => panic!("{name}: after the last bookmark: {frame:?}"),
    }
}

/// A stream with more to say than its window takes, which nobody reads.
async fn unread(world: &World) -> Streaming<WatchResponse> {
    let endpoint = Endpoint::from_shared(format!("http://{}", world.daemon.address()));
    let endpoint = endpoint
        .expect("an address")
        .initial_stream_window_size(65_535);
    let channel = endpoint.connect().await;
    let mut client = WatchServiceClient::new(channel.expect("connected"));
    let all = Ask::of(MAPS).namespace(&world.namespace);
    let opened = client.watch(all.message).await;
    opened.expect("accepted").into_inner()
}
