//! 404, and what discovery makes of it.

use super::*;

#[test]
fn f30_f31_a_resource_that_is_gone_is_synced_anew_when_it_returns() {
    let mut rig = Rig::synced();
    rig.ended(End::Closed, secs(2)).watches_from(10);
    rig.step(Input::Refused(coded(404)));
    assert_eq!((&rig.next, rig.healths()), (&Next::Confirm, vec![]));
    rig.step(Input::Served(Some(false)));
    assert_eq!(rig.healths(), [degraded(DegradedReason::NotServed)]);
    rig.wait();
    rig.lists(None, Some(500));
    // In the meantime nobody can be asked.
    rig.step(Input::Unreachable).lists(None, Some(500));
    rig.step(Input::Refused(coded(404)));
    rig.step(Input::Served(None)).lists(None, Some(500));
    rig.step(page(&[], 50, None)).watches_from(50);
    assert_eq!(rig.replaced(), Some((vec![], &rv(50), true)));
}

#[test]
fn a_single_404_is_no_end_of_the_resource() {
    for served in [Some(true), None] {
        let mut rig = Rig::synced();
        rig.ended(End::Closed, secs(2)).watches_from(10);
        rig.step(Input::Refused(coded(404)));
        rig.step(Input::Served(served));
        assert_eq!(rig.healths(), [degraded(DegradedReason::ServerError)]);
        rig.wait();
        rig.watches_from(10);
    }
}
