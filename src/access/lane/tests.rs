//! Turns and places, without the questions.

use super::*;

fn user(name: &str) -> Asker {
    Asker::user(name)
}

/// Whether it is its turn; if so it is kept.
fn turn(place: &mut Option<Place>) -> Option<Turn> {
    let called = place.as_mut()?.called.try_recv();
    called.ok()?;
    place.take().map(Turn)
}

fn enter(lane: &Lane, name: &str) -> Option<Place> {
    lane.enter(&user(name))
}

/// Enters so often; gives the turns that there are, and the places of those who wait.
fn flood(lane: &Lane, name: &str, questions: usize) -> (Vec<Turn>, Vec<Place>) {
    let (mut turns, mut places) = (Vec::new(), Vec::new());
    for _ in 0..questions {
        let mut place = enter(lane, name);
        turns.extend(turn(&mut place));
        places.extend(place);
    }
    (turns, places)
}

fn is_empty(lane: &Lane) -> bool {
    let state = lane.0.lock();
    state.lines.is_empty()
        && state.round.is_empty()
        && state.tickets.is_empty()
        && state.waiting == 0
}

#[test]
fn one_asker_has_a_share_of_the_turns_and_the_others_the_rest() {
    let lane = Lane::new(8, 100);
    let (flooding, waiting) = flood(&lane, "flood", 50);
    assert_eq!((flooding.len(), waiting.len()), (2, 48));
    let mut others = Vec::new();
    for name in ["ann", "bob", "eve"] {
        let mut place = enter(&lane, name);
        others.push(turn(&mut place).expect("at once, behind nobody"));
    }
    drop((flooding, waiting, others));
    assert!(is_empty(&lane));
    assert_eq!(lane.0.lock().free, 8);
}

#[test]
fn where_there_are_no_shares_no_turn_is_left_free() {
    let lane = Lane::whole(8, 100);
    let (mut flooding, waiting) = flood(&lane, "flood", 50);
    assert_eq!((flooding.len(), waiting.len()), (8, 42));
    let mut ann = enter(&lane, "ann");
    assert!(turn(&mut ann).is_none(), "all turns are taken");
    flooding.truncate(6);
    assert!(turn(&mut ann).is_some(), "before most of the flood");
    drop((flooding, waiting));
    assert!(is_empty(&lane));
}

#[test]
fn turns_go_round() {
    let lane = Lane::new(1, 100);
    let (mut held, mut waiting) = flood(&lane, "flood", 20);
    let mut ann = enter(&lane, "ann");
    let mut bob = enter(&lane, "bob");
    assert!(turn(&mut ann).is_none(), "the only turn is taken");
    held.pop();
    drop(turn(&mut ann).expect("ann, before 19 older questions"));
    let last = turn(&mut bob).expect("bob");
    let mut next = Some(waiting.remove(0));
    assert!(turn(&mut next).is_none());
    drop(last);
    assert!(turn(&mut next).is_some(), "the oldest of the flood");
    drop((waiting, next));
    assert!(is_empty(&lane));
}

#[test]
fn a_full_lane_has_room_for_whoever_has_less_in_it() {
    let lane = Lane::new(1, 8);
    let (_held, mut waiting) = flood(&lane, "flood", 9);
    assert_eq!(waiting.len(), 8);
    assert!(enter(&lane, "flood").is_none(), "it has most of all");
    let mut ann = vec![enter(&lane, "ann").expect("a place")];
    let called = waiting[7].called.try_recv();
    assert_eq!(called, Err(oneshot::error::TryRecvError::Closed));
    for _ in 0..3 {
        ann.push(enter(&lane, "ann").expect("still less than the flood"));
    }
    assert!(enter(&lane, "ann").is_none(), "half of it is enough");
    assert_eq!(lane.0.lock().waiting, 8);
    // Those who lost their places have nothing to give back.
    waiting.truncate(4);
    assert_eq!(lane.0.lock().waiting, 8);
    drop((waiting, ann));
    assert_eq!(lane.0.lock().waiting, 0);
}

#[test]
fn a_lane_without_places_still_has_turns() {
    let lane = Lane::new(4, 0);
    let mut ann = enter(&lane, "ann");
    let turn = turn(&mut ann).expect("nobody else is here");
    assert!(enter(&lane, "ann").is_none(), "her share is used");
    drop(turn);
    assert!(enter(&lane, "ann").is_some());
}

#[tokio::test]
async fn a_turn_that_came_too_late_is_not_lost() {
    let lane = Lane::new(1, 8);
    let held = enter(&lane, "ann").expect("a place").turn().await;
    let called = enter(&lane, "bob").expect("a place");
    let next = enter(&lane, "eve").expect("a place");
    drop(held.expect("a turn"));
    drop(called);
    assert!(next.turn().await.is_some());
    assert!(is_empty(&lane));
}
