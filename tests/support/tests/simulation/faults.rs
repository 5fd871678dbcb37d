//! Faults: each one does what it says, is counted, and leaves the truth alone.

use std::time::Duration;

use informerd_support::simulation::{Action, Disruption, Fault, Verb};

use crate::client::{End, Fixture};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn on_watch(disruption: Disruption) -> Fault {
    Fault::on("configmaps", Verb::Watch, Action::stream(disruption))
}

/// A watch from now on that meets `fault`, and three writes on it.
async fn struck(fault: Fault) -> (Fixture, crate::client::Response, [u64; 3]) {
    let fixture = Fixture::new().await;
    fixture.cluster.inject(fault);
    let watch = fixture
        .watch(&format!("resourceVersion={}", fixture.cluster.revision()))
        .await;
    let versions = [
        fixture.create("a", "x"),
        fixture.create("b", "x"),
        fixture.create("c", "x"),
    ];
    (fixture, watch, versions)
}

#[tokio::test]
async fn answers_can_be_replaced() {
    let fixture = Fixture::new().await;
    let busy =
        Action::pretty_status(429, "TooManyRequests", "slow down").header("retry-after", "3");
    fixture
        .cluster
        .inject(Fault::on("configmaps", Verb::List, busy).skip(1).times(2));
    fixture
        .cluster
        .inject(Fault::on("", Verb::Other, Action::html(200)));
    assert_eq!(fixture.get(MAPS).await.0, 200);
    assert_eq!(fixture.cluster.faults_unbitten().len(), 2);
    for _ in 0..2 {
        let response = fixture.send("GET", MAPS, "", "").await;
        let mut response = response.expect("the server answers");
        assert!(response.headers.contains(&"retry-after: 3".to_owned()));
        let body = response.rest().await.expect("the body is complete");
        assert!(
            body.split(|byte| *byte == b'\n').count() > 5,
            "the Status spans lines"
        );
    }
    assert_eq!(fixture.get(MAPS).await.0, 200);
    let page = fixture
        .send("GET", "/apis", "", "")
        .await
        .expect("the server answers");
    assert!(page.headers.contains(&"content-type: text/html".to_owned()));
    assert_eq!(fixture.cluster.faults_unbitten(), []);
    assert_eq!(fixture.cluster.faults_bitten()[0].bitten, 2);
}

#[tokio::test]
async fn a_line_is_torn_in_each_way() {
    for (disruption, expected) in [
        (Disruption::Reset, End::Reset),
        (Disruption::Abort, End::Torn),
        (Disruption::CutMidLine, End::Clean),
    ] {
        let fault = Fault::on(
            "configmaps",
            Verb::WatchFrom,
            Action::Stream {
                after: 1,
                disruption: disruption.clone(),
            },
        );
        let (fixture, mut watch, [a, ..]) = struck(fault).await;
        assert_eq!(watch.event().await, format!("ADDED a@{a}"));
        let (half, end) = watch.line().await.expect_err("the body ends inside a line");
        assert_eq!(end, expected, "{disruption:?}");
        // A reset may overtake what was sent before it.
        assert!(
            half.starts_with(b"{\"type\"") || end == End::Reset,
            "{disruption:?}"
        );
        assert_eq!(fixture.cluster.faults_unbitten(), []);
        assert_eq!(fixture.cluster.truth("configmaps").commits.len(), 3);
    }
}

#[tokio::test]
async fn a_torn_line_loses_an_event_in_the_middle() {
    let (_fixture, mut watch, [_, b, c]) = struck(on_watch(Disruption::TornLine)).await;
    let torn = watch.line().await.expect("the line ends");
    assert!(serde_json::from_slice::<serde_json::Value>(&torn).is_err());
    assert_eq!(watch.event().await, format!("ADDED b@{b}"));
    assert_eq!(watch.event().await, format!("ADDED c@{c}"));
}

#[tokio::test]
async fn raw_lines_replays_and_swaps_reach_the_wire() {
    let garbage = vec![0xff, 0x00, b'{'];
    let (_fixture, mut watch, [a, ..]) = struck(on_watch(Disruption::line(garbage.clone()))).await;
    assert_eq!(watch.line().await, Ok(garbage));
    assert_eq!(watch.event().await, format!("ADDED a@{a}"));

    let error = Disruption::error(500, "InternalError", "etcdserver: no leader");
    let (_fixture, mut watch, _) = struck(on_watch(error)).await;
    assert_eq!(watch.event().await, "ERROR 500");
    assert_eq!(watch.end().await, End::Clean);

    let replay = Action::Stream {
        after: 2,
        disruption: Disruption::Replay(2),
    };
    let (_fixture, mut watch, [a, b, c]) = struck(Fault::on("", Verb::Watch, replay)).await;
    for expected in [("a", a), ("b", b), ("a", a), ("b", b), ("c", c)] {
        assert_eq!(
            watch.event().await,
            format!("ADDED {}@{}", expected.0, expected.1)
        );
    }

    let (fixture, mut watch, [a, b, c]) = struck(on_watch(Disruption::Swap)).await;
    for expected in [("b", b), ("a", a), ("c", c)] {
        assert_eq!(
            watch.event().await,
            format!("ADDED {}@{}", expected.0, expected.1)
        );
    }
    assert_eq!(fixture.cluster.faults_unbitten(), []);
}

#[tokio::test]
async fn a_dripping_watch_sends_small_pieces() {
    let drip = Action::Drip {
        bytes: 7,
        pause: Duration::ZERO,
    };
    let (_fixture, mut watch, [a, ..]) = struck(Fault::on("configmaps", Verb::Watch, drip)).await;
    assert_eq!(watch.event().await, format!("ADDED a@{a}"));
    assert!(watch.chunks.len() > 10 && watch.chunks.iter().all(|size| *size <= 7));
}

#[tokio::test]
async fn initial_events_can_end_wrongly_or_late() {
    let fixture = Fixture::new().await;
    let a = fixture.create("a", "x");
    let on = |action| Fault::on("configmaps", Verb::WatchList, action);
    fixture
        .cluster
        .inject(on(Action::status(422, "Invalid", "no watch-list here")));
    fixture.cluster.inject(on(Action::BookmarkFalse));
    fixture.cluster.inject(on(Action::EventsBeforeEnd(2)));
    fixture.cluster.inject(on(Action::NoBookmark));
    let open = "allowWatchBookmarks=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    assert_eq!(fixture.watch(open).await.status, 422);

    let mut watch = fixture.watch(open).await;
    watch.event().await;
    let end = watch.value().await;
    assert_eq!(
        end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "false"
    );

    let mut watch = fixture.watch(open).await;
    assert_eq!(watch.event().await, format!("ADDED a@{a}"));
    let (b, gone) = (fixture.relabel("a", "y"), fixture.delete("a"));
    assert_eq!(watch.event().await, format!("MODIFIED a@{b}"));
    assert_eq!(watch.event().await, format!("DELETED a@{gone}"));
    assert_eq!(watch.event().await, format!("BOOKMARK @{gone}"));

    let mut watch = fixture.watch(open).await;
    let c = fixture.create("c", "x");
    assert_eq!(
        watch.event().await,
        format!("ADDED c@{c}"),
        "no bookmark came before"
    );
    assert_eq!(fixture.cluster.faults_unbitten(), []);
}

#[tokio::test]
async fn open_watches_can_be_broken() {
    for (how, expected) in [
        (Disruption::End, End::Clean),
        (Disruption::Reset, End::Reset),
        (Disruption::Abort, End::Torn),
    ] {
        let fixture = Fixture::new().await;
        let from = fixture.cluster.revision();
        let mut watches = [
            fixture.watch(&format!("resourceVersion={from}")).await,
            fixture.watch("").await,
        ];
        let a = fixture.create("a", "x");
        for watch in &mut watches {
            assert_eq!(
                watch.event().await,
                format!("ADDED a@{a}"),
                "a wake-up before the break"
            );
        }
        fixture.cluster.break_watches("configmaps", how.clone());
        for watch in &mut watches {
            assert_eq!(
                watch.line().await.expect_err("it is broken").1,
                expected,
                "{how:?}"
            );
        }
        let mut later = fixture.watch(&format!("resourceVersion={from}")).await;
        assert_eq!(
            later.event().await,
            format!("ADDED a@{a}"),
            "new watches are whole"
        );
    }
}

#[tokio::test]
async fn requests_can_freeze_or_be_reset() {
    let fixture = Fixture::new().await;
    fixture
        .cluster
        .inject(Fault::on("configmaps", Verb::List, Action::Reset));
    fixture
        .cluster
        .inject(Fault::on("configmaps", Verb::List, Action::Freeze));
    fixture.cluster.inject(Fault::on(
        "configmaps",
        Verb::List,
        Action::stream(Disruption::CutMidLine),
    ));
    assert!(fixture.send("GET", MAPS, "", "").await.is_err());
    let frozen = fixture.send("GET", MAPS, "", "");
    tokio::select! {
        _ = frozen => panic!("a frozen request is never answered"),
        () = async {
            while fixture.cluster.faults_bitten()[1].bitten == 0 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let mut cut = fixture
        .send("GET", MAPS, "", "")
        .await
        .expect("the server answers");
    let half = cut.rest().await.expect("the body ends cleanly");
    assert!(half.starts_with(b"{\"kind\"") && !half.ends_with(b"}\n"));
    assert_eq!(fixture.cluster.faults_unbitten(), []);
}
