//! What users may have, and who pays for it.

use super::*;
use crate::access::Identity;

fn quotas(limits: Quota) -> Arc<Quotas> {
    Arc::new(Quotas::new(limits))
}

fn user(name: &str) -> Arc<Identity> {
    Arc::new(Identity {
        username: name.to_owned(),
        ..Identity::default()
    })
}

fn enter(quotas: &Arc<Quotas>, name: &str, now: Instant) -> Result<StreamSlot, Refusal> {
    quotas.enter(Some(&user(name)), now)
}

fn after(refusal: Refusal) -> Duration {
    match refusal {
        Refusal::Exhausted { after, .. } => after,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_user_has_so_many_streams_and_no_other_pays_for_it() {
    let two = Quota {
        streams: 2,
        ..Quota::default()
    };
    let (quotas, now) = (quotas(two), Instant::now());
    let first = enter(&quotas, "jane", now).expect("one");
    let _second = enter(&quotas, "jane", now).expect("two");
    let third = enter(&quotas, "jane", now).expect_err("three");
    assert_eq!(
        third.to_string(),
        "too many streams are open; the limit for one user is 2"
    );
    let _other = enter(&quotas, "joe", now).expect("another user");
    drop(first);
    let _again = enter(&quotas, "jane", now).expect("two again");
    assert_eq!(quotas.tally().of(Limit::Streams), 1);
}

#[test]
fn all_users_have_so_many_streams() {
    let two = Quota {
        all_streams: 2,
        ..Quota::default()
    };
    let (quotas, now) = (quotas(two), Instant::now());
    let first = enter(&quotas, "jane", now).expect("one");
    let _anyone = quotas.enter(None, now).expect("two");
    let third = enter(&quotas, "joe", now).expect_err("three");
    assert_eq!(
        third.to_string(),
        "too many streams are open; the limit for all users together is 2"
    );
    drop(first);
    let _again = enter(&quotas, "joe", now).expect("two again");
    assert!(quotas.enter(None, now).is_err());
    assert_eq!(quotas.tally().of(Limit::AllStreams), 2);
}

#[test]
fn a_refused_stream_has_taken_no_place() {
    let one = Quota {
        streams: 1,
        all_streams: 2,
        ..Quota::default()
    };
    let (quotas, now) = (quotas(one), Instant::now());
    let _first = enter(&quotas, "jane", now).expect("one");
    for _ in 0..10 {
        enter(&quotas, "jane", now).expect_err("one is all");
    }
    let _other = enter(&quotas, "joe", now).expect("a place is left");
}

#[test]
fn who_comes_too_fast_waits_for_as_long_as_it_is_told() {
    let (quotas, now) = (quotas(Quota::default()), Instant::now());
    for _ in 0..100 {
        drop(enter(&quotas, "jane", now).expect("within the burst"));
    }
    let after = after(enter(&quotas, "jane", now).expect_err("too fast"));
    assert_eq!(after, Duration::from_millis(50));
    drop(enter(&quotas, "jane", now + after).expect("after the wait"));
    assert!(enter(&quotas, "jane", now + after).is_err());
}

#[test]
fn users_who_left_are_forgotten() {
    let (quotas, now) = (quotas(Quota::default()), Instant::now());
    for number in 0..SWEEP {
        drop(enter(&quotas, &number.to_string(), now));
    }
    assert_eq!(quotas.users.lock().usage.len(), SWEEP);
    drop(enter(&quotas, "late", now + Duration::from_secs(60)));
    assert_eq!(quotas.users.lock().usage.len(), 1);
}

#[test]
fn questions_beyond_the_burst_wait_and_then_are_refused() {
    let (quotas, now) = (quotas(Quota::default()), Instant::now());
    let ask = |questions: usize, now: Instant| {
        let allowance = quotas.allow("jane", questions, now)?;
        (0..questions).for_each(|_| allowance.spend());
        Ok::<_, Refusal>(allowance.wait)
    };
    assert_eq!(ask(1000, now), Ok(Duration::ZERO));
    assert_eq!(ask(100, now), Ok(Duration::from_secs(1)));
    let refusal = ask(150, now).expect_err("half a second too long");
    assert!(
        refusal
            .to_string()
            .ends_with("the limit for one user is 100")
    );
    let later = now + after(refusal);
    assert_eq!(ask(150, later), Ok(Duration::from_secs(2)));
    assert_eq!(ask(0, later), Ok(Duration::ZERO), "answers are remembered");
    let joe = quotas.allow("joe", 256, now).map(|joe| joe.wait);
    assert_eq!(joe, Ok(Duration::ZERO), "another user");
    assert_eq!(quotas.tally().of(Limit::Reviews), 1);
}

#[test]
fn what_was_not_asked_is_given_back_and_what_was_is_owed() {
    let (quotas, now) = (quotas(Quota::default()), Instant::now());
    drop(quotas.allow("jane", 1000, now).expect("within the burst"));
    let allowance = quotas.allow("jane", 1000, now).expect("given back");
    assert_eq!(allowance.wait, Duration::ZERO);
    (0..1100).for_each(|_| allowance.spend());
    drop(allowance);
    let next = quotas.allow("jane", 100, now).expect("soon");
    assert_eq!(next.wait, Duration::from_secs(2));
}

#[test]
fn one_call_is_always_possible_however_low_the_limit() {
    let low = Quota {
        reviews: 1,
        streams: 1,
        ..Quota::default()
    };
    let (quotas, now) = (quotas(low), Instant::now());
    let allowance = quotas.allow("jane", PER_CALL as usize, now);
    assert_eq!(allowance.expect("allowed").wait, Duration::ZERO);
    assert!(quotas.hold("jane", [1; 32], PER_CALL as usize, now).is_ok());
}

#[test]
fn questions_of_open_streams_are_counted_once_for_each_standing() {
    let (quotas, now) = (quotas(Quota::default()), Instant::now());
    let hold = |standing: u8| quotas.hold("jane", [standing; 32], 200, now);
    let mut held: Vec<_> = (0..20)
        .map(|standing| hold(standing).expect("4,000"))
        .collect();
    held.extend((0..20).map(|standing| hold(standing).expect("the same ones")));
    let refusal = hold(20).expect_err("too many");
    assert!(
        refusal
            .to_string()
            .ends_with("the limit for one user is 4000")
    );
    assert!(quotas.hold("joe", [0; 32], 200, now).is_ok());
    held.drain(..20);
    assert!(hold(20).is_err(), "the others still hold them");
    held.pop();
    assert!(hold(20).is_ok());
    drop(held);
    let users = quotas.users.lock();
    let jane = &users.usage["jane"];
    assert_eq!((jane.questions, jane.standings.len()), (0, 0));
}
