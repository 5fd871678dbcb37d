//! Limits on connections, as flags.

use std::time::Duration;

use informerd::{client::Client, proto::v1::EventType::Modified};
use serde_json::json;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpStream, UnixStream},
};

use super::files::text;
use crate::{
    conformance::scenarios,
    request::Ask,
    stage::Kind,
    world::{World, quick},
};

scenarios![connections_are_limited_in_all_and_by_address];

async fn connections_are_limited_in_all_and_by_address(kind: Kind) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("grpc.sock");
    let socket = format!("unix:{}", text(&path));
    let flags = [
        "--listen",
        &socket,
        "--connections-per-address",
        "2",
        "--max-connections",
        "4",
    ];
    let world = World::new(kind, "limits", &["configmaps"], &flags).await;
    world.create_map("cm", json!({})).await;
    let calm = Duration::from_secs(120);
    let ask = Ask::of("configmaps")
        .namespace(&world.namespace)
        .bookmarks(calm);
    let mut subscribers = vec![world.synced("first", &ask, 1).await];
    let unix = Client::connect(&socket).await.expect("accepted");
    let others = [
        ("second", world.daemon.connect().await),
        ("unix", unix.channel()),
    ];
    for (name, channel) in others {
        let opened = world.try_watch_on(name, &ask, channel).await;
        let mut subscriber = opened.expect("accepted");
        subscriber.snapshot().await;
        subscribers.push(subscriber);
    }

    let mut third = TcpStream::connect(world.daemon.address()).await;
    let third = third.as_mut().expect("accepted by the kernel");
    assert_eq!(third.read(&mut [0]).await.expect("a clean end"), 0);
    let refused = async |limit: &str| {
        let labels = format!("limit=\"{limit}\"");
        let refused = world
            .daemon
            .metric("informerd_connections_refused_total", &labels);
        refused.await
    };
    assert_eq!(
        (refused("address").await, refused("total").await),
        (1.0, 0.0)
    );
    let _fourth = UnixStream::connect(&path).await.expect("accepted");
    let mut fifth = UnixStream::connect(&path).await.expect("accepted");
    assert_eq!(fifth.read(&mut [0]).await.expect("a clean end"), 0);
    assert_eq!(
        (refused("address").await, refused("total").await),
        (1.0, 1.0)
    );

    let version = world.touch_map("cm", "1").await;
    for subscriber in &mut subscribers {
        subscriber.expect(Modified, "cm", version).await;
    }
    drop((subscribers, unix));
    world.finish(&quick(3)).await;
}
