//! Readers that are held: no data, no silence, no step forward.

use super::*;

impl Told {
    /// Everything until it waits or closes, while it is held.
    fn held(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            match self.subscription.poll_held(self.now, Waker::noop()) {
                Poll::Pending => return told,
                Poll::Ready(None) => panic!("closed"),
                Poll::Ready(Some(Ok(item))) => told.extend(words(item)),
                Poll::Ready(Some(Err(closed))) => {
                    told.push(format!("closed {}", closed.as_str()));
                    return told;
                }
            }
        }
    }
}

const DEGRADED: &str = "upstream Degraded";
const HEALTHY: &str = "upstream Healthy";

#[test]
fn a_held_reader_keeps_its_place_and_its_heartbeat() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    assert_eq!(told.all(), ["started Resumed 0"]);
    set(&feed, "ns/p", 1001);
    assert_eq!(told.held(), [DEGRADED]);
    set(&feed, "ns/p", 1002);
    assert!(told.held().is_empty());
    told.pass(INTERVAL);
    assert_eq!(
        told.held(),
        ["bookmark 1000"],
        "no step over what was not told"
    );
    told.pass(INTERVAL);
    assert_eq!(told.held(), ["bookmark 1000"]);
    assert_eq!(told.all(), [HEALTHY, "p@1001AD", "p@1002MO"]);
}

#[test]
fn a_held_reader_is_woken_for_its_heartbeat() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.all();
    assert_eq!(told.held(), [DEGRADED]);
    let woken = Arc::new(Woken::default());
    let polled = told.subscription.poll_held(told.now, &woken.clone().into());
    assert!(polled.is_pending());
    feed.tick(told.now);
    assert!(!woken.0.load(Ordering::SeqCst));
    feed.tick(told.now + INTERVAL);
    assert!(woken.0.load(Ordering::SeqCst));
}

#[test]
fn inside_a_snapshot_a_held_reader_is_told_no_position() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(Plan::Snapshot(None)));
    assert_eq!(told.held(), ["started Snapshot 0", DEGRADED]);
    told.pass(INTERVAL);
    assert_eq!(told.held(), [DEGRADED]);
    assert_eq!(told.all(), [HEALTHY, "old@5AD", "end 1000 1"]);
}

#[test]
fn what_is_caught_up_with_counts_only_when_it_is_told() {
    let feed = feed_with(limits(1 << 20, 1));
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    for version in 1001..1006 {
        set(&feed, "ns/p", version);
    }
    assert_eq!(
        words(told.poll().expect("one").expect("fine")),
        ["started Resumed 0"]
    );
    assert_eq!(told.held(), [DEGRADED]);
    told.pass(INTERVAL);
    assert_eq!(told.held(), ["bookmark 1000"]);
    let all = told.all();
    assert_eq!(all[0], HEALTHY);
    assert_eq!(
        all[1..],
        ["p@1001AD", "p@1002MO", "p@1003MO", "p@1004MO", "p@1005MO"]
    );
}

#[test]
fn a_difference_is_held_whole() {
    let feed = feed();
    set(&feed, "ns/p", 1001);
    let (position, head) = (rv(1000), feed.head());
    let (difference, _) = feed
        .difference_from(&Objects::default(), 0)
        .expect("this epoch");
    let plan = Plan::Difference {
        difference,
        head,
        epoch: 0,
    };
    let mut told = Told::new(&feed, "", begin(plan));
    assert_eq!(told.held(), ["started Resynced 0", DEGRADED]);
    told.pass(INTERVAL);
    assert_eq!(
        told.held(),
        [DEGRADED],
        "{position} is behind, 1001 not told"
    );
    feed.drain().begin();
    let ended = told.held();
    assert_eq!(ended, ["draining 700ms", "closed draining"]);
}

#[test]
fn a_held_reader_ends_where_it_stands() {
    let feed = feed();
    let deadline = Instant::now() + Duration::from_secs(60);
    let begin = Begin {
        deadline: Some(deadline),
        ..begin(after(&feed, 1000))
    };
    let mut told = Told::new(&feed, "", begin);
    told.all();
    set(&feed, "ns/p", 1001);
    assert_eq!(told.held(), [DEGRADED]);
    told.pass(Duration::from_secs(61));
    assert_eq!(told.held(), ["bookmark 1000", "closed timeout"]);
}

#[test]
fn a_reader_that_was_held_for_too_long_begins_anew() {
    let feed = feed_with(limits(1, 1));
    let mut told = Told::new(&feed, "", begin(after(&feed, 1000)));
    told.all();
    assert_eq!(told.held(), [DEGRADED]);
    for version in 1001..1100 {
        set(&feed, "ns/p", version);
    }
    let all = told.all();
    assert_eq!(all[..2], [HEALTHY, "reset Lagged 0"]);
    assert_eq!(all.last().map(String::as_str), Some("end 1099 2"));
}
