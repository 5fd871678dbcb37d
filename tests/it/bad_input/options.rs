//! Options out of their bounds, callers that leave early, and what is harmless.

use informerd::proto::v1::{ListObjectsRequest, Payload, WatchRequest, watch_request::Start};
use prost_types::Duration as Wire;

use super::refusal::{Call, accepted, check, invalid};
use crate::{
    conformance::scenarios,
    request::{Ask, named},
    stage::Kind,
    wait::until,
    world::{World, quick},
};

scenarios![
    b26_a_namespace_that_comes_later,
    b51_b52_times,
    b53_enums_and_sizes,
    b56_cancelled_calls_are_freed,
];

/// Row B26: a namespace that doesn't exist is an empty one.
async fn b26_a_namespace_that_comes_later(kind: Kind) {
    use informerd::proto::v1::EventType::Added;
    let world = World::new(kind, "b26", &["configmaps"], &[]).await;
    let later = format!("{}-later", world.namespace);
    let ask = Ask::of("configmaps").namespace(&later);
    let mut subscriber = world.synced("early", &ask, 0).await;
    let namespace = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": later},
    });
    world.kube.create("namespaces", "", namespace).await;
    let map = crate::kube::config_map("cm", serde_json::json!({}), serde_json::json!({}));
    let created = world.kube.create("configmaps", &later, map).await;
    subscriber
        .expect(Added, "cm", crate::kube::version(&created))
        .await;
    drop(subscriber);
    world.finish(&quick(1)).await;
}

fn seconds(seconds: i64, nanos: i32) -> Wire {
    Wire { seconds, nanos }
}

/// Rows B51 and B52.
async fn b51_b52_times(kind: Kind) {
    let world = World::new(kind, "b51", &[], &[]).await;
    let channel = world.channel();
    let watch = |bookmark_interval: Option<Wire>, timeout: Option<Wire>| {
        Call::Watch(WatchRequest {
            resource: Some(named("configmaps")),
            bookmark_interval,
            timeout,
            ..Default::default()
        })
    };
    for interval in [
        seconds(-1, 0),
        seconds(0, 999_999_999),
        seconds(0, -1),
        seconds(300, 1),
        seconds(i64::MAX, 0),
        seconds(i64::MIN, i32::MIN),
        seconds(5, -1_999_999_999),
    ] {
        let expected = invalid("INVALID_OPTION", "bookmark_interval");
        check(&channel, watch(Some(interval), None), "", expected).await;
    }
    for timeout in [
        seconds(-1, 0),
        seconds(0, -1),
        seconds(86_400, 1),
        seconds(i64::MAX, i32::MAX),
        seconds(i64::MIN, 0),
    ] {
        let expected = invalid("INVALID_OPTION", "timeout");
        check(&channel, watch(None, Some(timeout)), "", expected).await;
    }
    for (interval, timeout) in [
        (seconds(0, 0), seconds(0, 0)),
        (seconds(1, 0), seconds(86_400, 0)),
        (seconds(300, 0), seconds(1, 1)),
        (seconds(0, 1_000_000_000), seconds(0, 5)),
    ] {
        accepted(&channel, watch(Some(interval), Some(timeout))).await;
    }
    world.finish(&quick(0)).await;
}

/// Row B53, and enums of a newer or a broken client.
async fn b53_enums_and_sizes(kind: Kind) {
    let world = World::new(kind, "b53", &[], &[]).await;
    let channel = world.channel();
    let base = || WatchRequest {
        resource: Some(named("configmaps")),
        ..Default::default()
    };
    for number in [3, -1, i32::MAX] {
        let request = WatchRequest {
            on_expired: number,
            ..base()
        };
        let expected = invalid("INVALID_OPTION", "on_expired");
        check(&channel, Call::Watch(request), "", expected).await;
    }
    for view in [2, -1, i32::MIN] {
        let payload = Some(Payload {
            view,
            ..Default::default()
        });
        let request = WatchRequest { payload, ..base() };
        let expected = invalid("INVALID_PAYLOAD", "payload.view");
        check(&channel, Call::Watch(request), "", expected).await;
    }
    let list = |page_size| {
        Call::List(ListObjectsRequest {
            resource: Some(named("configmaps")),
            page_size,
            ..Default::default()
        })
    };
    for size in [5_001, u32::MAX] {
        let expected = invalid("INVALID_OPTION", "page_size");
        check(&channel, list(size), "", expected).await;
    }
    for size in [0, 1, 5_000] {
        accepted(&channel, list(size)).await;
    }
    world.finish(&quick(0)).await;
}

/// Row B56: in each phase of a stream.
async fn b56_cancelled_calls_are_freed(kind: Kind) {
    let world = World::new(kind, "b56", &["configmaps"], &[]).await;
    let version = world.create_map("cm", serde_json::json!({})).await;
    let ask = || Ask::of("configmaps").namespace(&world.namespace);
    let mut live = world.synced("live", &ask(), 1).await;
    live.quiet_until(version).await;
    let fresh = world.watch("fresh", &ask()).await;
    let waiting = ask().start(Start::ResourceVersion((version + 1_000_000).to_string()));
    let waiting = world.watch("waiting", &waiting).await;
    drop((live, fresh, waiting));
    idle(&world).await;
    world.finish(&quick(1)).await;
}

/// Waits until the daemon holds nothing of any call.
pub async fn idle(world: &World) {
    until("all calls are freed", || async {
        let streams = world.daemon.metric("informerd_streams_open", "").await;
        let requests = world.daemon.metric("informerd_requests_open", "").await;
        streams == 0.0 && requests == 0.0
    })
    .await;
}
