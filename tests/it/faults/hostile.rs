//! S6: hostile clients of every kind, over TLS, while a thousand honest streams get everything.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::future::{BoxFuture, join_all};
use informerd::proto::v1::EventType::Modified;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    conformance::scenarios,
    raw::{
        CONTINUATION, DATA, GOAWAY, HEADERS, PING, PRIORITY, Raw, SETTINGS, WINDOW_UPDATE,
        endless_headers, frame, lying_request, open_request, request, reset,
    },
    request::Ask,
    stage::Kind,
    subscriber::Subscriber,
    tls::{
        certificates::Authority,
        files::{Mounted, NAMES, borrowed},
    },
    wait::until,
    world::{World, quick},
};

scenarios![s6_hostile_clients_beside_honest_streams];

const MAPS: &str = "configmaps";
const CONNECTIONS: usize = 10;
const STREAMS: usize = 100;
/// Bookmarks for streams that aren't read all the time, so that silence isn't taken for one.
const CALM: Duration = Duration::from_secs(120);
/// How often each attack must have come to its end before the test does. Each round waits for the
/// deadline of handshakes.
fn rounds(kind: Kind) -> u32 {
    match kind {
        Kind::Simulated => 3,
        Kind::Real | Kind::Installed { .. } => 1,
    }
}

/// One round of an attack, from its connection to its end.
type Attack = fn(Arc<World>, Arc<Mounted>) -> BoxFuture<'static, ()>;

/// An attack as an entry of the table.
macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), (|world, mounted| Box::pin($name(world, mounted))) as Attack)),*]
    };
}

async fn s6_hostile_clients_beside_honest_streams(kind: Kind) {
    let root = Authority::new("root");
    let mounted = Arc::new(Mounted::new(&root.server(&NAMES), &root, &root));
    let flags = mounted.flags();
    let world = Arc::new(World::new(kind, "s6", &[MAPS], &borrowed(&flags)).await);
    world.create_map("cm", json!({})).await;
    let mut honest = open_all(&world).await;

    let attacks = attacks![
        rapid_reset,
        forced_resets,
        endless_continuation,
        pings,
        settings,
        empty_data,
        priorities,
        huge_headers,
        one_byte_at_a_time,
        garbage,
        silence_in_tls,
        silence_before_http2,
    ];
    let mut attackers = JoinSet::new();
    let counts: Vec<_> = attacks
        .map(|(name, attack)| {
            let count = Arc::new(AtomicU32::new(0));
            let (world, mounted, rounds) = (world.clone(), mounted.clone(), count.clone());
            attackers.spawn(async move {
                loop {
                    attack(world.clone(), mounted.clone()).await;
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
            (name, count)
        })
        .into();
    let mut step = 0;
    while step < 5
        || counts
            .iter()
            .any(|(_, count)| count.load(Ordering::Relaxed) < rounds(kind))
    {
        assert!(step < 500, "an attack never ends: {counts:?}");
        step += 1;
        let version = world.touch_map("cm", &step.to_string()).await;
        let told = honest
            .iter_mut()
            .map(|each| each.expect(Modified, "cm", version));
        join_all(told).await;
    }
    attackers.shutdown().await;
    let bitten = world
        .daemon
        .metric("informerd_connections_dropped_total", "reason=\"flood\"");
    assert!(bitten.await >= f64::from(3 * rounds(kind)), "{counts:?}");
    drop(honest);
    until("nothing is left of the attackers", || async {
        let open = world.daemon.metric("informerd_connections_open", "").await;
        // The world's own, and those that wait for the end of their handshake.
        open <= 1.0
    })
    .await;
    let world = Arc::into_inner(world).expect("the attackers are gone");
    world.finish(&quick(5_000)).await;
}

/// All honest streams, each behind its snapshot.
async fn open_all(world: &World) -> Vec<Subscriber> {
    let ask = Ask::of(MAPS).namespace(&world.namespace).bookmarks(CALM);
    let mut all = Vec::new();
    for connection in 0..CONNECTIONS {
        let channel = world.daemon.connect().await;
        for at in 0..STREAMS {
            let name = format!("honest-{connection}-{at}");
            let opened = world.try_watch_on(&name, &ask, channel.clone()).await;
            all.push(opened.expect("accepted"));
        }
    }
    for subscriber in &mut all {
        assert_eq!(subscriber.snapshot().await.0.len(), 1);
    }
    all
}

/// Sends a flood and reads until the server hangs up.
async fn flood(world: Arc<World>, mounted: Arc<Mounted>, begin: Vec<u8>, flood: Vec<u8>) {
    let mut raw = Raw::over(mounted.dial(&world.daemon).await, &[]).await;
    raw.send(&begin).await;
    raw.send(&flood).await;
    while raw.next().await.is_some_and(|frame| frame.kind != GOAWAY) {}
}

fn rapid_reset(world: Arc<World>, mounted: Arc<Mounted>) -> impl Future<Output = ()> {
    let bytes = (0..2_000).flat_map(|n| [request(2 * n + 1, "/"), reset(2 * n + 1)].concat());
    flood(world, mounted, Vec::new(), bytes.collect())
}

fn forced_resets(world: Arc<World>, mounted: Arc<Mounted>) -> impl Future<Output = ()> {
    let bytes = (0..2_000).flat_map(|n| lying_request(2 * n + 1));
    flood(world, mounted, Vec::new(), bytes.collect())
}

fn endless_continuation(world: Arc<World>, mounted: Arc<Mounted>) -> impl Future<Output = ()> {
    // A literal header of 1,000 bytes, never indexed.
    let header = [&[0x10, 1, b'a', 0x7f, 0xe9, 0x06][..], &[b'x'; 1_000]].concat();
    let more = frame(CONTINUATION, 0, 1, &header).repeat(1_000);
    flood(world, mounted, endless_headers(1), more)
}

fn pings(world: Arc<World>, mounted: Arc<Mounted>) -> impl Future<Output = ()> {
    let bytes = frame(PING, 0, 0, &[0; 8]).repeat(20_000);
    flood(world, mounted, Vec::new(), bytes)
}

fn settings(world: Arc<World>, mounted: Arc<Mounted>) -> impl Future<Output = ()> {
    let bytes = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(20_000);
    flood(world, mounted, Vec::new(), bytes)
}

fn priorities(world: Arc<World>, mounted: Arc<Mounted>) -> impl Future<Output = ()> {
    let bytes = frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 9]).repeat(20_000);
    flood(world, mounted, Vec::new(), bytes)
}

fn empty_data(world: Arc<World>, mounted: Arc<Mounted>) -> impl Future<Output = ()> {
    let begin = open_request(1, "/informerd.v1.WatchService/Watch");
    flood(world, mounted, begin, frame(DATA, 0, 1, &[]).repeat(20_000))
}

/// One request after the other whose headers are larger than they may be.
async fn huge_headers(world: Arc<World>, mounted: Arc<Mounted>) {
    let stream = mounted.dial(&world.daemon).await;
    let (mut sender, connection) = h2::client::handshake(stream).await.expect("http/2");
    let driver = tokio::spawn(connection);
    for _ in 0..20 {
        let request = http::Request::post("https://localhost/informerd.v1.WatchService/Watch")
            .header("large", "x".repeat(20_000))
            .body(())
            .expect("valid");
        sender = sender.ready().await.expect("open");
        let (answer, _) = sender.send_request(request, true).expect("open");
        let status = answer.await.expect("answered").status();
        assert_eq!(status, http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        let _: &h2::client::SendRequest<bytes::Bytes> = &sender;
    }
    driver.abort();
}

/// Takes an answer byte by byte, each with a frame of its own.
async fn one_byte_at_a_time(world: Arc<World>, mounted: Arc<Mounted>) {
    let stream = mounted.dial(&world.daemon).await;
    let mut raw = Raw::over(stream, &[(4, 1)]).await;
    let mut taken = 0;
    raw.send(&calling(1)).await;
    while taken < 50 {
        let frame_in = raw.next().await.expect("the stream is served");
        if frame_in.kind == DATA {
            assert!(frame_in.payload.len() <= 1, "{frame_in:?}");
            taken += frame_in.payload.len();
            let one = 1u32.to_be_bytes();
            raw.send(&frame(WINDOW_UPDATE, 0, 1, &one)).await;
        }
    }
}

/// A call of the reflection service, which answers with much more than a byte.
fn calling(stream: u32) -> Vec<u8> {
    let literal = |name: &[u8], value: &[u8]| {
        let len = |text: &[u8]| u8::try_from(text.len()).expect("short");
        [&[0, len(name)], name, &[len(value)], value].concat()
    };
    let block = [
        vec![0x83, 0x87],
        literal(b":authority", b"localhost"),
        literal(
            b":path",
            b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ),
        literal(b"content-type", b"application/grpc"),
        literal(b"te", b"trailers"),
    ];
    // ServerReflectionRequest { list_services: "" }
    let message = [0, 0, 0, 0, 2, 0x3a, 0];
    [
        frame(HEADERS, 4, stream, &block.concat()),
        frame(DATA, 0, stream, &message),
    ]
    .concat()
}

/// Something that is no HTTP/2, inside TLS.
async fn garbage(world: Arc<World>, mounted: Arc<Mounted>) {
    let mut stream = mounted.dial(&world.daemon).await;
    let _ = stream.write_all(&[0xa5; 4_096]).await;
    let _ = stream.flush().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Connections that begin a handshake and leave it at that.
async fn silence_in_tls(world: Arc<World>, _: Arc<Mounted>) {
    let mut silent = Vec::new();
    for _ in 0..50 {
        let mut socket = TcpStream::connect(world.daemon.address())
            .await
            .expect("accepted");
        let _ = socket.write_all(&[0x16, 3, 1, 1]).await;
        silent.push(socket);
    }
    // They are let go by the server, at its deadline at the latest.
    let _ = silent[0].read_to_end(&mut Vec::new()).await;
}

/// The same behind a complete handshake.
async fn silence_before_http2(world: Arc<World>, mounted: Arc<Mounted>) {
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(mounted.dial(&world.daemon).await);
    }
    let _ = silent[0].read_to_end(&mut Vec::new()).await;
}
