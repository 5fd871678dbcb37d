//! Calls that are wrong below the level of messages, or carry more than this release knows.

use bytes::Bytes;
use http::StatusCode;
use informerd::proto::v1::{GetObjectRequest, ListObjectsRequest, WatchRequest};
use prost::Message as _;
use tonic::Code;

use super::refusal::{Refusal, invalid, judge, refused};
use crate::{
    conformance::scenarios,
    http2::{Answer, Http2, framed, message},
    request::{duration, named},
    stage::Kind,
    wait::until,
    world::{World, quick},
};

scenarios![
    b1_unknown_methods,
    b2_other_content_types,
    b3_b9_undecodable_messages,
    b4_large_messages,
    b5_b7_compression,
    b50_the_last_start_counts,
    b55_deadlines_end_calls,
    messages_that_never_come,
    b62_unknown_fields_are_ignored,
    b63_odd_metadata,
    b63_oversized_metadata,
];

const WATCH: &str = "/informerd.v1.WatchService/Watch";
const GET: &str = "/informerd.v1.ObjectService/GetObject";
const LIST: &str = "/informerd.v1.ObjectService/ListObjects";
const RESOURCES: &str = "/informerd.v1.ResourceService/ListResources";

fn assert_refused(answer: &Answer, expected: Refusal) {
    assert_eq!(answer.http, StatusCode::OK, "{answer:?}");
    let status = answer.status();
    judge(&status, "", expected).unwrap_or_else(|wrong| panic!("{wrong}: {status:?}"));
}

/// A watch that ends by itself, soon.
fn short_watch() -> WatchRequest {
    WatchRequest {
        resource: Some(named("configmaps")),
        timeout: Some(duration(std::time::Duration::from_millis(1))),
        ..Default::default()
    }
}

fn list() -> ListObjectsRequest {
    ListObjectsRequest {
        resource: Some(named("configmaps")),
        ..Default::default()
    }
}

/// Row B1.
async fn b1_unknown_methods(kind: Kind) {
    let world = World::new(kind, "b1", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    for path in [
        "/",
        "/informerd.v1.WatchService",
        "/informerd.v1.WatchService/",
        "/informerd.v1.WatchService/watch",
        "/informerd.v1.WatchService/Watch/",
        "/informerd.v1.WatchService/Unwatch",
        "/informerd.v1.ObjectService/DeleteObject",
        "/informerd.v1.ResourceService/x",
        "/informerd.v2.WatchService/Watch",
        "/nobody.Knows/Me",
        "/%2e%2e/%00",
    ] {
        let answer = client
            .send(client.head(path), message(&short_watch()))
            .await;
        let answer = answer.expect(path);
        assert_refused(&answer, refused(Code::Unimplemented, "UNKNOWN_METHOD"));
    }
    world.finish(&quick(0)).await;
}

/// Row B2: the gRPC specification's 415.
async fn b2_other_content_types(kind: Kind) {
    let world = World::new(kind, "b2", &[], &[]).await;
    let address = world.daemon.address();
    let client = Http2::connect(address).await;
    let rows = [
        (None, 415),
        (Some("text/html"), 415),
        (Some("application/json"), 415),
        (Some("application/grpcx"), 415),
        (Some("application/grpc-web"), 415),
        (Some("application/grpc"), 200),
        (Some("application/grpc+proto"), 200),
        (Some("application/grpc;charset=utf-8"), 200),
    ];
    for (content_type, expected) in rows {
        let mut head = http::Request::post(format!("http://{address}{LIST}"));
        if let Some(content_type) = content_type {
            head = head.header("content-type", content_type);
        }
        let answer = client.send(head, message(&list())).await.expect("answered");
        assert_eq!(answer.http.as_u16(), expected, "{content_type:?}");
    }
    world.finish(&quick(0)).await;
}

/// Rows B3, B8 and B9.
async fn b3_b9_undecodable_messages(kind: Kind) {
    let world = World::new(kind, "b3", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    let good = short_watch().encode_to_vec();
    // 150 groups inside one another, in a field that nobody knows.
    let nested = [0xa3, 0x06].repeat(150);
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("random", vec![0xff; 40]),
        ("cut short", good[..good.len() - 1].to_vec()),
        (
            "a string in the place of a message",
            vec![0x0a, 0x02, 0xff, 0xff],
        ),
        ("a wrong wire type", vec![0x08, 0x01]),
        ("a length beyond the end", vec![0x0a, 0x7f]),
        (
            "an endless varint",
            vec![0x08; 1].into_iter().chain(vec![0xff; 11]).collect(),
        ),
        ("field number 0", vec![0x00, 0x00]),
        ("nested groups", nested),
        ("no utf-8", vec![0x0a, 0x05, 0x1a, 0x03, b'p', 0xff, 0xfe]),
    ];
    let expected = invalid("MALFORMED_MESSAGE", "message");
    for (what, bytes) in &bad {
        for path in [WATCH, GET, LIST] {
            let answer = client.send(client.head(path), framed(false, bytes)).await;
            let answer = answer.expect(what);
            let status = answer.status();
            assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
            assert_refused(&answer, expected);
        }
    }
    for (what, body) in [
        ("nothing", Bytes::new()),
        ("half a prefix", Bytes::from_static(&[0, 0, 0])),
        ("half a message", framed(false, &good).slice(..good.len())),
    ] {
        for path in [WATCH, GET, LIST] {
            let answer = client.send(client.head(path), body.clone()).await;
            let answer = answer.expect(what);
            let status = answer.status();
            assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
            assert_refused(&answer, expected);
        }
    }
    world.finish(&quick(0)).await;
}

/// Row B4.
async fn b4_large_messages(kind: Kind) {
    let world = World::new(kind, "b4", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    let padded = |bytes: usize| {
        // A field of text that this release doesn't know.
        let mut message = list().encode_to_vec();
        let length = bytes - message.len() - 5;
        message.extend([0xa2, 0x06]);
        prost::encoding::encode_varint(length as u64, &mut message);
        message.resize(bytes, b'x');
        framed(false, &message)
    };
    for path in [WATCH, GET, LIST, RESOURCES] {
        let body = padded(64 * 1024 + 1);
        let answer = client.send(client.head(path), body).await.expect(path);
        assert_refused(&answer, refused(Code::OutOfRange, "MESSAGE_TOO_LARGE"));
    }
    let largest = client.send(client.head(LIST), padded(64 * 1024)).await;
    assert_eq!(largest.expect("answered").status().code(), Code::Ok);
    // A length that is only claimed costs nothing.
    let claim = Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
    for path in [WATCH, GET, LIST] {
        let answer = client.send(client.head(path), claim.clone()).await;
        let answer = answer.expect(path);
        assert_refused(&answer, refused(Code::OutOfRange, "MESSAGE_TOO_LARGE"));
    }
    world.finish(&quick(0)).await;
}

/// Rows B5 to B7.
async fn b5_b7_compression(kind: Kind) {
    let world = World::new(kind, "b5", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    for path in [WATCH, GET, LIST] {
        for encoding in ["gzip", "zstd", "snappy", "nonsense"] {
            let head = client.head(path).header("grpc-encoding", encoding);
            let body = framed(true, &[0x1f, 0x8b, 8, 0]);
            let answer = client.send(head, body).await.expect(path);
            assert_refused(&answer, refused(Code::Unimplemented, "COMPRESSION"));
            let accepted = answer.headers.get("grpc-accept-encoding");
            assert_eq!(accepted.map(|v| v.as_bytes()), Some(&b"identity"[..]));
        }
        // The gRPC specification asks for INTERNAL here, nowhere else.
        let body = framed(true, &list().encode_to_vec());
        let answer = client.send(client.head(path), body).await.expect(path);
        assert_refused(&answer, refused(Code::Internal, "COMPRESSION"));
    }
    let head = client.head(LIST).header("grpc-encoding", "identity");
    let answer = client.send(head, message(&list())).await.expect("answered");
    assert_eq!(answer.status().code(), Code::Ok);
    world.finish(&quick(0)).await;
}

/// Row B50: on the wire two members of a oneof are legal, and the last one is meant.
async fn b50_the_last_start_counts(kind: Kind) {
    use informerd::proto::v1::watch_request::Start;
    let world = World::new(kind, "b50", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    let start = |start| {
        WatchRequest {
            start: Some(start),
            ..Default::default()
        }
        .encode_to_vec()
    };
    // Once there is a state a short watch can begin.
    let listed = client.send(client.head(LIST), message(&list())).await;
    assert_eq!(listed.expect("answered").status().code(), Code::Ok);
    let base = short_watch().encode_to_vec();
    let token = start(Start::ResumeToken("no token".into()));
    let now = start(Start::Now(Default::default()));
    let fine = [base.clone(), token.clone(), now.clone()].concat();
    let answer = client.send(client.head(WATCH), framed(false, &fine)).await;
    assert_eq!(answer.expect("answered").status().code(), Code::Ok);
    let bad = [base, now, token].concat();
    let answer = client.send(client.head(WATCH), framed(false, &bad)).await;
    let expected = super::refusal::invalid("TOKEN_INVALID", "resume_token");
    assert_refused(&answer.expect("answered"), expected);
    world.finish(&quick(0)).await;
}

/// Row B55: the server keeps a caller's deadline too, in a stream as in a wait.
async fn b55_deadlines_end_calls(kind: Kind) {
    let world = World::new(kind, "b55", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    let mut endless = short_watch();
    endless.timeout = None;
    let ahead = ListObjectsRequest {
        min_resource_version: "1000000000000".into(),
        ..list()
    };
    for (path, body) in [(WATCH, message(&endless)), (LIST, message(&ahead))] {
        let head = client.head(path).header("grpc-timeout", "300m");
        let answer = client.send(head, body).await.expect(path);
        let expected = refused(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        assert_refused(&answer, expected);
    }
    super::options::idle(&world).await;
    world.finish(&quick(0)).await;
}

/// A call of headers alone, which would hold its place and what it was let in by.
async fn messages_that_never_come(kind: Kind) {
    let world = World::new(kind, "never", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    let calls = [WATCH, GET, LIST, RESOURCES].map(|path| client.send_head(client.head(path)));
    for answer in futures::future::join_all(calls).await {
        let answer = answer.expect("answered");
        assert_refused(&answer, refused(Code::DeadlineExceeded, "MESSAGE_LATE"));
    }
    super::options::idle(&world).await;
    world.finish(&quick(0)).await;
}

/// Row B62.
async fn b62_unknown_fields_are_ignored(kind: Kind) {
    let world = World::new(kind, "b62", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    // Field 100 as varint, as 64 bit, as text, as 32 bit.
    let unknown: [&[u8]; 4] = [
        &[0xa0, 0x06, 0x07],
        &[0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xa2, 0x06, 0x03, b'n', b'e', b'w'],
        &[0xa5, 0x06, 1, 2, 3, 4],
    ];
    let get = GetObjectRequest {
        resource: Some(named("namespaces")),
        name: "default".into(),
        ..Default::default()
    };
    let mut watch = short_watch();
    // Time enough for a first state.
    watch.timeout = Some(duration(std::time::Duration::from_secs(5)));
    for (path, known) in [
        (WATCH, watch.encode_to_vec()),
        (LIST, list().encode_to_vec()),
        (GET, get.encode_to_vec()),
        (RESOURCES, Vec::new()),
    ] {
        let body = [known, unknown.concat()].concat();
        let answer = client.send(client.head(path), framed(false, &body)).await;
        let answer = answer.expect(path);
        assert_eq!(answer.status().code(), Code::Ok, "{path}: {answer:?}");
        assert!(!answer.body.is_empty(), "{path} said nothing");
    }
    world.finish(&quick(0)).await;
}

/// Row B63: metadata that nobody asked for changes nothing.
async fn b63_odd_metadata(kind: Kind) {
    let world = World::new(kind, "b63", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    let rows: [&[(&str, &str)]; 9] = [
        &[("grpc-timeout", "99999999H")],
        &[("grpc-timeout", "1H"), ("grpc-timeout", "2H")],
        &[("grpc-timeout", "soon")],
        &[("grpc-timeout", "")],
        &[("grpc-timeout", "999999999999999999999999S")],
        &[("x-remote-user", "system:masters")],
        &[("authorization", "Bearer nonsense")],
        &[("trace-bin", "%%% no base64 %%%")],
        &[
            ("user-agent", ""),
            ("grpc-accept-encoding", "gzip, nonsense"),
        ],
    ];
    for headers in rows {
        let mut head = client.head(LIST);
        for (name, value) in headers {
            head = head.header(*name, *value);
        }
        let answer = client.send(head, message(&list())).await.expect("answered");
        assert_eq!(answer.status().code(), Code::Ok, "{headers:?}: {answer:?}");
    }
    world.finish(&quick(0)).await;
}

/// Row B63: too much of it is refused before anything is read of it.
async fn b63_oversized_metadata(kind: Kind) {
    let world = World::new(kind, "b63-large", &[], &[]).await;
    let client = Http2::connect(world.daemon.address()).await;
    let large = client.head(LIST).header("large", "x".repeat(20_000));
    let answer = client.send(large, message(&list())).await;
    let http = answer.expect("answered").http;
    assert_eq!(http, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let answer = client.send(client.head(LIST), message(&list())).await;
    assert_eq!(
        answer.expect("the connection lives").status().code(),
        Code::Ok
    );

    let mut flood = client.head(LIST);
    for number in 0..1_000 {
        flood = flood.header(format!("flood-{number}"), "x".repeat(1_000));
    }
    if let Ok(answer) = client.send(flood, message(&list())).await {
        assert_eq!(answer.http, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    until("new connections are served", || async {
        let client = Http2::connect(world.daemon.address()).await;
        let answer = client.send(client.head(LIST), message(&list())).await;
        answer.is_ok_and(|answer| answer.status().code() == Code::Ok)
    })
    .await;
    world.finish(&quick(0)).await;
}
