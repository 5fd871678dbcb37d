//! The resume loop over scripted streams.

use parking_lot::Mutex;

use futures::stream::BoxStream;
use tonic_types::StatusExt as _;
use v1::{frame::Frame, watch_request::Start};

use super::*;

type Script = Vec<Result<Vec<Result<v1::WatchResponse, Status>>, Status>>;

/// Plays one script per opened stream and keeps the requests. A script that is used up stands
/// for a server that keeps the stream open for ever.
struct Fake {
    scripts: std::vec::IntoIter<Result<Vec<Result<v1::WatchResponse, Status>>, Status>>,
    requests: Arc<Mutex<Vec<v1::WatchRequest>>>,
}

impl Transport for Fake {
    type Messages = BoxStream<'static, Result<v1::WatchResponse, Status>>;

    async fn open(&mut self, request: v1::WatchRequest) -> Result<Self::Messages, Status> {
        self.requests.lock().push(request);
        match self.scripts.next() {
            Some(script) => Ok(Box::pin(stream::iter(script?))),
            None => Ok(Box::pin(stream::pending())),
        }
    }
}

fn play(builder: WatchBuilder, scripts: Script) -> (Steps, Arc<Mutex<Vec<v1::WatchRequest>>>) {
    let requests = Arc::default();
    let fake = Fake {
        scripts: scripts.into_iter(),
        requests: Arc::clone(&requests),
    };
    (Steps::new(fake, builder, || 0.0), requests)
}

fn batch(frames: Vec<Frame>) -> Result<v1::WatchResponse, Status> {
    let frames = frames.into_iter();
    Ok(v1::WatchResponse {
        frames: frames.map(|f| v1::Frame { frame: Some(f) }).collect(),
    })
}

fn started(outcome: v1::StartOutcome) -> Frame {
    Frame::Started(v1::Started {
        outcome: outcome.into(),
        ..Default::default()
    })
}

fn event(name: &str, token: &str) -> Frame {
    Frame::Event(v1::Event {
        name: name.into(),
        resume_token: token.into(),
        ..Default::default()
    })
}

fn snapshot_end(token: &str) -> Frame {
    Frame::SnapshotEnd(v1::SnapshotEnd {
        resume_token: token.into(),
        ..Default::default()
    })
}

fn pods() -> WatchBuilder {
    WatchBuilder::new("", "v1", "pods")
}

fn word(step: &Step) -> String {
    match step {
        Step::Started(_) => "started".into(),
        Step::Event(event) => event.name.clone(),
        Step::SnapshotEnd(_) => "end".into(),
        Step::Bookmark(_) => "bookmark".into(),
        Step::Reset(reason) => format!("reset {reason:?}"),
        Step::UpstreamState(_) => "upstream".into(),
        Step::Draining(_) => "draining".into(),
        Step::Disconnected { error, .. } => format!("broken: {error}"),
    }
}

/// The next `count` steps in words.
async fn words(watch: &mut Steps, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..count {
        let step = watch.next().await.expect("not over").expect("no error");
        words.push(word(&step));
    }
    words
}

fn starts(requests: &Mutex<Vec<v1::WatchRequest>>) -> Vec<Option<Start>> {
    let requests = requests.lock();
    requests.iter().map(|r| r.start.clone()).collect()
}

#[tokio::test]
async fn continues_with_the_last_token_after_a_break() {
    use v1::StartOutcome::{Resumed, Snapshot};
    let (mut watch, requests) = play(
        pods(),
        vec![
            Ok(vec![
                batch(vec![started(Snapshot), event("a", ""), snapshot_end("t1")]),
                batch(vec![event("b", "t2"), event("c", "t3")]),
                Err(Status::unavailable("reset by peer")),
            ]),
            Err(Status::unavailable("refused")),
            Ok(vec![batch(vec![started(Resumed), event("d", "t4")])]),
        ],
    );
    let expected = [
        "started",
        "a",
        "end",
        "b",
        "c",
        "broken: reset by peer",
        "broken: refused",
        "started",
        "d",
        "broken: the stream ended early",
    ];
    assert_eq!(words(&mut watch, expected.len()).await, expected);
    assert_eq!(watch.token(), Some("t4"));
    let token = |t: &str| Some(Start::ResumeToken(t.into()));
    assert_eq!(starts(&requests), [None, token("t3"), token("t3")]);
}

#[tokio::test]
async fn takes_a_token_only_with_its_event() {
    let (mut watch, _) = play(
        pods().from_token("t0"),
        vec![Ok(vec![batch(vec![event("a", "t1"), event("b", "t2")])])],
    );
    assert_eq!(watch.token(), Some("t0"));
    words(&mut watch, 1).await;
    assert_eq!(watch.token(), Some("t1"), "t2 was received, not handed out");
    words(&mut watch, 1).await;
    assert_eq!(watch.token(), Some("t2"));
}

#[tokio::test]
async fn a_break_inside_a_snapshot_leaves_no_ghosts() {
    use v1::StartOutcome::Snapshot;
    let (mut watch, requests) = play(
        pods(),
        vec![
            Ok(vec![
                batch(vec![started(Snapshot), event("ghost", "")]),
                Err(Status::unavailable("gone")),
            ]),
            // The second attempt breaks before it says anything: the reset is still due.
            Ok(vec![]),
            Ok(vec![batch(vec![
                started(Snapshot),
                event("a", ""),
                snapshot_end("t1"),
            ])]),
        ],
    );
    let expected = [
        "started",
        "ghost",
        "broken: gone",
        "broken: the stream ended early",
        "started",
        "reset Interrupted",
        "a",
        "end",
    ];
    assert_eq!(words(&mut watch, expected.len()).await, expected);
    assert_eq!(watch.token(), Some("t1"));
    assert_eq!(starts(&requests), [None, None, None]);
}

#[tokio::test]
async fn another_cluster_is_told_as_a_rewind() {
    use v1::StartOutcome::Snapshot;
    let mut details = tonic_types::ErrorDetails::new();
    details.set_error_info("TOKEN_MISMATCH", "informerd", []);
    let code = tonic::Code::InvalidArgument;
    let mismatch = Status::with_error_details(code, "of another cluster", details);
    let (mut watch, requests) = play(
        pods(),
        vec![
            Ok(vec![batch(vec![started(Snapshot), snapshot_end("t1")])]),
            Err(mismatch),
            Ok(vec![batch(vec![started(Snapshot), event("a", "")])]),
        ],
    );
    let expected = [
        "started",
        "end",
        "broken: the stream ended early",
        "broken: of another cluster",
        "started",
        "reset Rewound",
        "a",
    ];
    assert_eq!(words(&mut watch, expected.len()).await, expected);
    let snapshot = Start::Snapshot(v1::SnapshotStart::default());
    assert_eq!(starts(&requests)[2], Some(snapshot));
}

#[tokio::test]
async fn a_reset_takes_the_token_away() {
    let reset = Frame::Reset(v1::Reset {
        reason: v1::ResetReason::Lagged.into(),
        ..Default::default()
    });
    let (mut watch, _) = play(
        pods().from_token("t0"),
        vec![Ok(vec![batch(vec![reset, event("a", "")])])],
    );
    assert_eq!(words(&mut watch, 1).await, ["reset Lagged"]);
    assert_eq!(watch.token(), None);
}

#[tokio::test]
async fn an_error_that_stays_is_the_last_word() {
    let (mut watch, _) = play(
        pods().from_token("of another filter"),
        vec![Err(Status::invalid_argument(
            "the token is of another filter",
        ))],
    );
    let error = watch.next().await.expect("an item").expect_err("refused");
    assert_eq!(error.to_string(), "the token is of another filter");
    assert!(watch.next().await.is_none());
    assert_eq!(watch.token(), Some("of another filter"));
}

#[tokio::test]
async fn ends_with_ok_after_its_planned_length() {
    let (mut watch, requests) = play(
        pods().timeout(Duration::from_secs(60)),
        vec![Ok(vec![batch(vec![
            started(v1::StartOutcome::Snapshot),
            event("a", "t1"),
        ])])],
    );
    assert_eq!(words(&mut watch, 2).await, ["started", "a"]);
    assert!(watch.next().await.is_none());
    let requests = requests.lock();
    assert!(requests[0].timeout.is_some());
}

#[tokio::test]
async fn a_planned_length_that_is_over_opens_no_stream() {
    let (mut watch, requests) = play(pods().timeout(Duration::ZERO), vec![]);
    let error = watch.next().await.expect("an item").expect_err("nothing");
    assert!(error.to_string().contains("before the watch could begin"));
    assert!(watch.next().await.is_none());
    assert!(starts(&requests).is_empty());
}

#[tokio::test]
async fn no_pause_outlasts_the_planned_length() {
    let mut details = tonic_types::ErrorDetails::new();
    details.set_retry_info(Some(Duration::from_secs(3_600)));
    let draining = Status::with_error_details(tonic::Code::Unavailable, "draining", details);
    let (mut watch, requests) = play(
        pods().timeout(Duration::from_millis(20)),
        vec![Err(draining)],
    );
    assert_eq!(words(&mut watch, 1).await, ["broken: draining"]);
    let error = watch.next().await.expect("an item");
    let error = error.expect_err("no stream was established, that is no end in good order");
    assert_eq!(error.to_string(), "draining");
    assert!(watch.next().await.is_none());
    assert_eq!(starts(&requests).len(), 1);
}

#[tokio::test]
async fn a_planned_length_that_is_over_in_a_break_is_a_good_end() {
    let (mut watch, _) = play(
        pods().timeout(Duration::from_millis(20)),
        vec![
            Ok(vec![
                batch(vec![started(v1::StartOutcome::Snapshot), snapshot_end("t")]),
                Err(Status::unavailable("gone")),
            ]),
            Err({
                let mut details = tonic_types::ErrorDetails::new();
                details.set_retry_info(Some(Duration::from_secs(3_600)));
                Status::with_error_details(tonic::Code::Unavailable, "draining", details)
            }),
        ],
    );
    let expected = ["started", "end", "broken: gone", "broken: draining"];
    assert_eq!(words(&mut watch, 4).await, expected);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn ignores_frames_that_it_does_not_know() {
    let unknown = Ok(v1::WatchResponse {
        frames: vec![v1::Frame { frame: None }],
    });
    let (mut watch, _) = play(
        pods(),
        vec![Ok(vec![unknown, batch(vec![event("a", "t1")])])],
    );
    assert_eq!(words(&mut watch, 1).await, ["a"]);
}
