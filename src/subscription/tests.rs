//! Cursors over a feed, by their rules.

mod seam;

use std::{
    sync::Arc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use super::*;
use crate::{
    resource::{Delta, Gvr, ResourceVersion},
    selector::Query,
    store::{HistoryLimits, Located, Objects},
    view::testing::{events, pod, query},
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
    }
}

fn feed_with(limits: FeedLimits) -> Arc<Feed> {
    let feed = Feed::new(Gvr::new("", "v1", "pods"), [1; 8], limits, Arc::default());
    feed.replace(
        vec![pod("ns/old", "u0", &[("app", "web")], 5)],
        rv(1000),
        false,
    );
    feed.set_health(UpstreamHealth::Healthy, false);
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
        match self.subscription.poll_next(self.now, Waker::noop()) {
            Poll::Ready(Some(item)) => Some(item),
            Poll::Ready(None) => panic!("closed"),
            Poll::Pending => None,
        }
    }

    /// Everything until it waits or closes.
    fn all(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(item) = self.poll() {
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

fn words(item: Item) -> Vec<String> {
    let control = match item {
        Item::Events(slices) => {
            let name = |event: crate::proto::v1::Event| {
                let kind = event.r#type().as_str_name();
                format!("{}@{}{}", event.name, event.resource_version, &kind[11..13])
            };
            return events(&slices).into_iter().map(name).collect();
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

// K45, `TestCacheIntervalInvalidationStopsWatch`: a reader whose place is overwritten never jumps.
#[test]
fn a_reader_that_history_has_passed_is_reset_or_ended() {
    for (on_expired, expected) in [
        (
            OnExpired::Reset,
            vec!["reset Lagged 0", "p@1009AD", "old@5AD", "end 1009 2"],
        ),
        (OnExpired::Fail, vec!["closed expired"]),
    ] {
        let feed = feed_with(limits(600, 300));
        let begin = Begin {
            on_expired,
            ..begin(after(&feed, 1000))
        };
        let mut told = Told::new(&feed, "", begin);
        assert_eq!(told.all(), ["started Resumed 0"]);
        for version in 1001..1010 {
            set(&feed, "ns/p", version);
        }
        let mut got = told.all();
        got.sort_by_key(|line| !line.starts_with("reset"));
        let mut expected: Vec<String> = expected.into_iter().map(String::from).collect();
        expected[1..].sort();
        got[1..].sort();
        assert_eq!(got, expected);
    }
}

#[test]
fn a_reader_behind_the_log_is_served_from_the_history() {
    let feed = feed_with(limits(1 << 20, 300));
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.all();
    for version in 1001..1010 {
        set(&feed, "ns/p", version);
    }
    let expected: Vec<_> = (1001..1010)
        .map(|v| format!("p@{v}{}", if v == 1001 { "AD" } else { "MO" }))
        .collect();
    assert_eq!(told.all(), expected);
}

#[test]
fn a_rewind_resets_and_changes_the_epoch() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.all();
    feed.replace(vec![pod("ns/restored", "u", &[], 7)], rv(50), true);
    assert_eq!(told.all(), ["reset Rewound 1", "restored@7AD", "end 50 1"]);
    set(&feed, "ns/p", 51);
    assert_eq!(told.all(), ["p@51AD"]);
    let fail = Begin {
        on_expired: OnExpired::Fail,
        ..begin(after(&feed, 51))
    };
    let mut strict = Told::new(&feed, "", fail);
    strict.all();
    feed.replace(vec![], rv(20), true);
    assert_eq!(strict.all(), ["closed rewound"]);
}

#[test]
fn a_relist_is_told_as_the_difference() {
    let feed = feed();
    set(&feed, "ns/p", 1001);
    let mut told = Told::new(&feed, "", begin(after(&feed, 1001)));
    told.all();
    feed.replace(vec![pod("ns/q", "q", &[], 1005)], rv(1010), false);
    assert_eq!(told.all(), ["q@1005AD", "old@1010DE", "p@1010DE"]);
    told.pass(INTERVAL);
    assert_eq!(told.all(), ["bookmark 1010"]);
}

#[test]
fn a_difference_from_an_old_state_leads_to_the_present() {
    let feed = feed();
    set(&feed, "ns/p", 1001);
    let old: Objects = [
        pod("ns/gone", "g", &[], 3),
        pod("ns/old", "u0", &[("app", "web")], 5),
    ]
    .into_iter()
    .map(|object| (object.key().clone(), object))
    .collect();
    let (changes, head) = feed.difference_from(&old);
    let plan = || Plan::Difference {
        changes: changes.clone(),
        head: head.clone(),
        epoch: 0,
    };
    let mut told = Told::new(&feed, "", begin(plan()));
    assert_eq!(
        told.all(),
        ["started Resynced 0", "p@1001AD", "gone@1001DE"]
    );
    // Where none of it matters to the query a bookmark says where it stands.
    let mut none = Told::new(&feed, "app=db", begin(plan()));
    assert_eq!(none.all(), ["started Resynced 0", "bookmark 1001"]);
}

#[test]
fn upstream_is_told_when_it_changes_and_at_the_start_only_if_it_is_bad() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    assert_eq!(told.all(), ["started Resumed 0"]);
    feed.set_health(UpstreamHealth::Degraded, false);
    assert_eq!(told.all(), ["upstream Degraded"]);
    let mut late = Told::new(&feed, "", begin(after(&feed, 1000)));
    assert_eq!(late.all(), ["started Resumed 0", "upstream Degraded"]);
    feed.set_health(UpstreamHealth::Healthy, false);
    assert_eq!(told.all(), ["upstream Healthy"]);
}

#[test]
fn planned_ends_hand_out_a_last_position() {
    let feed = feed();
    let now = Instant::now();
    let deadline = Some(now + Duration::from_secs(5));
    let mut told = Told::new(
        &feed,
        "app=db",
        Begin {
            deadline,
            ..begin(after(&feed, 1000))
        },
    );
    told.all();
    set(&feed, "ns/p", 1001);
    told.pass(Duration::from_secs(6));
    assert_eq!(told.all(), ["bookmark 1001", "closed timeout"]);
}

#[test]
fn a_drain_lets_a_reader_read_to_the_end() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    let mut starting = Told::new(&feed, "", begin(Plan::Snapshot(None)));
    told.all();
    set(&feed, "ns/p", 1001);
    feed.drain().begin();
    assert_eq!(
        told.all(),
        [
            "draining 700ms",
            "p@1001AD",
            "bookmark 1001",
            "closed draining"
        ]
    );
    assert_eq!(
        starting.all(),
        ["started Snapshot 0", "draining 700ms", "closed draining"]
    );
}

#[test]
fn a_resource_that_is_gone_ends_its_streams() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.all();
    feed.set_health(UpstreamHealth::Degraded, true);
    assert_eq!(
        told.all(),
        ["upstream Degraded", "bookmark 1000", "closed not_served"]
    );
}

#[test]
fn leaving_gives_everything_back() {
    let feed = feed();
    let told: Vec<_> = (0..100)
        .map(|at| Told::new(&feed, &format!("n={}", at % 10), begin(after(&feed, 1000))))
        .collect();
    assert_eq!((feed.size().views, feed.size().subscriptions), (10, 100));
    drop(told);
    assert_eq!((feed.size().views, feed.size().subscriptions), (0, 0));
}

// F65: whoever joins stands either before or after a write, never in between.
#[test]
fn joining_while_events_stream_in_loses_and_repeats_nothing() {
    let feed = feed();
    let last = 3000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for version in 1001..=last {
                set(&feed, "ns/p", version);
            }
        });
        for reader in 0..4 {
            let feed = feed.clone();
            scope.spawn(move || {
                for round in 0..50 {
                    let label = format!("app!=x{}", (reader + round) % 3);
                    let mut told = Told::new(&feed, &label, begin(Plan::Snapshot(None)));
                    let mut seen: Option<u64> = None;
                    let mut ended = None;
                    while ended.is_none_or(|end| seen.unwrap_or(end) < (end + 20).min(last)) {
                        for line in told.all() {
                            if let Some(rest) = line.strip_prefix("end ") {
                                let version = rest.split(' ').next().expect("a version");
                                ended = version.parse().ok();
                                seen = ended;
                            } else if let (Some(before), Some(rest)) =
                                (seen, line.strip_prefix("p@"))
                            {
                                let version: u64 = rest[..rest.len() - 2].parse().expect("number");
                                assert_eq!(version, before + 1, "{line}");
                                seen = Some(version);
                            }
                        }
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
}
