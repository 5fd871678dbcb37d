//! S5, S10: `authorization` headers of every wrong kind.

use fastrand::Rng;
use http::{HeaderValue, StatusCode};
use informerd::proto::v1::ListObjectsRequest;
use informerd_support::simulation::Rule;
use tokio::net::TcpStream;
use tonic::Code;

use super::{
    canary,
    cast::A,
    reviews::{Scene, maps},
    rough::{Fate, call, fate},
};
use crate::{
    conformance::scenarios,
    http2::{Http2, message},
    stage::Kind,
    subscriber::reason,
};

scenarios![access_fuzzed_credentials: "the same daemon on either"];

const LIST: &str = "/informerd.v1.ObjectService/ListObjects";
/// In every value that is not left to chance.
const MARK: &str = "mark-of-the-fuzz";
const TRIALS: usize = 1_500;

fn list() -> ListObjectsRequest {
    let ask = maps();
    ListObjectsRequest {
        resource: ask.message.resource,
        filter: ask.message.filter,
        ..ListObjectsRequest::default()
    }
}

/// Values of one header, or of several.
fn chosen(token: &str) -> Vec<Vec<Vec<u8>>> {
    let long = format!("{MARK}{}", "x".repeat(12 * 1024));
    let one = [
        "".to_owned(),
        " ".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "bearer\t".to_owned(),
        "Bearer\u{a0}".to_owned() + MARK,
        format!("Bearer{token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {MARK} {token}"),
        format!("Bearer {token} {MARK}"),
        format!("Bearer {token},{MARK}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer {token}\u{e9}"),
        format!("Bearer {MARK}"),
        format!("Bearer {long}"),
        format!("Basic {MARK}"),
        format!("Negotiate {MARK}"),
        format!("Token {token}"),
        format!("Digest username={MARK}"),
        format!("{MARK} Bearer {token}"),
        format!(", Bearer {token}"),
        "Bearer ".repeat(100) + MARK,
        token.to_owned(),
    ];
    let mut all: Vec<_> = one
        .into_iter()
        .map(|value| vec![value.into_bytes()])
        .collect();
    let good = format!("Bearer {token}").into_bytes();
    let other = format!("Bearer {MARK}").into_bytes();
    let raw = [b"Bearer \xff\xfe".to_vec(), b"\x80".to_vec()];
    all.extend(raw.map(|value| vec![value]));
    all.push(vec![good.clone(), good.clone()]);
    all.push(vec![good.clone(), other.clone()]);
    all.push(vec![other.clone(), good.clone()]);
    all.push(vec![good.clone(), b"Basic YTpi".to_vec()]);
    all.push(vec![good, Vec::new()]);
    all
}

/// A value that is none, by chance: most are near a good one.
fn random(rng: &mut Rng, token: &str) -> Vec<u8> {
    let mut value = format!("Bearer {token}").into_bytes();
    match rng.u8(..4) {
        0 => value = (0..rng.usize(..300)).map(|_| rng.u8(..)).collect(),
        1 => value.truncate(rng.usize(..value.len())),
        2 => value.insert(rng.usize(..value.len()), rng.u8(33..127)),
        _ => {
            let at = rng.usize(7..value.len());
            value[at] ^= 1 << rng.u32(..7);
        }
    }
    value
}

async fn access_fuzzed_credentials(_: Kind) {
    let scene = Scene::new(&[]).await;
    let rules = vec![Rule::read("ann", "configmaps", A)];
    scene.cluster().set_rules(rules);
    let (ann, token) = scene.user("ann").await;
    let mut honest = ann.watch(&maps()).await.expect("allowed");
    honest.snapshot().await.expect("goes on");
    let address = scene.daemon.address();
    let client = Http2::connect(address).await;
    let mut rng = Rng::with_seed(5);
    let mut trials = chosen(&token);
    trials.extend((0..TRIALS).map(|_| vec![random(&mut rng, &token)]));
    let (mut told, mut sent) = (Vec::new(), 0);
    for trial in trials {
        let mut head = client.head(LIST);
        // What HTTP itself does not allow is another matter.
        let values: Result<Vec<_>, _> = trial.iter().map(|v| HeaderValue::from_bytes(v)).collect();
        let Ok(values) = values else { continue };
        for value in values {
            head = head.header("authorization", value);
        }
        let answer = client.send(head, message(&list())).await.expect("answered");
        let status = answer.status();
        assert_eq!(
            status.code(),
            Code::Unauthenticated,
            "{trial:?}: {answer:?}"
        );
        let why = reason(&status);
        assert!(
            ["CREDENTIALS_MISSING", "CREDENTIALS_INVALID"].contains(&why.as_str()),
            "{trial:?}: {why}"
        );
        assert!(!status.message().contains(MARK), "{status:?}");
        sent += 1;
        told.push(status);
    }
    assert!(sent > TRIALS * 2 / 3, "{sent} could be sent");
    let huge = client.head(LIST);
    let huge = huge.header("authorization", format!("Bearer {}", "x".repeat(16 * 1024)));
    let answer = client.send(huge, message(&list())).await.expect("answered");
    assert_eq!(answer.http, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    for control in ["\0", "\r\n", "\n", "\x7f", "\x1b"] {
        let value = format!("Bearer {token}{control}{MARK}");
        let headers: [(&[u8], &[u8]); 7] = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", LIST.as_bytes()),
            (b":authority", b"localhost"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"authorization", value.as_bytes()),
        ];
        let socket = TcpStream::connect(address).await.expect("accepted");
        let call = call(&headers, &message(&list()));
        assert_eq!(fate(socket, &call).await, Fate::Reset, "{control:?}");
    }
    told.dedup_by_key(|status| status.message().to_owned());
    canary::unseen(&scene.daemon, &[token, MARK.to_owned()], &told).await;
    assert!(ann.list(list()).await.is_ok(), "the good one is good");
    scene.touch().await;
    assert_eq!(honest.event().await.expect("goes on").name, "one");
}
