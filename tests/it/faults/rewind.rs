//! A cluster whose history goes back: etcd restored from a backup.

use informerd::proto::v1::{self, frame::Frame};

use super::storm::{FIRST, MAPS, Storm, next_watch};
use crate::{
    conformance::scenarios,
    request::Ask,
    stage::Kind,
    subscriber::{Subscriber, number},
    world::quick,
};
use informerd_support::simulation::Action;

scenarios![f37_history_goes_back];

/// F37: every live stream is reset into a new epoch, and tokens of the old one lead to a Reset or
/// a refusal, never to data.
async fn f37_history_goes_back(kind: Kind) {
    let mut storm = Storm::brew(kind, "f37", &[]).await;
    let ask = Ask::of(MAPS);
    let red = || Ask::of(MAPS).labels("color=red");
    let mut all = storm.world.synced("all", &ask, FIRST).await;
    let mut reds = storm.world.watch("red", &red()).await;
    let first = reds.started().await;
    reds.snapshot().await;
    let kept = storm.cluster.revision();
    storm.gust(40);
    let lost = storm.cluster.revision();
    for subscriber in [&mut all, &mut reds] {
        subscriber.events_until(lost).await;
    }
    let mut gone = storm.world.watch("gone", &ask).await;
    gone.snapshot().await;
    let old = gone.token();
    drop(gone);

    // The restored server knows nothing of the position that it is asked for.
    let refused = Action::status(410, "Expired", "too old resource version");
    storm.cluster.inject(next_watch(refused));
    storm.cluster.rewind(kept, 0).expect("not compacted");
    storm.gust(5);
    for subscriber in [&mut all, &mut reds] {
        let epoch = rewound(subscriber).await;
        assert_ne!(epoch, first.epoch);
        subscriber.snapshot().await;
    }
    storm.gust(20);
    let now = storm.cluster.revision();
    assert!(now < lost, "versions are used again");

    // The position of the old token is in the past of the new epoch as well.
    let mut resumed = storm.world.watch("gone", &ask.clone().token(&old)).await;
    assert_eq!(
        resumed.started().await.outcome(),
        v1::StartOutcome::Snapshot
    );
    let epoch = rewound(&mut resumed).await;
    assert_ne!(epoch, first.epoch);
    resumed.snapshot().await;
    let refused = storm
        .refusal("strict", &ask.clone().token(&old).or_fail())
        .await;
    assert_eq!(refused, "OUT_OF_RANGE EPOCH_CHANGED");

    // Tokens of the new epoch are as good as ever.
    let new = all.token();
    drop(all);
    let mut again = storm.world.watch("all", &ask.token(&new)).await;
    assert_eq!(again.started().await.outcome(), v1::StartOutcome::Resumed);
    for subscriber in [&mut again, &mut reds, &mut resumed] {
        subscriber.events_until(now).await;
    }
    drop((again, reds, resumed));
    let wanted = ["RESET REWOUND", "STARTED RESUMED"];
    let calm = storm.judge(&quick(50).requiring(&wanted)).await;
    calm.without(&["RESET EXPIRED", "RESET LAGGED"]);
}

/// Reads to the Reset; gives its epoch. No event comes before it.
async fn rewound(subscriber: &mut Subscriber) -> String {
    loop {
        match subscriber.frame().await {
            Frame::Reset(reset) => {
                assert_eq!(reset.reason(), v1::ResetReason::Rewound);
                return reset.epoch;
            }
            Frame::Event(event) => panic!("an event before the Reset: {event:?}"),
            Frame::Bookmark(bookmark) => assert!(number(&bookmark.resource_version) > 0),
            _ => {}
        }
    }
}
