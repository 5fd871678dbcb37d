//! Older history put in front of a feed whose views remember more than the feed does.

use super::{super::place::Place, *};
use crate::view::Past;

/// The writes of one pod, of which a difference of states has hidden some; the history has
/// forgotten them; the view's log keeps so many bytes. The live reader has read the first
/// twenty, if it `reads`.
fn forgetful(log: usize, reads: bool) -> (Arc<Feed>, Told) {
    let feed = feed_with(limits(1 << 20, log));
    let mut live = Told::new(&feed, "app=web", begin(after(&feed, 1000)));
    for version in 1001..1021 {
        set(&feed, "ns/p", version);
        if reads {
            live.all();
        }
    }
    let state = vec![pod("ns/old", "u0", &[("app", "web")], 5), web("ns/p", 1030)];
    feed.replace(state, rv(1030), false);
    for version in 1031..1050 {
        set(&feed, "ns/p", version);
    }
    // All of it gets too old.
    feed.tick(Instant::now() + Duration::from_secs(3601));
    (feed, live)
}

fn web(name: &str, version: u64) -> Arc<crate::resource::Object> {
    pod(name, name, &[("app", "web")], version)
}

/// What the apiserver knows of the time before: every single write.
fn reach_back(feed: &Feed, from: u64) {
    let (_, _, floor) = feed.locate(&rv(from));
    let oldest: u64 = floor.to_string().parse().expect("a number");
    assert!(
        oldest > 1031,
        "the history must have forgotten the difference"
    );
    let position = Position {
        epoch: feed.epoch(),
        version: rv(from),
    };
    let writes = (from + 1..=oldest).map(|version| Delta::Modified(web("ns/p", version)));
    let state = vec![pod("ns/old", "u0", &[("app", "web")], 5), web("ns/p", from)];
    assert!(feed.prepend(state, writes.collect(), position, &floor));
}

fn writes(versions: std::ops::Range<u64>) -> Vec<String> {
    versions.map(|version| format!("p@{version}MO")).collect()
}

#[test]
fn a_position_in_regained_history_is_not_taken_for_an_older_place_in_the_log() {
    let (feed, _live) = forgetful(1 << 20, false);
    reach_back(&feed, 1010);
    for position in [1010, 1015, 1020, 1025, 1031, 1040] {
        let mut told = Told::new(&feed, "app=web", begin(after(&feed, position)));
        let all = told.all();
        assert_eq!(all[0], "started Resumed 0");
        assert_eq!(all[1..], writes(position + 1..1050), "after {position}");
    }
}

#[test]
fn a_slow_reader_of_the_log_is_not_moved_by_regained_history() {
    let (feed, mut live) = forgetful(1 << 20, false);
    reach_back(&feed, 1010);
    let all = live.all();
    let expected = [writes(1002..1021), writes(1030..1050)].concat();
    assert_eq!(all[..2], ["started Resumed 0", "p@1001AD"]);
    assert_eq!(all[2..], expected);
}

#[test]
fn a_slow_reader_whose_log_has_gone_finds_its_position_in_regained_history() {
    let (feed, mut live) = forgetful(2_000, true);
    reach_back(&feed, 1010);
    // Every write is known by now, also those that the difference had hidden.
    assert_eq!(live.all(), writes(1021..1050));
}

#[test]
fn a_place_of_another_epoch_is_not_found_where_its_position_is() {
    let feed = feed();
    let seat = feed.seat(&query("app=web"), Instant::now());
    let place = |epoch| Place {
        in_log: false,
        version: rv(1003),
        ..Place::at(feed.head(), epoch)
    };
    let old = place(0);
    feed.replace(vec![], rv(1000), true);
    for version in 1001..1006 {
        set(&feed, "ns/p", version);
    }
    assert_eq!(feed.past(&seat, &old), Past::Lost);
    assert_ne!(feed.past(&seat, &place(1)), Past::Lost);
}

#[test]
fn a_rewind_ends_a_snapshot_that_is_read() {
    let feed = feed();
    let mut told = Told::new(&feed, "", begin(Plan::Snapshot(None)));
    told.poll();
    assert!(matches!(told.poll(), Some(Ok(Item::Events(_)))));
    feed.replace(vec![], rv(50), true);
    assert_eq!(told.all(), ["reset Rewound 1", "end 50 0"]);
}
