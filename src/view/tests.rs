//! Transitions, logs, snapshots and the index, each by its rules.

mod bounded;
mod sharing;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    testing::{events, pod, query, rv},
    *,
};
use crate::{
    proto::v1,
    resource::Delta,
    selector::{EventType, EventTypes, FilterSpec, Membership, Query},
    store::{Head, HistoryLimits, Seq, Snapshot, WatchCache},
};

fn told(slices: &[Bytes]) -> Vec<String> {
    let line = |event: &v1::Event| {
        format!(
            "{}/{} {}@{} shows {} token {:?}",
            event
                .r#type()
                .as_str_name()
                .trim_start_matches("EVENT_TYPE_"),
            event
                .cause()
                .as_str_name()
                .trim_start_matches("EVENT_CAUSE_"),
            event.name,
            event.resource_version,
            serde_json::from_slice::<serde_json::Value>(&event.object).expect("json")["metadata"]["labels"],
            event.resume_token,
        )
    };
    events(slices).iter().map(line).collect()
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A cache with views on it, published to as a feed does.
struct Stage {
    cache: WatchCache,
    registry: Registry,
    budget: Arc<Budget>,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        let now = Instant::now();
        let limits = HistoryLimits {
            bytes: 1 << 20,
            age: Duration::from_secs(3600),
        };
        let mut cache = WatchCache::new(limits);
        cache.replace(vec![], rv(1000), now);
        let budget = Budget::new(64 << 20);
        Self {
            cache,
            registry: Registry::new(budget.clone(), 1 << 20),
            budget,
            now,
        }
    }

    fn view(&mut self, query: &Query) -> Arc<View> {
        let start = self.cache.head().seq;
        let mint = || -> Mint { Box::new(|version| format!("t{version}")) };
        self.registry.view(query, mint, start)
    }

    fn apply(&mut self, deltas: Vec<Delta>) -> usize {
        let changes = self.cache.apply(deltas, self.now);
        let wake = self.registry.publish(&changes);
        let count = wake.len();
        wake.into_iter().for_each(Waker::wake);
        self.budget.ease();
        count
    }

    fn read(&self, view: &View, reader: Reader, after: Seq) -> Vec<Bytes> {
        let read = view.read(reader, after, 1 << 20, self.now, Waker::noop());
        match read {
            Read::Run(run) => run.slices,
            Read::Pending => Vec::new(),
            Read::Behind(_) => panic!("behind"),
        }
    }
}

// K44, `TestCachingDeleteEvents` of k8s.io/apiserver.
#[test]
fn leaving_a_filter_shows_the_last_matching_state_at_the_new_version() {
    let mut stage = Stage::new();
    let views = ["", "foo", "bar"].map(|labels| stage.view(&query(labels)));
    let readers = views
        .each_ref()
        .map(|view| view.join(stage.cache.head().seq, stage.now));
    let start = stage.cache.head().seq;
    let labels: [&[(&str, &str)]; 3] = [&[("foo", "1"), ("bar", "1")], &[("foo", "1")], &[]];
    stage.apply(vec![Delta::Added(pod("ns/p", "u", labels[0], 1001))]);
    stage.apply(vec![Delta::Modified(pod("ns/p", "u", labels[1], 1002))]);
    stage.apply(vec![Delta::Modified(pod("ns/p", "u", labels[2], 1003))]);
    stage.apply(vec![Delta::Deleted(pod("ns/p", "u", labels[2], 1004))]);
    let [all, foo, bar] = [0, 1, 2].map(|at| told(&stage.read(&views[at], readers[at], start)));
    assert_eq!(
        all,
        [
            r#"ADDED/CHANGE p@1001 shows {"bar":"1","foo":"1"} token "t1001""#,
            r#"MODIFIED/CHANGE p@1002 shows {"foo":"1"} token "t1002""#,
            r#"MODIFIED/CHANGE p@1003 shows {} token "t1003""#,
            r#"DELETED/CHANGE p@1004 shows {} token "t1004""#,
        ]
    );
    assert_eq!(
        foo,
        [
            r#"ADDED/CHANGE p@1001 shows {"bar":"1","foo":"1"} token "t1001""#,
            r#"MODIFIED/CHANGE p@1002 shows {"foo":"1"} token "t1002""#,
            r#"DELETED/LEFT p@1003 shows {"foo":"1"} token "t1003""#,
        ]
    );
    assert_eq!(
        bar,
        [
            r#"ADDED/CHANGE p@1001 shows {"bar":"1","foo":"1"} token "t1001""#,
            r#"DELETED/LEFT p@1002 shows {"bar":"1","foo":"1"} token "t1002""#,
        ]
    );
    let deleted = &events(&stage.read(&views[2], readers[2], start))[1];
    let object: serde_json::Value = serde_json::from_slice(&deleted.object).expect("json");
    assert_eq!(object["metadata"]["resourceVersion"], "1002");
}

// K32, `TestCacheWatcherHandlesFiltering`.
#[test]
fn flapping_alternates_between_added_and_deleted() {
    let mut stage = Stage::new();
    let view = stage.view(&query("in=yes"));
    let reader = view.join(stage.cache.head().seq, stage.now);
    let start = stage.cache.head().seq;
    for (at, state) in ["no", "no", "yes", "yes", "no", "no"]
        .into_iter()
        .enumerate()
    {
        let object = pod("ns/p", "u", &[("in", state)], 1001 + at as u64);
        stage.apply(vec![Delta::Modified(object)]);
    }
    let types: Vec<_> = events(&stage.read(&view, reader, start))
        .iter()
        .map(|e| (e.r#type(), e.cause(), e.resource_version.clone()))
        .collect();
    use v1::{EventCause as C, EventType as T};
    let expected = [
        (T::Added, C::Entered, "1003"),
        (T::Modified, C::Change, "1004"),
        (T::Deleted, C::Left, "1005"),
    ];
    assert_eq!(types, expected.map(|(t, c, v)| (t, c, v.to_owned())));
}

#[test]
fn another_uid_is_a_deletion_and_a_creation_with_one_position() {
    let mut stage = Stage::new();
    let view = stage.view(&query(""));
    let reader = view.join(stage.cache.head().seq, stage.now);
    stage.apply(vec![Delta::Added(pod("ns/p", "old", &[], 1001))]);
    let start = stage.cache.head().seq;
    stage.apply(vec![Delta::Modified(pod("ns/p", "new", &[], 1002))]);
    let slices = stage.read(&view, reader, start);
    let told: Vec<_> = events(&slices)
        .into_iter()
        .map(|e| (e.r#type(), e.uid, e.resume_token))
        .collect();
    assert_eq!(
        told,
        [
            (v1::EventType::Deleted, "old".to_owned(), String::new()),
            (v1::EventType::Added, "new".to_owned(), "t1002".to_owned()),
        ]
    );
    // A reader never stops between the two, however little it takes at once.
    let Read::Run(run) = view.read(reader, start, 1, stage.now, Waker::noop()) else {
        panic!("there are events");
    };
    assert_eq!(events(&run.slices).len(), 2);
}

#[test]
fn a_group_hands_out_its_token_with_the_last_event_that_is_shown() {
    let mut stage = Stage::new();
    let view = stage.view(&query("app=web"));
    let reader = view.join(stage.cache.head().seq, stage.now);
    let start = stage.cache.head().seq;
    let web = [("app", "web")];
    let list = vec![
        pod("ns/a", "a", &web, 1003),
        pod("ns/b", "b", &web, 1001),
        pod("ns/z", "z", &[], 1004),
    ];
    let changes = stage.cache.replace(list, rv(1010), stage.now);
    stage.registry.publish(&changes);
    let told: Vec<_> = events(&stage.read(&view, reader, start))
        .into_iter()
        .map(|e| (e.name.clone(), e.cause(), e.resume_token))
        .collect();
    let resync = v1::EventCause::Resync;
    let expected = [("b", resync, ""), ("a", resync, "t1010")];
    assert_eq!(
        told,
        expected.map(|(n, c, t)| (n.to_owned(), c, t.to_owned()))
    );
}

#[test]
fn event_types_act_after_membership() {
    let mut stage = Stage::new();
    let types = [EventType::Deleted].into_iter().collect();
    let spec = FilterSpec {
        label_selector: "app=web",
        ..FilterSpec::default()
    };
    let query = Query::new(Membership::new(spec).expect("valid"), types, false);
    let view = stage.view(&query);
    let reader = view.join(stage.cache.head().seq, stage.now);
    let start = stage.cache.head().seq;
    stage.apply(vec![Delta::Added(pod(
        "ns/p",
        "u",
        &[("app", "web")],
        1001,
    ))]);
    stage.apply(vec![Delta::Modified(pod("ns/p", "u", &[], 1002))]);
    let told = told(&stage.read(&view, reader, start));
    assert_eq!(
        told,
        [r#"DELETED/LEFT p@1002 shows {"app":"web"} token "t1002""#]
    );
    // Nothing in its log tells this view that a state is outdated, so it takes a new one.
    let snapshot = |stage: &Stage| {
        let head = stage.cache.head();
        view.snapshot(|| stage.cache.snapshot(), &head)
    };
    let first = snapshot(&stage);
    stage.apply(vec![Delta::Added(pod(
        "ns/q",
        "v",
        &[("app", "web")],
        1003,
    ))]);
    assert!(!Arc::ptr_eq(&first, &snapshot(&stage)));
}

#[test]
fn old_objects_come_with_modifications_only() {
    let mut stage = Stage::new();
    let query = Query::new(Membership::default(), EventTypes::ALL, true);
    let view = stage.view(&query);
    let reader = view.join(stage.cache.head().seq, stage.now);
    let start = stage.cache.head().seq;
    stage.apply(vec![Delta::Added(pod("ns/p", "u", &[("v", "1")], 1001))]);
    stage.apply(vec![Delta::Modified(pod("ns/p", "u", &[("v", "2")], 1002))]);
    stage.apply(vec![Delta::Deleted(pod("ns/p", "u", &[("v", "2")], 1003))]);
    let old: Vec<_> = events(&stage.read(&view, reader, start))
        .iter()
        .map(|event| !event.old_object.is_empty())
        .collect();
    assert_eq!(old, [false, true, false]);
}
