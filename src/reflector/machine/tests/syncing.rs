//! Getting the whole state.

use super::*;

#[test]
fn f41_a_watch_list_applies_every_change_and_ends_with_its_bookmark() {
    let mut rig = Rig::new(options());
    rig.watch_lists();
    rig.step(Input::Opened);
    assert_eq!(rig.next, Next::Read { initial: true });
    rig.lines([added("b", 3), added("a", 2), added("c", 4)]);
    rig.lines([deleted("c", 5), modified("a", 6)]);
    assert_eq!((rig.replaced(), rig.healths()), (None, vec![]));

    rig.lines([end(7), modified("a", 8), end(9)]);
    assert_eq!(rig.replaced(), Some((vec!["a", "b"], &rv(7), false)));
    assert_eq!(rig.deltas(), ["~a@8", "=9"]);
    assert_eq!(rig.healths(), [Health::Healthy]);
    assert_eq!(rig.next, Next::Read { initial: false });
    rig.ended(End::Closed, secs(400)).watches_from(9);
}

#[test]
fn an_empty_watch_list_is_a_state() {
    let mut rig = Rig::new(options());
    rig.step(Input::Opened).lines([end(7)]);
    assert_eq!(rig.replaced(), Some((vec![], &rv(7), false)));
}

#[test]
fn f40_a_refused_watch_list_falls_back_for_good() {
    for code in [400, 405, 406, 415, 422] {
        for in_stream in [false, true] {
            let mut rig = Rig::new(options());
            if in_stream {
                rig.step(Input::Opened).lines([error(coded(code))]);
            } else {
                rig.step(Input::Refused(coded(code)));
            }
            rig.lists(None, Some(500));
            assert_eq!(rig.restarts(), [RestartReason::Fallback], "{code}");
            assert_eq!(rig.healths(), [], "a fallback is no trouble");
            // Sticky: the next sync lists at once.
            rig.step(page(&["a"], 10, None)).step(Input::Opened);
            rig.lines([error(coded(410))]).lists(None, Some(500));
        }
    }
}

#[test]
fn f40_other_refusals_of_a_watch_list_are_tried_again() {
    for code in [401, 403, 404, 410, 429, 500, 503] {
        let mut rig = Rig::new(options());
        rig.step(Input::Refused(coded(code)));
        if rig.next == Next::Confirm {
            rig.step(Input::Served(Some(false)));
        }
        rig.watch_lists();
    }
}

#[test]
fn f40_a_missing_or_untrue_end_falls_back() {
    for end in [End::InitialDeadline, End::Idle] {
        let mut rig = Rig::new(options());
        rig.step(Input::Opened).lines([added("a", 1)]);
        rig.ended(end, secs(60)).lists(None, Some(500));
    }

    let mut rig = Rig::new(options());
    rig.step(Input::Opened).lines([added("a", 1), bookmark(5)]);
    rig.lists(None, Some(500));
    assert_eq!(rig.replaced(), None);
}

#[test]
fn a_cut_watch_list_starts_anew_and_gives_up_after_three() {
    let mut rig = Rig::new(options());
    for end in [End::Closed, End::Broken] {
        rig.step(Input::Opened).lines([added("ghost", 1)]);
        rig.ended(end, secs(2)).watch_lists();
    }
    rig.step(Input::Opened).lines([garbage()]);
    rig.lists(None, Some(500));
    rig.step(page(&["a"], 10, None));
    assert_eq!(rig.replaced(), Some((vec!["a"], &rv(10), false)));
}

#[test]
fn nothing_of_a_cut_watch_list_survives() {
    let mut rig = Rig::new(options());
    rig.step(Input::Opened).lines([added("ghost", 1)]);
    rig.ended(End::Broken, secs(2)).watch_lists();
    rig.step(Input::Opened).lines([added("a", 2), end(3)]);
    assert_eq!(rig.replaced(), Some((vec!["a"], &rv(3), false)));
}

#[test]
fn pages_are_gathered_and_sorted() {
    let mut rig = Rig::paged();
    rig.lists(None, Some(500));
    rig.step(page(&["c", "d"], 10, Some("t1")));
    rig.lists(Some("t1"), Some(500));
    rig.step(page(&["a"], 10, None));
    assert_eq!(rig.replaced(), Some((vec!["a", "c", "d"], &rv(10), false)));
    rig.watches_from(10);
    assert_eq!(rig.healths(), [], "not before the watch is there");
    rig.step(Input::Opened);
    assert_eq!(rig.healths(), [Health::Healthy]);
}

#[test]
fn f20_expired_or_changed_pages_are_thrown_away() {
    for second in [Input::Refused(coded(410)), page(&["b"], 11, None)] {
        let mut rig = Rig::paged();
        rig.step(page(&["ghost"], 10, Some("t"))).step(second);
        rig.lists(None, None);
        rig.step(page(&["b"], 12, None));
        assert_eq!(rig.replaced(), Some((vec!["b"], &rv(12), false)));
    }
}

#[test]
fn f20_a_server_that_can_not_finish_a_list_is_not_stormed() {
    let mut rig = Rig::paged();
    rig.step(page(&["a"], 10, Some("t")))
        .step(Input::Refused(coded(410)));
    rig.lists(None, None);
    rig.step(page(&["a"], 11, Some("t")))
        .step(Input::Refused(coded(410)));
    rig.wait();
    rig.lists(None, Some(500));
}

#[test]
fn f22_f27_a_page_that_fails_is_asked_for_again() {
    for input in [
        Input::Refused(coded(429)),
        Input::Refused(coded(500)),
        Input::Unreachable,
        Input::Page(Err(DecodeError::Malformed { column: 1 })),
    ] {
        let mut rig = Rig::paged();
        rig.step(page(&["a"], 10, Some("t"))).step(input);
        rig.wait();
        rig.lists(Some("t"), Some(500));
        rig.step(page(&["b"], 10, None));
        assert_eq!(rig.replaced(), Some((vec!["a", "b"], &rv(10), false)));
    }
}

#[test]
fn f8_a_login_page_is_a_bad_answer() {
    let mut rig = Rig::paged();
    rig.step(Input::Page(Err(DecodeError::Malformed { column: 1 })));
    assert_eq!(rig.healths(), [degraded(DegradedReason::BadAnswer)]);
}

#[test]
fn f37_an_older_state_is_rewound() {
    for (version, rewound) in [(9, true), (10, false), (11, false)] {
        let mut rig = Rig::synced();
        rig.lines([error(coded(410))]).lists(None, Some(500));
        rig.step(page(&["a"], version, None));
        assert_eq!(rig.replaced(), Some((vec!["a"], &rv(version), rewound)));
        rig.watches_from(version);
    }
    let mut rig = Rig::new(options());
    rig.step(Input::Opened).lines([end(10)]);
    rig.lines([error(coded(410))]).watch_lists();
    rig.step(Input::Opened).lines([end(4)]);
    assert_eq!(rig.replaced(), Some((vec![], &rv(4), true)));
}

#[test]
fn versions_without_order_are_never_rewound() {
    let mut rig = Rig::synced();
    rig.lines([error(coded(410))]).lists(None, Some(500));
    rig.step(Input::Page(Ok(Page {
        objects: vec![],
        version: ResourceVersion::new("abc"),
        continue_token: None,
    })));
    assert_eq!(
        rig.replaced(),
        Some((vec![], &ResourceVersion::new("abc"), false))
    );
}
