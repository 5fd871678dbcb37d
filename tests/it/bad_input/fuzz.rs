//! S5, F72: thousands of wrong tokens, on a few connections, beside streams that want nothing.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fastrand::Rng;
use futures::{StreamExt as _, stream};
use informerd::proto::v1::{
    EventType::Modified, ListObjectsRequest, OnExpired, WatchRequest, watch_request::Start,
};
use serde_json::json;
use tonic::{Code, transport::Channel};

use super::positions::{Forger, genuine};
use crate::{
    conformance::scenarios,
    http2::{Http2, message},
    request::{Ask, named},
    stage::Kind,
    subscriber::reason,
    world::{World, quick},
};

scenarios![s5_f72_fuzzed_tokens: "the same daemon on either"];

const CONNECTIONS: usize = 4;
/// Few: each ends with those that wait for positions of the future.
const ROUNDS: usize = 4;
/// Calls of one round, and of them at once.
const CALLS: usize = 2_500;
const AT_ONCE: usize = 64;
/// What a daemon may come to hold after the first of them, in KiB: its allocator's slack.
const GROWTH: u64 = 16 * 1024;
/// How calls with tokens that were made up may end: `docs/protocol.md`.
const ALLOWED: [(Code, &str); 6] = [
    (Code::Ok, ""),
    (Code::InvalidArgument, "TOKEN_INVALID"),
    (Code::InvalidArgument, "TOKEN_MISMATCH"),
    (Code::OutOfRange, "RESOURCE_EXPIRED"),
    (Code::OutOfRange, "EPOCH_CHANGED"),
    (Code::OutOfRange, "RESOURCE_VERSION_TOO_LARGE"),
];

/// Makes tokens of those that there are.
struct Mill {
    rng: Rng,
    tokens: Vec<String>,
}

impl Mill {
    async fn new(channel: &Channel) -> Self {
        let tokens = vec![
            genuine(channel, "configmaps", "").await,
            genuine(channel, "configmaps", "a=b").await,
            genuine(channel, "pods", "").await,
        ];
        Self {
            rng: Rng::with_seed(72),
            tokens,
        }
    }

    fn text(&mut self) -> String {
        self.tokens[self.rng.usize(..self.tokens.len())].clone()
    }

    fn flipped(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let at = self.rng.usize(..bytes.len());
        bytes[at] ^= 1 << self.rng.u32(..8);
        bytes
    }

    fn noise(&mut self) -> Vec<u8> {
        let length = self.rng.usize(..200);
        (0..length).map(|_| self.rng.u8(..)).collect()
    }

    /// With a checksum that fits.
    fn forged(&mut self) -> String {
        let mut forger = Forger::new(&self.text());
        match self.rng.u8(..4) {
            0 => forger.0 = self.noise(),
            1 => forger.0 = self.flipped(forger.0),
            2 => {
                let length = self.rng.usize(..forger.0.len());
                forger.0.truncate(length);
            }
            _ => {
                // Few that nobody has reached: these are waited for.
                let version = match self.rng.u8(..10) {
                    0 => self.rng.u64(..),
                    _ => self.rng.u64(..200),
                };
                forger = forger.version(&version.to_string());
            }
        }
        forger.token()
    }

    fn token(&mut self) -> String {
        let text = self.text();
        let bytes = URL_SAFE_NO_PAD.decode(&text).expect("base64");
        match self.rng.u8(..6) {
            0 => URL_SAFE_NO_PAD.encode(self.flipped(bytes)),
            1 => text[..self.rng.usize(..text.len())].to_owned(),
            2 => {
                let (other, at) = (self.text(), self.rng.usize(..text.len()));
                [&text[..at], &other[at.min(other.len())..]].concat()
            }
            3 => URL_SAFE_NO_PAD.encode(self.noise()),
            4 => String::from_utf8_lossy(&self.noise()).into_owned(),
            _ => self.forged(),
        }
    }

    /// A call with one: its path and message.
    fn call(&mut self) -> (&'static str, bytes::Bytes) {
        let resource = Some(named("configmaps"));
        let token = self.token();
        if self.rng.u8(..4) > 0 {
            let on_expired = [OnExpired::Fail, OnExpired::Reset][self.rng.usize(..2)];
            let request = WatchRequest {
                resource,
                start: Some(Start::ResumeToken(token)),
                on_expired: on_expired.into(),
                ..WatchRequest::default()
            };
            return ("/informerd.v1.WatchService/Watch", message(&request));
        }
        let key = ["", ".", ".a2V5", ".!", ".a2V5.a2V5"][self.rng.usize(..5)];
        let request = ListObjectsRequest {
            resource,
            page_token: token + key,
            ..ListObjectsRequest::default()
        };
        ("/informerd.v1.ObjectService/ListObjects", message(&request))
    }
}

async fn s5_f72_fuzzed_tokens(kind: Kind) {
    let world = World::new(kind, "fuzz", &["configmaps"], &[]).await;
    world.create_map("cm", json!({})).await;
    let ask = Ask::of("configmaps").namespace(&world.namespace);
    let ask = ask.bookmarks(std::time::Duration::from_secs(120));
    let mut honest = vec![
        world.synced("one", &ask, 1).await,
        world.synced("two", &ask, 1).await,
    ];
    let mut mill = Mill::new(&world.channel()).await;
    let address = world.daemon.address();
    let mut lines = Vec::new();
    for _ in 0..CONNECTIONS {
        lines.push(Http2::connect(address).await);
    }
    let mut seen = BTreeMap::new();
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut calls = Vec::with_capacity(CALLS);
        for at in 0..CALLS {
            let (line, (path, body)) = (&lines[at % CONNECTIONS], mill.call());
            calls.push(line.begin(line.head(path), body));
        }
        let answers = stream::iter(calls).buffer_unordered(AT_ONCE);
        let answers: Vec<_> = answers.collect().await;
        for answer in answers {
            let answer = answer.expect("an answer");
            let outcome = match answer.body.is_empty() {
                true => (answer.status().code(), reason(&answer.status())),
                false => (Code::Ok, String::new()),
            };
            let known = ALLOWED
                .iter()
                .any(|(code, why)| outcome == (*code, (*why).to_owned()));
            assert!(known, "{answer:?}");
            *seen.entry(outcome.1).or_insert(0) += 1;
        }
        let version = world.touch_map("cm", &format!("round-{round}")).await;
        for each in &mut honest {
            each.expect(Modified, "cm", version).await;
        }
        if round == 0 {
            before = world.daemon.resident();
        }
    }
    let after = world.daemon.resident();
    assert!(after < before + GROWTH, "{before} KiB became {after} KiB");
    for (_, why) in ALLOWED {
        assert!(seen.contains_key(why), "{why:?} is not in {seen:?}");
    }
    drop(honest);
    world.finish(&quick(10)).await;
}
