//! Where subscribers may join and what positions they may name.

use std::time::Duration;

use informerd::proto::v1::{self, frame::Frame, watch_request::Start};
use informerd_support::simulation::{Action, Fault, Verb};
use serde_json::json;

use super::storm::{MAPS, Storm};
use crate::{conformance::scenarios, request::Ask, stage::Kind, subscriber::number, world::quick};

scenarios![
    f65_joining_in_the_middle_of_changes,
    f66_positions_at_the_borders,
    f66_position_of_a_lost_history,
];

/// F65: whoever joins while changes are applied and published stands before or after each one.
async fn f65_joining_in_the_middle_of_changes(kind: Kind) {
    let mut storm = Storm::brew(kind, "f65", &[]).await;
    storm.subscribe().await;
    storm.blow();
    let mut rng = fastrand::Rng::with_seed(65);
    for round in 0..60 {
        let audience = storm.audience();
        let (name, ask) = audience[rng.usize(..audience.len())].clone();
        let ask = match round % 3 {
            0 => ask,
            1 => ask.now(),
            _ => ask.version(storm.cluster.revision() - rng.u64(..5)),
        };
        let mut joined = storm.world.watch(&format!("{name}-{round}"), &ask).await;
        for _ in 0..rng.usize(2..20) {
            joined.frame().await;
        }
    }
    let wanted = ["STARTED FROM_NOW", "STARTED RESUMED", "STARTED SNAPSHOT"];
    let calm = storm.calm(&quick(200).requiring(&wanted)).await;
    assert_eq!((calm.asked.syncs, calm.asked.continued), (1, 0));
    calm.without(&["RESET", "RESYNC"]);
}

/// F66 (K33, K34): the last position, the next one, the oldest one, the one before it, "0", "".
async fn f66_positions_at_the_borders(kind: Kind) {
    let mut storm = Storm::brew(kind, "f66", &[]).await;
    let oldest = storm.cluster.revision();
    storm.gust(10);
    storm.cluster.compact(oldest);
    storm
        .cluster
        .forget_watch_history(MAPS, oldest)
        .expect("it is served");
    let last = storm.cluster.revision();
    // Nobody is read while a refusal is waited for.
    let all = || Ask::of(MAPS).bookmarks(Duration::from_secs(5));
    let mut snapshot = storm.world.watch("snapshot", &all()).await;
    let (_, end) = snapshot.snapshot().await;
    assert_eq!(number(&end.resource_version), last);

    // Positions that can be continued.
    let mut at_last = storm.world.watch("last", &all().version(last)).await;
    assert_eq!(at_last.started().await.outcome(), v1::StartOutcome::Resumed);
    let mut at_oldest = storm.world.watch("oldest", &all().version(oldest)).await;
    assert_eq!(
        at_oldest.started().await.outcome(),
        v1::StartOutcome::Resumed
    );
    assert_eq!(
        number(&at_oldest.event().await.resource_version),
        oldest + 1
    );
    let mut any = storm.world.watch("any", &all().version(0)).await;
    assert_eq!(any.started().await.outcome(), v1::StartOutcome::Snapshot);
    any.snapshot().await;

    // Before the oldest one: an explicit word.
    let mut reset = storm.world.watch("reset", &all().version(oldest - 1)).await;
    assert_eq!(reset.started().await.outcome(), v1::StartOutcome::Snapshot);
    let Frame::Reset(said) = reset.frame().await else {
        panic!("a Reset must come");
    };
    assert_eq!(said.reason(), v1::ResetReason::Expired);
    reset.snapshot().await;
    let refused = storm
        .refusal("expired", &all().version(oldest - 1).or_fail())
        .await;
    assert_eq!(refused, "OUT_OF_RANGE RESOURCE_EXPIRED");

    // After the last one: waits, and is refused if nothing comes.
    let refused = storm.refusal("future", &all().version(last + 5)).await;
    assert_eq!(refused, "OUT_OF_RANGE RESOURCE_VERSION_TOO_LARGE");
    let ask = all().version(last + 1);
    let soon = storm.world.watch("soon", &ask);
    let writing = storm.world.create_map("soon", json!({}));
    let (mut soon, written) = tokio::join!(soon, writing);
    assert_eq!(written, last + 1);
    assert_eq!(soon.started().await.outcome(), v1::StartOutcome::Resumed);
    let next = storm.world.touch_map("soon", "1").await;
    soon.expect(v1::EventType::Modified, "soon", next).await;
    at_last.expect(v1::EventType::Added, "soon", written).await;

    let mut empty = all().message;
    empty.start = Some(Start::ResourceVersion(String::new()));
    let mut client = v1::watch_service_client::WatchServiceClient::new(storm.world.channel());
    let status = client
        .watch(empty)
        .await
        .expect_err("an empty version is none");
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status:?}");

    for subscriber in [
        &mut snapshot,
        &mut at_last,
        &mut at_oldest,
        &mut any,
        &mut reset,
    ] {
        subscriber.events_until(next).await;
    }
    drop((snapshot, at_last, at_oldest, any, reset, soon));
    storm.judge(&quick(30)).await;
}

/// Upstream's watch history is gone, its older states are not: the difference is told, once for
/// all who stand there.
async fn f66_position_of_a_lost_history(kind: Kind) {
    let mut storm = Storm::brew(kind, "f66-lost", &[]).await;
    let old = storm.cluster.revision();
    storm.gust(30);
    storm
        .cluster
        .forget_watch_history(MAPS, old + 20)
        .expect("it is served");
    let slow = Action::Delay(Duration::from_millis(100));
    storm.cluster.inject(Fault::on(MAPS, Verb::List, slow));
    let all = Ask::of(MAPS).version(old);
    let (mut one, mut two) = tokio::join!(
        storm.world.watch("one", &all),
        storm.world.watch("two", &all),
    );
    let now = storm.cluster.revision();
    for subscriber in [&mut one, &mut two] {
        assert_eq!(
            subscriber.started().await.outcome(),
            v1::StartOutcome::Resynced
        );
        let events = subscriber.events_until(now).await;
        assert!(
            events
                .iter()
                .all(|event| event.cause() == v1::EventCause::Resync)
        );
    }
    drop((one, two));
    let expectation = quick(10).requiring(&["RESYNC", "STARTED RESYNCED"]);
    storm.judge(&expectation).await;
}
