//! Every way to start a stream, with every choice of events: what comes before and after.

use informerd::proto::v1::{
    self,
    EventType::{self, Added, Deleted, Modified},
    OnExpired, StartOutcome,
    watch_request::Start,
};
use serde_json::json;
use tonic::Code;

use super::{maps, scenarios};
use crate::{
    daemon::Daemon,
    request::Ask,
    stage::Kind,
    subscriber::{number, reason},
    tail::{Read, Tail},
    world::{World, quick},
};

scenarios![k29_start_matrix, k29_start_in_the_future];

/// An event by type and name.
type Step = (EventType, &'static str);

/// What happens before the streams of the matrix start, and after.
const BEFORE: [Step; 3] = [(Added, "a"), (Added, "b"), (Added, "c")];
const AFTER: [Step; 4] = [(Added, "d"), (Modified, "a"), (Deleted, "b"), (Added, "e")];

/// Choices of events.
pub const TYPES: [&[EventType]; 5] = [&[], &[Added], &[Modified], &[Deleted], &[Modified, Deleted]];

/// Creates what the streams of a matrix find; gives the last version.
pub async fn play_before(world: &World) -> u64 {
    let mut last = 0;
    for (_, name) in BEFORE {
        last = world.create_map(name, json!({"matrix": ""})).await;
    }
    last
}

/// Changes what the streams of a matrix follow; gives a version after it.
pub async fn play_after(world: &World) -> u64 {
    world.create_map("d", json!({"matrix": ""})).await;
    world.touch_map("a", "1").await;
    world.delete_map("b").await;
    world.create_map("e", json!({"matrix": ""})).await;
    world.fence("configmaps").await
}

/// A stream of a matrix.
pub fn ask(world: &World) -> Ask {
    maps(world).labels("matrix")
}

/// Checks one cell: what came in a snapshot (if there was one), and what came as changes.
pub fn check(read: &Read, types: &[EventType], snapshot: bool, replay: bool) {
    let wanted = |steps: &[Step]| -> Vec<(EventType, String)> {
        steps
            .iter()
            .filter(|(kind, _)| types.is_empty() || types.contains(kind))
            .map(|(kind, name)| (*kind, (*name).to_owned()))
            .collect()
    };
    let cell = format!("{} {types:?}", read.name);
    assert!(read.end.is_none(), "{cell}: {:?}", read.end);
    let begin = if snapshot { &BEFORE[..] } else { &[] };
    assert_eq!(read.snapshot(), wanted(begin), "{cell}: the snapshot");
    assert_eq!(read.snapshot_ends().len(), usize::from(snapshot), "{cell}");
    let mut steps = if replay { BEFORE.to_vec() } else { Vec::new() };
    steps.extend(AFTER);
    assert_eq!(read.changes(), wanted(&steps), "{cell}: the changes");
}

struct Row {
    name: &'static str,
    start: Option<Start>,
    outcome: StartOutcome,
    /// Whether what was before is replayed as it happened.
    replay: bool,
}

fn rows(old: (u64, String), current: (u64, String)) -> Vec<Row> {
    use StartOutcome::{FromNow, Resumed, Snapshot};
    let row = |name, start, outcome, replay| Row {
        name,
        start,
        outcome,
        replay,
    };
    let version = |version: u64| Some(Start::ResourceVersion(version.to_string()));
    let token = |token| Some(Start::ResumeToken(token));
    let explicit = v1::SnapshotStart {
        min_resource_version: current.0.to_string(),
        allow_stale: true,
    };
    vec![
        row("unset", None, Snapshot, false),
        row("snapshot", Some(Start::Snapshot(explicit)), Snapshot, false),
        row("any", version(0), Snapshot, false),
        row("now", Some(Start::Now(v1::NowStart {})), FromNow, false),
        row("old version", version(old.0), Resumed, true),
        row("old token", token(old.1), Resumed, true),
        row("current version", version(current.0), Resumed, false),
        row("current token", token(current.1), Resumed, false),
    ]
}

/// Cacher `RunWatchSemantics`, for our ways to start: each one with each choice of events and of
/// what an expired position leads to. A new daemon, so that the old positions lie before all that
/// it has seen itself.
async fn k29_start_matrix(kind: Kind) {
    let mut world = World::new(kind, "k29", &["configmaps"], &[]).await;
    let mut seed = world.watch("seed", &ask(&world)).await;
    let (_, end) = seed.snapshot().await;
    let old = (number(&end.resource_version), seed.token());
    let last = play_before(&world).await;
    seed.events_until(last).await;
    let current = (last, seed.token());
    drop(seed);
    let next = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    world.replace_daemon(next).await.kill();

    let mut tails = Vec::new();
    for row in rows(old, current) {
        for types in TYPES {
            for on_expired in [OnExpired::Reset, OnExpired::Fail] {
                let mut ask = ask(&world).types(types);
                ask.message.start = row.start.clone();
                ask.message.on_expired = on_expired.into();
                let tail = Tail::open(&world, row.name, &ask).await;
                let cell = format!("{} {types:?} {on_expired:?}", row.name);
                assert_eq!(tail.started.outcome(), row.outcome, "{cell}");
                tails.push((tail, types, row.outcome, row.replay));
            }
        }
    }
    let fence = play_after(&world).await;
    for (tail, types, outcome, replay) in tails {
        let read = tail.until(fence).await;
        check(&read, types, outcome == StartOutcome::Snapshot, replay);
        assert!(read.resets().is_empty(), "{}", read.name);
    }
    let mut expectation = quick(100).requiring(&["STARTED RESUMED", "STARTED FROM_NOW"]);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// The rest of the matrix: a position in the future is refused, whatever else was asked, and a
/// snapshot that must have reached it too.
async fn k29_start_in_the_future(kind: Kind) {
    let world = World::new(kind, "k29-future", &["configmaps"], &[]).await;
    let last = play_before(&world).await;
    let future = last + 1_000_000_000;
    let mut streams = Vec::new();
    for types in TYPES {
        for on_expired in [OnExpired::Reset, OnExpired::Fail] {
            for mut ask in [ask(&world).version(future), ask(&world).at_least(future)] {
                ask = ask.types(types);
                ask.message.on_expired = on_expired.into();
                streams.push(world.watch("future", &ask).await);
            }
        }
    }
    for stream in &mut streams {
        let status = stream.next().await.expect_err("the future isn't known");
        assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
        assert_eq!(reason(&status), "RESOURCE_VERSION_TOO_LARGE");
    }
    drop(streams);
    world.finish(&quick(0)).await;
}
