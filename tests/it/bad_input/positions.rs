//! Positions that are none, that belong elsewhere, or that nobody has reached.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use informerd::proto::v1::{
    Filter, ListObjectsRequest, OnExpired, SnapshotStart, StartOutcome, WatchRequest, frame::Frame,
    object_service_client::ObjectServiceClient, watch_request::Start,
};
use sha2::{Digest as _, Sha256};
use tonic::{Code, transport::Channel};

use super::refusal::{Call, Refusal, accepted, check, invalid, judge, refused};
use crate::{
    conformance::scenarios,
    request::{Ask, named},
    stage::Kind,
    subscriber::number,
    world::{World, quick},
};

scenarios![
    b44_damaged_tokens,
    b45_tokens_of_something_else,
    b46_expired_tokens,
    b47_tokens_of_another_epoch,
    b48_b49_positions_in_the_future,
    b49_what_is_no_resource_version,
];

/// The bytes of a token: format 1, cluster 8, filter 8, epoch 4, resource, 0, version, 0, and 4
/// of a checksum.
pub(super) struct Forger(pub(super) Vec<u8>);

const CLUSTER: usize = 1;
const EPOCH: usize = 17;

impl Forger {
    pub(super) fn new(token: &str) -> Self {
        let mut bytes = URL_SAFE_NO_PAD.decode(token).expect("base64");
        bytes.truncate(bytes.len() - 4);
        Self(bytes)
    }

    fn flip(mut self, at: usize) -> Self {
        self.0[at] ^= 1;
        self
    }

    pub(super) fn version(mut self, version: &str) -> Self {
        let end = self.0.iter().skip(21).position(|byte| *byte == 0);
        self.0
            .truncate(21 + end.expect("the end of the resource") + 1);
        self.0.extend_from_slice(version.as_bytes());
        self.0.push(0);
        self
    }

    /// With a checksum that fits.
    pub(super) fn token(mut self) -> String {
        let sum = Sha256::digest(&self.0);
        self.0.extend_from_slice(&sum[..4]);
        URL_SAFE_NO_PAD.encode(&self.0)
    }
}

/// A token of the present state.
pub(super) async fn genuine(channel: &Channel, resource: &str, label_selector: &str) -> String {
    let request = ListObjectsRequest {
        resource: Some(named(resource)),
        filter: Some(Filter {
            label_selector: label_selector.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut client = ObjectServiceClient::new(channel.clone());
    let listed = client.list_objects(request).await.expect("listed");
    listed.into_inner().resume_token
}

fn from(start: Start) -> WatchRequest {
    WatchRequest {
        resource: Some(named("configmaps")),
        start: Some(start),
        ..Default::default()
    }
}

fn from_token(token: &str) -> Call {
    Call::Watch(from(Start::ResumeToken(token.to_owned())))
}

fn page(page_token: &str) -> Call {
    Call::List(ListObjectsRequest {
        resource: Some(named("configmaps")),
        page_token: page_token.to_owned(),
        ..Default::default()
    })
}

/// Row B44: one text for all, so that nobody learns where a forgery fails.
async fn b44_damaged_tokens(kind: Kind) {
    let world = World::new(kind, "b44", &[], &[]).await;
    let channel = world.channel();
    let good = genuine(&channel, "configmaps", "").await;
    accepted(&channel, from_token(&good)).await;
    let expected = invalid("TOKEN_INVALID", "resume_token");
    let mut texts = Vec::new();
    let huge = "A".repeat(60_000);
    let mut damaged = vec![
        String::new(),
        "abc".into(),
        "not base64 at all!".into(),
        URL_SAFE_NO_PAD.encode("just a text, quite long enough to be a token"),
        good[1..].to_owned(),
        format!("{good}A"),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        good.to_ascii_lowercase(),
        "\0".into(),
        huge,
    ];
    damaged.extend((0..good.len()).step_by(7).map(|cut| good[..cut].to_owned()));
    let bytes = URL_SAFE_NO_PAD.decode(&good).expect("base64");
    damaged.extend((0..bytes.len()).map(|at| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        URL_SAFE_NO_PAD.encode(bytes)
    }));
    for token in &damaged {
        texts.push(check(&channel, from_token(token), token, expected).await);
        // An empty page token asks for the first page.
        if !token.is_empty() {
            let expected = invalid("TOKEN_INVALID", "page_token");
            check(&channel, page(token), token, expected).await;
        }
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    let formats = Forger::new(&good).flip(0).flip(0);
    assert_eq!(
        formats.token(),
        good,
        "the test knows what tokens look like"
    );
    let other_format = Forger::new(&good).flip(0).token();
    check(&channel, from_token(&other_format), "", expected).await;
    let long = "9".repeat(1_000);
    for version in ["", "a b", "1\n", "é", &long] {
        let token = Forger::new(&good).version(version).token();
        check(&channel, from_token(&token), version, expected).await;
    }
    // What a forger puts into a whole token leads to nothing but a new start.
    let expired = refused(Code::OutOfRange, "RESOURCE_EXPIRED");
    for version in ["x", "-1", "1.5", "1&watch=1", "../.."] {
        let token = Forger::new(&good).version(version).token();
        let mut request = from(Start::ResumeToken(token));
        let frames = first_frames(&channel, request.clone()).await;
        assert_reset(&frames, "RESET_REASON_EXPIRED");
        request.on_expired = OnExpired::Fail.into();
        check(&channel, Call::Watch(request), version, expired).await;
    }
    world.finish(&quick(0)).await;
}

/// Row B45.
async fn b45_tokens_of_something_else(kind: Kind) {
    let world = World::new(kind, "b45", &[], &[]).await;
    let channel = world.channel();
    let good = genuine(&channel, "configmaps", "").await;
    let foreign = [
        genuine(&channel, "configmaps", "a=b").await,
        genuine(&channel, "pods", "").await,
        Forger::new(&good).flip(CLUSTER).token(),
    ];
    for token in foreign {
        let watch = invalid("TOKEN_MISMATCH", "resume_token");
        check(&channel, from_token(&token), &token, watch).await;
        let list = invalid("TOKEN_MISMATCH", "page_token");
        check(&channel, page(&format!("{token}.")), &token, list).await;
    }
    world.finish(&quick(0)).await;
}

/// Row B46. The history of a real cluster is not ours to forget: others use it too.
async fn b46_expired_tokens(kind: Kind) {
    let world = World::new(kind, "b46", &[], &[]).await;
    let Some(cluster) = world.stage.simulated() else {
        return;
    };
    let old = cluster.revision();
    for step in ["1", "2", "3"] {
        world
            .create_map(&format!("cm-{step}"), serde_json::json!({}))
            .await;
    }
    cluster.compact(cluster.revision());
    let channel = world.channel();
    let good = genuine(&channel, "configmaps", "").await;
    let token = Forger::new(&good).version(&old.to_string()).token();
    let expired = refused(Code::OutOfRange, "RESOURCE_EXPIRED");
    for start in [
        Start::ResumeToken(token.clone()),
        Start::ResourceVersion(old.to_string()),
    ] {
        let mut request = from(start);
        request.on_expired = OnExpired::Fail.into();
        check(&channel, Call::Watch(request), "", expired).await;
    }
    let frames = first_frames(&channel, from(Start::ResumeToken(token.clone()))).await;
    assert_reset(&frames, "RESET_REASON_EXPIRED");
    check(&channel, page(&format!("{token}.")), "", expired).await;
    world.finish(&quick(0)).await;
}

/// Row B47.
async fn b47_tokens_of_another_epoch(kind: Kind) {
    let world = World::new(kind, "b47", &[], &[]).await;
    let channel = world.channel();
    let good = genuine(&channel, "configmaps", "").await;
    let token = Forger::new(&good).flip(EPOCH).token();
    let mut request = from(Start::ResumeToken(token.clone()));
    request.on_expired = OnExpired::Fail.into();
    let changed = refused(Code::OutOfRange, "EPOCH_CHANGED");
    check(&channel, Call::Watch(request), &token, changed).await;
    let frames = first_frames(&channel, from(Start::ResumeToken(token.clone()))).await;
    assert_reset(&frames, "RESET_REASON_REWOUND");
    check(&channel, page(&format!("{token}.")), &token, changed).await;
    world.finish(&quick(0)).await;
}

async fn first_frames(channel: &Channel, request: WatchRequest) -> Vec<Frame> {
    use informerd::proto::v1::watch_service_client::WatchServiceClient;
    let mut client = WatchServiceClient::new(channel.clone());
    let opened = client.watch(request).await.expect("accepted");
    let mut stream = opened.into_inner();
    let mut frames = Vec::new();
    while frames.len() < 2 {
        let message = stream.message().await.expect("goes on").expect("goes on");
        frames.extend(message.frames.into_iter().filter_map(|frame| frame.frame));
    }
    frames
}

fn assert_reset(frames: &[Frame], reason: &str) {
    let [Frame::Started(started), Frame::Reset(reset), ..] = frames else {
        panic!("Started and Reset were expected: {frames:?}");
    };
    assert_eq!(started.outcome(), StartOutcome::Snapshot);
    assert_eq!(reset.reason().as_str_name(), reason);
}

/// Rows B48 and B49: waited for, then refused; never accepted silently.
async fn b48_b49_positions_in_the_future(kind: Kind) {
    let world = World::new(kind, "b48", &["configmaps"], &[]).await;
    let channel = world.channel();
    let good = genuine(&channel, "configmaps", "").await;
    let version = world.create_map("cm", serde_json::json!({})).await;
    let ahead = (version + 1_000_000_000).to_string();
    let token = Forger::new(&good).version(&ahead).token();
    let min = Start::Snapshot(SnapshotStart {
        min_resource_version: ahead.clone(),
        allow_stale: true,
    });
    let list = ListObjectsRequest {
        resource: Some(named("configmaps")),
        min_resource_version: ahead.clone(),
        ..Default::default()
    };
    let calls = [
        Call::Watch(from(Start::ResumeToken(token))),
        Call::Watch(from(Start::ResourceVersion(ahead.clone()))),
        Call::Watch(from(Start::ResourceVersion(u64::MAX.to_string()))),
        Call::Watch(from(min)),
        Call::List(list),
    ];
    let expected: Refusal = refused(Code::OutOfRange, "RESOURCE_VERSION_TOO_LARGE");
    let answers = calls.map(|call| async {
        let status = call.make(&channel).await.expect_err("in the future");
        judge(&status, "", expected).unwrap_or_else(|wrong| panic!("{wrong}: {status:?}"));
        let details = tonic_types::StatusExt::get_error_details(&status);
        assert!(details.retry_info().is_some(), "time mends it: {status:?}");
    });
    futures::future::join_all(answers).await;

    // A position that is reached in time is none of the future.
    let ask = Ask::of("configmaps").namespace(&world.namespace);
    let mut own = world.synced("own-write", &ask.at_least(version), 1).await;
    own.quiet_until(version).await;
    drop(own);
    world.finish(&quick(1)).await;
}

/// Row B49.
async fn b49_what_is_no_resource_version(kind: Kind) {
    let world = World::new(kind, "b49", &[], &[]).await;
    let channel = world.channel();
    let long = "9".repeat(30_000);
    let bad = [
        "abc",
        "-1",
        "+1",
        "1.5",
        "1e3",
        " 1",
        "1 ",
        "01",
        "0x10",
        "١",
        "18446744073709551616",
        "1,2",
        "1\0",
        &long,
    ];
    for text in bad {
        let start = from(Start::ResourceVersion(text.into()));
        let expected = invalid("INVALID_RESOURCE_VERSION", "resource_version");
        check(&channel, Call::Watch(start), text, expected).await;

        let start = from(Start::Snapshot(SnapshotStart {
            min_resource_version: text.into(),
            allow_stale: false,
        }));
        let field = "snapshot.min_resource_version";
        let expected = invalid("INVALID_RESOURCE_VERSION", field);
        check(&channel, Call::Watch(start), text, expected).await;

        let list = ListObjectsRequest {
            resource: Some(named("configmaps")),
            min_resource_version: text.into(),
            ..Default::default()
        };
        let expected = invalid("INVALID_RESOURCE_VERSION", "min_resource_version");
        check(&channel, Call::List(list), text, expected).await;
    }
    let empty = from(Start::ResourceVersion(String::new()));
    let expected = invalid("INVALID_RESOURCE_VERSION", "resource_version");
    check(&channel, Call::Watch(empty), "", expected).await;

    let token = genuine(&channel, "configmaps", "").await;
    assert!(!token.is_empty());
    let now = world.create_map("cm", serde_json::json!({})).await;
    for text in ["0", &now.to_string()] {
        assert_eq!(number(text).to_string(), text);
        accepted(
            &channel,
            Call::Watch(from(Start::ResourceVersion(text.into()))),
        )
        .await;
    }
    world.finish(&quick(0)).await;
}
