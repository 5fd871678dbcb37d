//! Readers for whom there is no room: they wait, are told so in time, and miss nothing.

use super::*;

/// A feed with one large object, and a budget of less than that.
fn scarce() -> Arc<Feed> {
    let limits = FeedLimits {
        budget: Budget::new(64 << 10),
        ..limits(64 << 20, 1 << 20)
    };
    let feed = feed_with(limits);
    feed.apply(vec![Delta::Modified(large(1001))]);
    feed
}

fn large(version: u64) -> Arc<crate::resource::Object> {
    let padding = "x".repeat(100_000);
    pod("ns/large", "l", &[("pad", &padding)], version)
}

/// Reads up to a message with the large object, which stays on its way as long as it is held.
fn on_its_way(feed: &Arc<Feed>) -> Item {
    let mut told = Told::new(feed, "app!=db", begin(after(feed, 1000)));
    loop {
        let item = told.next().expect("more").expect("no end");
        if let Item::Events(_) = item {
            return item;
        }
    }
}

#[test]
fn a_reader_without_room_waits_and_is_told_where_it_stands() {
    let feed = scarce();
    let held = on_its_way(&feed);
    assert!(feed.budget().size().used > 64 << 10);
    let mut told = Told::new(&feed, "app!=x", begin(after(&feed, 1000)));
    assert_eq!(told.all(), ["started Resumed 0"]);
    told.pass(INTERVAL);
    assert_eq!(told.all(), ["bookmark 1000"]);
    drop(held);
    assert_eq!(told.all(), ["large@1001AD"]);
    assert!(feed.budget().size().refused > 0);
}

#[test]
fn a_waiting_reader_is_woken_soon() {
    let feed = scarce();
    let held = on_its_way(&feed);
    let mut told = Told::new(&feed, "app!=x", begin(after(&feed, 1000)));
    told.all();
    let woken = Arc::new(Woken::default());
    assert!(told.poll_with(&woken.clone().into()).is_none());
    feed.tick(told.now);
    assert!(!woken.0.load(Ordering::SeqCst));
    feed.tick(told.now + Feed::TICK);
    assert!(woken.0.load(Ordering::SeqCst));
    drop(held);
}

#[test]
fn inside_a_snapshot_it_is_told_that_news_are_late() {
    let feed = scarce();
    let held = on_its_way(&feed);
    let mut told = Told::new(&feed, "app!=x", begin(Plan::Snapshot(None)));
    assert_eq!(told.all(), ["started Snapshot 0"]);
    told.pass(INTERVAL);
    assert_eq!(told.all(), ["upstream Degraded", "upstream Healthy"]);
    drop(held);
    assert_eq!(told.all(), ["large@1001AD", "old@5AD", "end 1001 2"]);
}

#[test]
fn an_end_does_not_wait_for_room() {
    let feed = scarce();
    let held = on_its_way(&feed);
    let mut live = Told::new(&feed, "app!=x", begin(after(&feed, 1000)));
    let mut starting = Told::new(&feed, "app!=x", begin(Plan::Snapshot(None)));
    live.all();
    starting.all();
    feed.drain().begin();
    assert_eq!(starting.all(), ["draining 700ms", "closed draining"]);
    assert_eq!(
        live.all(),
        ["draining 700ms", "bookmark 1000", "closed draining"]
    );
    drop(held);
}

#[test]
fn a_difference_that_there_is_no_room_for_is_not_told() {
    let feed = scarce();
    let held = on_its_way(&feed);
    let old: Objects = [large(900)]
        .into_iter()
        .map(|object| (object.key().clone(), object))
        .collect();
    let refused = feed.difference_from(&old, 0).err();
    assert_eq!(refused, Some(NoDifference::NoRoom));
    drop(held);
}

#[test]
fn an_end_that_comes_between_two_looks_gives_no_token_inside_a_difference() {
    let feed = scarce();
    let (difference, head) = feed
        .difference_from(&Objects::default(), 0)
        .expect("the same epoch");
    let held = on_its_way(&feed);
    let plan = Plan::Difference {
        difference,
        head,
        epoch: 0,
    };
    let mut told = Told::new(&feed, "app!=x", begin(plan));
    assert_eq!(told.all(), ["started Resynced 0"]);
    // As if it had begun right after the look that comes before each step.
    feed.drain().begin();
    told.subscription.starved(told.now, Waker::noop());
    let draining = told.poll().expect("more").expect("no end");
    assert_eq!(words(draining), ["draining 700ms"]);
    assert!(matches!(told.poll(), Some(Err(Closed::Draining))));
    drop(held);
}
