//! Cursors over a feed, by their rules.

mod breaks;
mod held;
mod seam;
mod starved;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Wake, Waker},
    time::{Duration, Instant},
};

use super::*;
use crate::{
    resource::{Delta, Gvr, ResourceVersion},
    selector::Query,
    store::{HistoryLimits, Located, Objects},
    view::{
        Budget,
        testing::{brief, events, pod, query},
    },
};

const INTERVAL: Duration = Duration::from_secs(30);

fn rv(version: u64) -> ResourceVersion {
    ResourceVersion::new(&version.to_string())
}

fn limits(history: usize, log: usize) -> FeedLimits {
    let history = HistoryLimits {
        bytes: history,
        age: Duration::from_secs(3600),
    };
    FeedLimits {
        history,
        view_log_bytes: log,
        budget: Budget::new(64 << 20),
    }
}

fn feed_with(limits: FeedLimits) -> Arc<Feed> {
    let feed = Feed::new(Gvr::new("", "v1", "pods"), [1; 8], limits, Arc::default());
    feed.replace(
        vec![pod("ns/old", "u0", &[("app", "web")], 5)],
        rv(1000),
        false,
    );
    feed.set_health(UpstreamHealth::Healthy, None);
    feed
}

fn feed() -> Arc<Feed> {
    feed_with(limits(1 << 20, 1 << 20))
}

fn set(feed: &Feed, name: &str, version: u64) {
    feed.apply(vec![Delta::Modified(pod(
        name,
        name,
        &[("app", "web")],
        version,
    ))]);
}

fn begin(plan: Plan) -> Begin {
    Begin {
        plan,
        on_expired: OnExpired::Reset,
        bookmark_interval: INTERVAL,
        deadline: None,
        reconnect_delay: Duration::from_millis(700),
    }
}

fn after(feed: &Feed, version: u64) -> Plan {
    let (Located::At(seq), epoch, _) = feed.locate(&rv(version)) else {
        panic!("{version} must be known")
    };
    Plan::After {
        seq,
        version: rv(version),
        epoch,
        outcome: Outcome::Resumed,
    }
}

/// A subscription and a compact account of what it says.
struct Told {
    subscription: Subscription,
    query: Query,
    now: Instant,
}

impl Told {
    fn new(feed: &Arc<Feed>, labels: &str, begin: Begin) -> Self {
        let (query, now) = (query(labels), Instant::now());
        Self {
            subscription: Subscription::new(feed, &query, begin, now),
            query,
            now,
        }
    }

    fn poll(&mut self) -> Option<Result<Item, Closed>> {
        self.poll_with(Waker::noop())
    }

    fn poll_with(&mut self, waker: &Waker) -> Option<Result<Item, Closed>> {
        match self.subscription.poll_next(self.now, waker) {
            Poll::Ready(Some(item)) => Some(item),
            Poll::Ready(None) => panic!("closed"),
            Poll::Pending => None,
        }
    }

    /// The next item, where the subscription only gives way to others too.
    fn next(&mut self) -> Option<Result<Item, Closed>> {
        loop {
            let woken = Arc::new(Woken::default());
            let item = self.poll_with(&woken.clone().into());
            if item.is_some() || !woken.0.load(Ordering::SeqCst) {
                return item;
            }
        }
    }

    /// Everything until it waits for others or closes.
    fn all(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(item) = self.next() {
            match item {
                Ok(item) => told.extend(words(item)),
                Err(closed) => {
                    told.push(format!("closed {}", closed.as_str()));
                    return told;
                }
            }
        }
        told
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

/// Whether somebody was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn words(item: Item) -> Vec<String> {
    let control = match item {
        Item::Events(slices) => {
            return brief(&slices);
        }
        Item::Control(control) => control,
    };
    vec![match control {
        Control::Started { outcome, epoch } => format!("started {outcome:?} {epoch}"),
        Control::SnapshotEnd { version, count, .. } => format!("end {version} {count}"),
        Control::Bookmark { version, .. } => format!("bookmark {version}"),
        Control::Reset { reason, epoch } => format!("reset {reason:?} {epoch}"),
        Control::Upstream { health, .. } => format!("upstream {health:?}"),
        Control::Draining { reconnect_delay } => format!("draining {reconnect_delay:?}"),
    }]
}

#[test]
fn a_snapshot_is_followed_by_what_comes_after_it() {
    let feed = feed();
    set(&feed, "ns/new", 1001);
    let mut told = Told::new(&feed, "app=web", begin(Plan::Snapshot(None)));
    set(&feed, "ns/new", 1002);
    assert_eq!(
        told.all(),
        [
            "started Snapshot 0",
            "new@1001AD",
            "old@5AD",
            "end 1001 2",
            "new@1002MO"
        ]
    );
    let mut empty = Told::new(&feed, "app=db", begin(Plan::Snapshot(None)));
    assert_eq!(empty.all(), ["started Snapshot 0", "end 1002 0"]);
}

#[test]
fn a_position_is_continued_without_gap_or_repetition() {
    let feed = feed();
    for version in 1001..1006 {
        set(&feed, "ns/p", version);
    }
    let mut told = Told::new(&feed, "", begin(after(&feed, 1003)));
    assert_eq!(told.all(), ["started Resumed 0", "p@1004MO", "p@1005MO"]);
    set(&feed, "ns/p", 1006);
    assert_eq!(told.all(), ["p@1006MO"]);
}

#[test]
fn two_subscribers_of_one_query_receive_the_same_allocation() {
    let feed = feed();
    let plan = || begin(after(&feed, 1000));
    let mut two = [
        Told::new(&feed, "app=web", plan()),
        Told::new(&feed, "app in (web)", plan()),
    ];
    assert_eq!(two[0].query, two[1].query);
    set(&feed, "ns/p", 1001);
    let [a, b] = two.each_mut().map(|told| {
        let mut slices = Vec::new();
        while let Some(item) = told.poll() {
            if let Ok(Item::Events(more)) = item {
                slices.extend(more);
            }
        }
        slices
    });
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_eq!(a[0].as_ptr(), b[0].as_ptr());
}

// G7 on another replica: the position came from one that was further on.
#[test]
fn a_position_that_the_feed_has_yet_to_reach_is_waited_for() {
    let feed = feed();
    let plan = || {
        begin(Plan::Ahead {
            version: rv(1005),
            epoch: 0,
        })
    };
    let mut told = Told::new(&feed, "app=web", plan());
    assert_eq!(told.all(), ["started Resumed 0"]);
    set(&feed, "ns/p", 1001);
    set(&feed, "ns/p", 1005);
    assert_eq!(told.all(), Vec::<String>::new());
    set(&feed, "ns/p", 1006);
    assert_eq!(told.all(), ["p@1006MO"]);

    let mut jumping = Told::new(
        &feed,
        "app=web",
        begin(Plan::Ahead {
            version: rv(1010),
            epoch: 0,
        }),
    );
    jumping.all();
    feed.apply(vec![
        Delta::Modified(pod("ns/p", "ns/p", &[("app", "web")], 1009)),
        Delta::Modified(pod("ns/p", "ns/p", &[("app", "web")], 1011)),
    ]);
    assert_eq!(jumping.all(), ["p@1011MO"]);

    let mut idle = Told::new(
        &feed,
        "app=web",
        begin(Plan::Ahead {
            version: rv(1020),
            epoch: 0,
        }),
    );
    idle.all();
    idle.pass(INTERVAL);
    assert_eq!(idle.all(), ["bookmark 1020"]);
    feed.apply(vec![Delta::Bookmark(rv(1030))]);
    idle.pass(INTERVAL);
    assert_eq!(idle.all(), ["bookmark 1030"]);

    let mut rewound = Told::new(
        &feed,
        "",
        begin(Plan::Ahead {
            version: rv(1040),
            epoch: 0,
        }),
    );
    rewound.all();
    feed.replace(vec![], rv(7), true);
    assert_eq!(rewound.all(), ["reset Rewound 1", "end 7 0"]);
}

#[test]
fn whoever_starts_from_now_is_told_where_that_is() {
    let feed = feed();
    let Plan::After {
        seq,
        version,
        epoch,
        ..
    } = after(&feed, 1000)
    else {
        unreachable!()
    };
    let plan = Plan::After {
        seq,
        version,
        epoch,
        outcome: Outcome::FromNow,
    };
    let mut told = Told::new(&feed, "", begin(plan));
    assert_eq!(told.all(), ["started FromNow 0", "bookmark 1000"]);
    set(&feed, "ns/p", 1001);
    assert_eq!(told.all(), ["p@1001AD"]);
}

#[test]
fn bookmarks_come_in_time_and_advance_over_what_is_filtered_out() {
    let feed = feed();
    let mut told = Told::new(&feed, "app=db", begin(Plan::Snapshot(None)));
    told.all();
    set(&feed, "ns/p", 1001);
    assert_eq!(told.all(), Vec::<String>::new());
    told.pass(INTERVAL);
    assert_eq!(told.all(), ["bookmark 1001"]);
    told.pass(INTERVAL / 2);
    assert_eq!(told.all(), Vec::<String>::new());
    feed.apply(vec![Delta::Bookmark(rv(2000))]);
    told.pass(INTERVAL / 2);
    assert_eq!(told.all(), ["bookmark 2000"]);
}

#[test]
fn a_token_continues_where_it_was_given_out() {
    let feed = feed();
    let scope = feed.scope(&query("app=web"));
    set(&feed, "ns/p", 1001);
    let mut told = Told::new(&feed, "app=web", begin(Plan::Snapshot(None)));
    let mut tokens = Vec::new();
    set(&feed, "ns/p", 1002);
    told.pass(INTERVAL);
    while let Some(Ok(item)) = told.poll() {
        match item {
            Item::Control(Control::SnapshotEnd { token, .. } | Control::Bookmark { token, .. }) => {
                tokens.push(token);
            }
            Item::Events(slices) => {
                let given = events(&slices).into_iter().map(|event| event.resume_token);
                tokens.extend(given.filter(|token| !token.is_empty()));
            }
            Item::Control(_) => {}
        }
    }
    let versions: Vec<_> = tokens
        .iter()
        .map(|token| scope.position(token).expect("our own").version.to_string())
        .collect();
    assert_eq!(versions, ["1001", "1002"]);
}
