//! Requests that upstream refuses.

use std::time::Duration;

use informerd::proto::v1::frame::Frame;
use informerd_support::simulation::{Action, Disruption, Fault, Verb};
use serde_json::json;

use super::storm::{Asked, MAPS, Row, Storm, continued, first_watch, initial, next_watch, play};
use crate::{
    conformance::scenarios, request::Ask, stage::Kind, subscriber::number, wait::until,
    world::quick,
};

scenarios![
    f7_status_over_several_lines,
    f20_expired_between_two_pages,
    f22_too_many_watches,
    f22_too_many_requests_at_the_start,
    f23_strange_times_to_wait,
    f23_enormous_time_to_wait,
    f30_one_server_does_not_know_the_resource,
];

/// Makes the next sync take so long that the writer changes something meanwhile.
pub fn slow_sync() -> Fault {
    Fault::on(
        MAPS,
        Verb::WatchList,
        Action::Delay(Duration::from_millis(300)),
    )
}

/// F7 (kube-rs/kube#1986): a pretty-printed `Status` is read as one. That the version is too large
/// stands only in its text, and leads to a new state; a 504 without it would not.
async fn f7_status_over_several_lines(kind: Kind) {
    let text = "Too large resource version: 900000, current: 3";
    let rows = vec![Row {
        name: "f7",
        faults: vec![
            first_watch(8, Disruption::End),
            next_watch(Action::pretty_status(504, "Timeout", text)),
            slow_sync(),
        ],
        asked: Asked {
            syncs: 2,
            continued: 1,
        },
        shows: &["RESYNC"],
        hides: &["RESET"],
        counted: &["reflector_restarts"],
    }];
    play(kind, rows).await;
}

/// F20 (`TestReflectorFullListIfExpired`): pages of two versions are never one state.
async fn f20_expired_between_two_pages(kind: Kind) {
    let mut storm = Storm::brew(kind, "f20", &[]).await;
    storm.cluster.set_watch_list(false);
    for number in 0..1100 {
        let metadata = json!({"name": format!("page-{number}")});
        let object = json!({ "metadata": metadata });
        storm.cluster.create(MAPS, object).expect("a new name");
    }
    let expired = Action::status(410, "Expired", "The provided continue parameter is too old");
    storm
        .cluster
        .inject(Fault::on(MAPS, Verb::ListNext, expired).skip(1));
    storm.blow();
    storm.subscribe().await;
    storm.struck().await;
    storm.caught_up().await;
    let calm = storm.calm(&quick(2000)).await;
    calm.without(&["RESET", "RESYNC"]);
    let lists: Vec<_> = calm.requests.iter().filter(|r| r.verb == "list").collect();
    let [first, second, third, whole] = lists[..] else {
        panic!("{lists:#?}");
    };
    assert!(first.uri.contains("limit=500"), "{first:?}");
    assert!(second.uri.contains("continue="), "{second:?}");
    assert_eq!(third.status, 410, "{third:?}");
    assert!(!whole.uri.contains("limit="), "{whole:?}");
}

fn too_many(seconds: &str) -> Action {
    let refused = Action::status(429, "TooManyRequests", "the server is busy");
    refused.header("retry-after", seconds)
}

/// F22 (`TestNoRelistOnTooManyRequests`): waits for as long as it is told, and asks for no new
/// state.
async fn f22_too_many_watches(kind: Kind) {
    let row = Row {
        name: "f22",
        faults: vec![first_watch(8, Disruption::End), next_watch(too_many("3"))],
        asked: Asked {
            syncs: 1,
            continued: 2,
        },
        shows: &["DEGRADED", "HEALTHY"],
        hides: &["RESET", "RESYNC"],
        counted: &["reflector_restarts"],
    };
    let calm = row.play(kind).await;
    let watches: Vec<_> = calm.requests.iter().filter(|r| continued(r)).collect();
    assert_eq!(watches[0].status, 429);
    let waited = watches[1].started - watches[0].started;
    assert!(waited >= Duration::from_secs(3), "waited only {waited:?}");
}

/// F22 for the first state: subscribers wait for it.
async fn f22_too_many_requests_at_the_start(kind: Kind) {
    let mut storm = Storm::brew(kind, "f22-start", &[]).await;
    storm
        .cluster
        .inject(Fault::on(MAPS, Verb::WatchList, too_many("2")));
    storm.blow();
    storm.subscribe().await;
    storm.struck().await;
    storm.caught_up().await;
    let calm = storm.calm(&quick(50)).await;
    let syncs: Vec<_> = calm.requests.iter().filter(|r| initial(r)).collect();
    assert_eq!(
        (calm.asked.syncs, syncs.len(), calm.asked.continued),
        (2, 2, 0)
    );
    let waited = syncs[1].started - syncs[0].started;
    assert!(waited >= Duration::from_secs(2), "waited only {waited:?}");
    calm.without(&["RESET", "RESYNC"]);
}

/// F23: what is no number of seconds is no reason to wait long, let alone to fail.
async fn f23_strange_times_to_wait(kind: Kind) {
    let row = |name, header| Row {
        name,
        faults: vec![
            first_watch(8, Disruption::End),
            next_watch(too_many(header)),
        ],
        asked: Asked {
            syncs: 1,
            continued: 2,
        },
        shows: &["DEGRADED", "HEALTHY"],
        hides: &["RESET", "RESYNC"],
        counted: &["reflector_restarts"],
    };
    let rows = vec![
        row("f23-negative", "-5"),
        row("f23-date", "Wed, 21 Oct 2065 07:28:00 GMT"),
        row("f23-junk", "soon"),
    ];
    play(kind, rows).await;
}

/// F30: a 404 that discovery contradicts, as an apiserver gives it that has just started. No stream
/// ends, and no epoch.
async fn f30_one_server_does_not_know_the_resource(kind: Kind) {
    let missing = Action::status(
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
    let row = Row {
        name: "f30",
        faults: vec![first_watch(8, Disruption::End), next_watch(missing)],
        asked: Asked {
            syncs: 1,
            continued: 2,
        },
        shows: &["DEGRADED", "HEALTHY"],
        hides: &["RESET", "RESYNC"],
        counted: &["reflector_restarts"],
    };
    row.play(kind).await;
}

/// F23: nobody waits 136 years, and subscribers are told that they may miss something now. (That
/// it ends after a minute is a matter of the reflector's own tests.)
async fn f23_enormous_time_to_wait(kind: Kind) {
    let mut storm = Storm::brew(kind, "f23-enormous", &[]).await;
    let mut all = storm.world.watch("all", &Ask::of(MAPS)).await;
    all.snapshot().await;
    storm.cluster.inject(next_watch(too_many("4294967295")));
    storm.cluster.break_watches(MAPS, Disruption::End);
    storm.struck().await;
    let name = "informerd_upstream_watches";
    until("the daemon knows that it has no watch", || async {
        storm.world.daemon.metric(name, "configmaps").await < 1.0
    })
    .await;
    storm.gust(10);
    let written = storm.cluster.revision();
    let mut degraded = false;
    loop {
        match all.frame().await {
            Frame::UpstreamState(_) => degraded = true,
            // Bookmarks go on, and say no more than the daemon knows.
            Frame::Bookmark(bookmark) if degraded => {
                assert!(number(&bookmark.resource_version) < written);
                break;
            }
            Frame::Bookmark(_) => {}
            other => panic!("nothing was expected, but {other:?}"),
        }
    }
    assert_eq!(storm.world.daemon.page("/livez").await.0, 200);
    drop(all);
    let calm = storm.judge(&quick(10).requiring(&["DEGRADED"])).await;
    assert_eq!(calm.asked.syncs, 1);
}
