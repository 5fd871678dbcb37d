//! Following the changes.

use super::*;

#[test]
fn changes_and_bookmarks_move_the_position() {
    let mut rig = Rig::synced();
    rig.lines([
        added("b", 11),
        modified("b", 12),
        deleted("a", 13),
        bookmark(20),
    ]);
    assert_eq!(rig.deltas(), ["+b@11", "~b@12", "-a@13", "=20"]);
    rig.ended(End::Broken, secs(5)).watches_from(20);
}

#[test]
fn timeouts_are_spread() {
    let mut timeouts = Vec::new();
    for seed in 0..50 {
        let mut machine = Machine::new(options());
        match machine.step(Input::Waited, &mut Rng::with_seed(seed)).next {
            Next::Watch { timeout, .. } => timeouts.push(timeout.as_secs()),
            other => panic!("{other:?}"),
        }
    }
    assert!(timeouts.iter().all(|t| (300..=600).contains(t)));
    assert!(timeouts.iter().any(|t| *t < 400) && timeouts.iter().any(|t| *t > 500));
}

#[test]
fn f1_f2_a_cut_stream_resumes_within_half_a_second() {
    for end in [End::Closed, End::Broken] {
        let mut rig = Rig::synced();
        rig.lines([added("b", 11)]).ended(end, secs(5));
        assert!(rig.wait() <= Duration::from_millis(500));
        rig.watches_from(11);
        assert!(rig.healths().is_empty(), "subscribers see nothing");
    }
}

#[test]
fn a_planned_end_resumes_at_once() {
    let mut rig = Rig::synced();
    rig.ended(End::Closed, secs(600));
    assert_eq!(rig.wait(), Duration::ZERO);
    rig.watches_from(10);
}

#[test]
fn very_short_watches_back_off() {
    let mut rig = Rig::synced();
    let mut waits = Vec::new();
    for _ in 0..30 {
        rig.ended(End::Closed, Duration::from_millis(900));
        waits.push(rig.wait());
        rig.watches_from(10);
        rig.step(Input::Opened);
    }
    assert!(waits[20..].iter().any(|wait| *wait > secs(10)), "{waits:?}");
    assert!(
        rig.healths()
            .contains(&degraded(DegradedReason::Unreachable))
    );
}

#[test]
fn f3_nothing_behind_a_bad_line_is_applied() {
    for bad in [
        garbage(),
        Err(DecodeError::UnknownType),
        Err(DecodeError::StatusObject),
    ] {
        let mut rig = Rig::synced();
        rig.lines([added("b", 11), bad, added("c", 13)]);
        assert_eq!(rig.deltas(), ["+b@11"]);
        assert_eq!(rig.restarts(), [RestartReason::Malformed]);
        assert!(rig.wait() <= Duration::from_millis(800));
        rig.watches_from(11);
    }
}

#[test]
fn f4_three_bad_lines_at_one_position_relist() {
    let mut rig = Rig::synced();
    for _ in 0..2 {
        rig.lines([garbage()]).watches_from(10);
        rig.step(Input::Opened);
    }
    // A step forward starts the count anew.
    rig.lines([added("b", 11), garbage()]).watches_from(11);
    rig.step(Input::Opened).lines([garbage()]).watches_from(11);
    rig.step(Input::Opened)
        .lines([garbage()])
        .lists(None, Some(500));
    assert!(rig.healths().contains(&degraded(DegradedReason::BadAnswer)));
}

#[test]
fn f6_f12_unusable_events_relist() {
    for bad in [
        DecodeError::NoVersion,
        DecodeError::NoName,
        DecodeError::TooLong { limit: 9 },
    ] {
        let mut rig = Rig::synced();
        rig.lines([added("b", 11), Err(bad), added("c", 12)]);
        assert_eq!(rig.deltas(), ["+b@11"]);
        assert_eq!(rig.healths(), [degraded(DegradedReason::Desynced)]);
        rig.lists(None, Some(500));
        rig.step(page(&["b"], 12, None)).step(Input::Opened);
        assert_eq!(rig.healths().last(), Some(&Health::Healthy));
    }
}

#[test]
fn f9_f10_silence_reconnects_and_in_the_end_relists() {
    let mut rig = Rig::synced();
    rig.lines([bookmark(11)])
        .ended(End::Idle, secs(90))
        .watches_from(11);
    rig.step(Input::Opened)
        .ended(End::Idle, secs(90))
        .watches_from(11);
    rig.step(Input::Opened)
        .ended(End::Idle, secs(90))
        .lists(None, Some(500));

    // Without bookmarks silence says nothing.
    let mut rig = Rig::synced();
    for _ in 0..5 {
        rig.ended(End::Idle, secs(90)).watches_from(10);
        rig.step(Input::Opened);
    }
}

#[test]
fn f14_a_storm_of_bookmarks_becomes_one() {
    let mut rig = Rig::synced();
    let storm: Vec<Line> = (11..1000).map(bookmark).collect();
    rig.lines(storm)
        .lines([bookmark(999), added("b", 1000), bookmark(1000)]);
    assert_eq!(rig.deltas(), ["=999", "=999", "+b@1000", "=1000"]);
}

#[test]
fn f15_replayed_events_are_dropped_and_counted() {
    let mut rig = Rig::synced();
    rig.lines([
        added("a", 9),
        modified("a", 10),
        modified("a", 11),
        modified("a", 11),
    ]);
    assert_eq!((rig.deltas(), rig.duplicates()), (vec!["~a@11".into()], 3));
    assert_eq!(rig.next, Next::Read { initial: false });
    // A read that brings nothing new tells nothing.
    let mut rig = Rig::synced();
    rig.lines([added("a", 9)]);
    assert_eq!(rig.effects, [Effect::Duplicates(1)]);
}

#[test]
fn f16_versions_out_of_order_relist() {
    let mut rig = Rig::synced();
    rig.lines([added("b", 12), added("c", 11), added("d", 13)]);
    assert_eq!(rig.deltas(), ["+b@12"]);
    rig.lists(None, Some(500));
}

#[test]
fn f37_a_bookmark_from_the_past_relists() {
    let mut rig = Rig::synced();
    rig.lines([bookmark(9)]).lists(None, Some(500));
    assert_eq!(rig.deltas(), [""; 0]);
}

#[test]
fn versions_without_order_are_taken_as_they_come() {
    let text = |name: &str, version: &str| Ok(UpstreamEvent::Modified(object(name, version)));
    let mut rig = Rig::synced();
    rig.lines([text("a", "x9"), text("a", "x1"), text("a", "x1")]);
    assert_eq!(rig.deltas(), ["~a@x9", "~a@x1", "~a@x1"]);
}

#[test]
fn f18_f19_expired_relists_at_once_and_once() {
    for in_stream in [false, true] {
        let mut rig = Rig::synced();
        let expire = |rig: &mut Rig| {
            if in_stream {
                rig.lines([error(coded(410))]);
            } else {
                rig.ended(End::Closed, secs(400)).watches_from(10);
                rig.step(Input::Refused(coded(410)));
            }
        };
        expire(&mut rig);
        assert_eq!(rig.wait(), Duration::ZERO);
        rig.lists(None, Some(500));
        assert!(rig.healths().is_empty());
        rig.step(page(&["a"], 15, None)).watches_from(15);
    }
}

#[test]
fn f21_an_endless_410_is_not_a_storm() {
    let mut rig = Rig::synced();
    let mut waited = Duration::ZERO;
    for _ in 0..30 {
        rig.lines([error(coded(410))]);
        waited += rig.wait();
        rig.lists(None, Some(500));
        rig.step(page(&["a"], 10, None)).step(Input::Opened);
    }
    assert!(waited > secs(150), "30 lists within {waited:?}");
}

#[test]
fn f22_f24_too_many_requests_wait_without_a_list() {
    for code in [429, 503] {
        for in_stream in [false, true] {
            let mut rig = Rig::synced();
            let status = Status {
                retry_after: Some(secs(3)),
                ..coded(code)
            };
            if in_stream {
                rig.lines([error(status)]);
            } else {
                rig.ended(End::Closed, secs(400)).watches_from(10);
                rig.step(Input::Refused(status));
            }
            assert!((secs(3)..secs(4)).contains(&rig.wait()), "{:?}", rig.next);
            rig.watches_from(10);
        }
    }
}

#[test]
fn f23_no_one_waits_longer_than_a_minute() {
    for asked in [secs(61), secs(4_294_967_295), secs(u64::MAX)] {
        let mut rig = Rig::synced();
        let retry_after = Some(asked);
        rig.lines([error(Status {
            retry_after,
            ..coded(429)
        })]);
        assert_eq!(rig.wait(), secs(60));
    }
}

#[test]
fn f25_an_outage_backs_off_and_heals() {
    let mut rig = Rig::synced();
    rig.ended(End::Broken, secs(2)).watches_from(10);
    let mut waits = Vec::new();
    for _ in 0..40 {
        rig.step(Input::Refused(coded(503)));
        waits.push(rig.wait());
        rig.watches_from(10);
    }
    assert!(waits[0] <= Duration::from_millis(1600), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= secs(30)));
    assert!(waits[10..].iter().any(|wait| *wait > secs(15)), "{waits:?}");
    assert_eq!(rig.healths(), [degraded(DegradedReason::ServerError)]);
    rig.step(Input::Opened);
    assert_eq!(rig.healths().last(), Some(&Health::Healthy));
    rig.ended(End::Closed, secs(125)).watches_from(10);
    rig.step(Input::Unreachable);
    assert!(
        rig.wait() <= Duration::from_millis(800),
        "reset after two minutes"
    );
    assert_eq!(
        rig.healths().last(),
        Some(&degraded(DegradedReason::Unreachable))
    );
}

#[test]
fn f26_an_error_in_the_stream_resumes() {
    for code in [500, 504, 666, 0] {
        let mut rig = Rig::synced();
        rig.lines([added("b", 11), error(coded(code)), added("c", 12)]);
        assert_eq!(rig.deltas(), ["+b@11"]);
        assert!(rig.healths().is_empty(), "once is everyday life");
        rig.watches_from(11);
        rig.step(Input::Opened)
            .lines([error(coded(code))])
            .watches_from(11);
        assert_eq!(rig.healths(), [degraded(DegradedReason::ServerError)]);
        rig.step(Input::Opened);
        assert_eq!(rig.healths().len(), 1, "accepted before, broken before");
        rig.lines([bookmark(12)]);
        assert_eq!(rig.healths().last(), Some(&Health::Healthy));
    }
}

#[test]
fn f28_refused_credentials_are_tried_again_soon() {
    let mut rig = Rig::synced();
    rig.ended(End::Closed, secs(400)).watches_from(10);
    for _ in 0..20 {
        rig.step(Input::Refused(coded(401)));
        assert!(rig.wait() <= secs(5));
        rig.watches_from(10);
    }
    assert_eq!(rig.healths(), [degraded(DegradedReason::Unauthorized)]);
}

#[test]
fn f29_forbidden_heals_by_itself() {
    let mut rig = Rig::synced();
    rig.lines([error(coded(403))]);
    assert_eq!(rig.healths(), [degraded(DegradedReason::Forbidden)]);
    rig.wait();
    rig.watches_from(10);
    rig.step(Input::Opened);
    assert_eq!(rig.healths().last(), Some(&Health::Healthy));
}

#[test]
fn f39_an_unsafe_delete_relists() {
    for status in [
        Status {
            reason: "StorageReadError".into(),
            ..coded(500)
        },
        Status {
            message: "saw a DELETED event, but object data is corrupt".into(),
            ..coded(500)
        },
    ] {
        let mut rig = Rig::synced();
        rig.lines([error(status)]).lists(None, Some(500));
    }
}

#[test]
fn f17_a_position_in_the_servers_future_relists() {
    let large = "Too large resource version: 10, current: 7";
    for status in [
        Status {
            causes: vec!["ResourceVersionTooLarge".into()],
            ..coded(504)
        },
        Status {
            causes: vec![large.into()],
            ..coded(504)
        },
        Status {
            message: large.into(),
            ..coded(504)
        },
    ] {
        let mut rig = Rig::synced();
        rig.ended(End::Closed, secs(2)).watches_from(10);
        rig.step(Input::Refused(status)).lists(None, Some(500));
    }
}

#[test]
fn a_refused_position_relists() {
    let mut rig = Rig::synced();
    rig.ended(End::Closed, secs(2)).watches_from(10);
    rig.step(Input::Refused(coded(400)));
    rig.lists(None, Some(500));
}
