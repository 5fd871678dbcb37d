//! Reaching back while the history of the cluster is rewound.

use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::{
    reflector::{
        ReflectorOptions,
        testing::{PATIENCE, Server, answer, list, pods, source},
    },
    resource::{Gvr, ResourceVersion},
    store::HistoryLimits,
    subscription::FeedLimits,
    view::Budget,
};

fn at(epoch: u32, version: u64) -> Position {
    let version = ResourceVersion::new(&version.to_string());
    Position { epoch, version }
}

/// A feed that was synced at 1000.
fn feed() -> Arc<Feed> {
    let history = HistoryLimits {
        bytes: 1 << 20,
        age: Duration::from_secs(3600),
    };
    let limits = FeedLimits {
        history,
        view_log_bytes: 1 << 20,
        budget: Budget::new(64 << 20),
    };
    let feed = Feed::new(Gvr::new("", "v1", "pods"), [1; 8], limits, Arc::default());
    feed.replace(vec![], at(0, 1000).version, false);
    feed
}

fn rewind(feed: &Feed, to: u64) {
    feed.replace(vec![], at(0, to).version, true);
}

/// What is answered while the requests are served.
async fn served<T>(feed: &Feed, server: &Server, asking: impl AsyncFnOnce(CatchUp) -> T) -> T {
    let (catch_up, mut requests) = CatchUp::new();
    let fetcher = Fetcher {
        client: server.client.clone(),
        source: source(&pods()),
        options: ReflectorOptions::default(),
    };
    tokio::select! {
        () = serve(&mut requests, feed, &fetcher) => unreachable!("it serves for ever"),
        asked = tokio::time::timeout(PATIENCE, asking(catch_up)) => asked.expect("answered"),
    }
}

#[tokio::test]
async fn where_the_cluster_was_before_a_rewind_says_nothing_of_the_time_after() {
    let versions = Mutex::new([3000, 60].into_iter());
    let server = Server::start(move |_| {
        let version = versions.lock().next().expect("asked twice");
        answer(200, list(&[], version, ""))
    });
    let (feed, server) = (feed(), server.await);
    served(&feed, &server, async |catch_up| {
        assert_eq!(catch_up.reach(at(0, 2000)).await.as_str(), "ahead");
        rewind(&feed, 50);
        assert_eq!(catch_up.reach(at(1, 2000)).await.as_str(), "future");
        assert_eq!(catch_up.reach(at(0, 50)).await.as_str(), "rewound");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_answered_across_a_rewind() {
    for rewound_by in ["limit=1", "=exact", "watch=true"] {
        let feed = feed();
        let rewinding = feed.clone();
        let server = Server::start(move |target: &str| {
            if target.contains(rewound_by) && rewinding.epoch() == 0 {
                rewind(&rewinding, 999);
            }
            let version = if target.contains("resourceversion=950") {
                950
            } else {
                900
            };
            match target {
                watch if watch.contains("watch=true") => answer(410, ""),
                exact if exact.contains("=exact") => answer(200, list(&[], version, "")),
                _ => answer(200, list(&[], 3000, "")),
            }
        });
        let server = server.await;
        served(&feed, &server, async |catch_up| {
            let asked = if rewound_by == "limit=1" {
                [2000, 2000]
            } else {
                [900, 950]
            };
            let answers = asked.map(|version| catch_up.reach(at(0, version)));
            for answer in futures::future::join_all(answers).await {
                assert_eq!(answer.as_str(), "rewound", "{rewound_by}");
            }
        })
        .await;
    }
}
