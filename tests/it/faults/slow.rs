//! Subscribers that don't read: they lose their own stream and nobody else's.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use informerd::proto::v1::{EventType::Added, frame::Frame};
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpStream;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::storm::{FIRST, MAPS, Storm};
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    request::Ask,
    stage::Kind,
    subscriber::reason,
    wait::until,
    world::{World, quick},
};

scenarios![f57_client_stops_reading, f58_fifty_readers_that_do_not_read];

/// What a stalled stream may hold, in bytes: less than what exists already.
const WINDOW: u32 = 1024;

/// An HTTP/2 connection with a small window for each stream, which it gives back late or never.
pub(super) struct Lazy {
    requests: SendRequest<Bytes>,
    _connection: tokio::task::JoinHandle<()>,
}

impl Lazy {
    pub(super) async fn connect(daemon: &Daemon) -> Self {
        let socket = TcpStream::connect(daemon.address())
            .await
            .expect("accepted");
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW);
        builder.initial_connection_window_size(1 << 20);
        let (requests, connection) = builder.handshake(socket).await.expect("an HTTP/2 server");
        let connection = tokio::spawn(async move {
            // How it ends is seen by its streams.
            let _ = connection.await;
        });
        Self {
            requests,
            _connection: connection,
        }
    }

    /// Asks and takes the head of the answer.
    pub(super) async fn watch(&mut self, ask: &Ask) -> h2::RecvStream {
        let request = Request::post("http://informerd/informerd.v1.WatchService/Watch")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a request");
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u32(u32::try_from(ask.message.encoded_len()).expect("short"));
        ask.message.encode(&mut message).expect("room for it");
        let requests = self.requests.clone().ready().await;
        self.requests = requests.expect("an open connection");
        let sent = self.requests.send_request(request, false);
        let (response, mut body) = sent.expect("an open connection");
        body.send_data(message.freeze(), true)
            .expect("an open stream");
        response.await.expect("accepted").into_body()
    }
}

/// Reads the rest of a message that a stall has cut, and the status behind it.
async fn ended(mut body: h2::RecvStream) -> Status {
    while let Some(data) = body.data().await {
        let length = data.expect("it ends by a status, not by a reset").len();
        let given = body.flow_control().release_capacity(length);
        given.expect("an open stream");
    }
    let trailers: Option<HeaderMap> = body.trailers().await.expect("an end");
    let status = trailers.and_then(|trailers| Status::from_header_map(&trailers));
    status.expect("a status")
}

/// Reads a stalled stream to its end without giving window back: there is no place for a status
/// inside a message, so it is reset. Gives the reason, and how many bytes had come.
async fn cut(mut body: h2::RecvStream) -> (Option<h2::Reason>, usize) {
    let mut read = 0;
    loop {
        match body.data().await.expect("a reset before the end") {
            Ok(data) => read += data.len(),
            Err(reset) => return (reset.reason(), read),
        }
    }
}

fn slow_consumer(status: &Status) {
    assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
    assert_eq!(reason(status), "SLOW_CONSUMER");
    let details = status.get_error_details();
    let retry = details.retry_info().and_then(|retry| retry.retry_delay);
    assert!(retry.is_some_and(|delay| !delay.is_zero()), "{details:?}");
    assert!(status.message().contains("resume"), "{}", status.message());
}

async fn stalled(world: &World, streams: u32) {
    let name = "informerd_streams_stalled_total";
    until("the daemon gives up on those who don't read", || async {
        world.daemon.metric(name, "").await >= f64::from(streams)
    })
    .await;
}

/// F57: cut after the stall limit; whoever takes the rest of the message then gets a status that
/// says what to do. The others go on, and the token from before continues the stream.
async fn f57_client_stops_reading(kind: Kind) {
    let mut storm = Storm::brew(kind, "f57", &["--stall-limit", "20s"]).await;
    let ask = Ask::of(MAPS);
    let before = storm.world.synced("reader", &ask, FIRST).await;
    let token = before.token();
    drop(before);
    storm.subscribe().await;
    storm.blow();
    let mut lazy = Lazy::connect(&storm.world.daemon).await;
    let body = lazy.watch(&ask).await;
    stalled(&storm.world, 1).await;
    slow_consumer(&ended(body).await);
    let mut resumed = storm.world.watch("reader", &ask.token(&token)).await;
    let now = storm.cluster.revision();
    resumed.events_until(now).await;
    drop(resumed);
    let wanted = ["STARTED RESUMED"];
    let calm = storm.calm(&quick(50).requiring(&wanted)).await;
    calm.without(&["RESET", "RESYNC"]);
    assert_eq!((calm.asked.syncs, calm.asked.continued), (1, 0));
}

/// F58 (`RunTestWatcherTimeout`): 50 that don't read and one that does; it gets all 22 creations
/// in order.
async fn f58_fifty_readers_that_do_not_read(kind: Kind) {
    let storm = Storm::brew(kind, "f58", &["--stall-limit", "1s"]).await;
    let world = &storm.world;
    // It isn't read while the others are waited for.
    let ask = Ask::of(MAPS).bookmarks(Duration::from_secs(10));
    let mut reader = world.synced("reader", &ask, FIRST).await;
    let mut bodies = Vec::new();
    for _ in 0..5 {
        let mut lazy = Lazy::connect(&world.daemon).await;
        for _ in 0..10 {
            bodies.push(lazy.watch(&Ask::of(MAPS)).await);
        }
    }
    for number in 0..22 {
        let name = format!("created-{number}");
        let created = world.create_map(&name, json!({})).await;
        reader.expect(Added, &name, created).await;
    }
    let ending = async {
        stalled(world, 50).await;
        futures::future::join_all(bodies.into_iter().map(cut)).await
    };
    let reading = async {
        loop {
            let frame = reader.frame().await;
            assert!(!matches!(frame, Frame::Event(_)), "{frame:?}");
        }
    };
    let ends = tokio::select! {
        ends = ending => ends,
        () = reading => unreachable!("it reads for ever"),
    };
    for (reason, read) in ends {
        // RESOURCE_EXHAUSTED in the words of the gRPC specification.
        assert_eq!(reason, Some(h2::Reason::ENHANCE_YOUR_CALM));
        assert!(read <= WINDOW as usize, "{read}");
    }
    let last = world.create_map("last", json!({})).await;
    reader.expect(Added, "last", last).await;
    drop(reader);
    let calm = storm.judge(&quick(22)).await;
    assert_eq!((calm.asked.syncs, calm.asked.continued), (1, 0));
}
