//! What the client does after each way in which a stream can end.

use super::*;
use crate::client::ResetReason;

fn started(outcome: v1::StartOutcome) -> Step {
    Step::Started(v1::Started {
        outcome: outcome.into(),
        ..Default::default()
    })
}

fn event(token: &str) -> Step {
    Step::Event(v1::Event {
        resume_token: token.into(),
        ..Default::default()
    })
}

fn snapshot_end(token: &str) -> Step {
    Step::SnapshotEnd(v1::SnapshotEnd {
        resume_token: token.into(),
        ..Default::default()
    })
}

fn failed(code: Code, reason: &str) -> End {
    End::Failed(CallError {
        code,
        reason: reason.into(),
        ..CallError::unavailable("gone")
    })
}

fn pods() -> WatchBuilder {
    WatchBuilder::new("", "v1", "pods")
}

fn snapshot() -> Option<Start> {
    Some(Start::Snapshot(v1::SnapshotStart::default()))
}

fn token(token: &str) -> Option<Start> {
    Some(Start::ResumeToken(token.into()))
}

/// Where the next stream starts after `steps` and a break, and whether a reset is due.
fn broken(builder: WatchBuilder, steps: &[Step]) -> (Option<Start>, bool) {
    let mut position = Position::new(builder);
    steps.iter().for_each(|step| position.observe(step));
    let verdict = position.after(failed(Code::Unavailable, ""));
    assert!(matches!(verdict, Verdict::Reopen { .. }), "{verdict:?}");
    (
        position.request(None).start,
        position.take_reset().is_some(),
    )
}

/// Name, watch, what was handed out, where the next stream starts, whether a reset is due.
type Case = (&'static str, WatchBuilder, Vec<Step>, Option<Start>, bool);

fn check<const N: usize>(cases: [Case; N]) {
    for (name, builder, steps, start, reset) in cases {
        assert_eq!(broken(builder, &steps), (start, reset), "{name}");
    }
}

#[test]
fn continues_from_the_last_token_that_was_handed_out() {
    use v1::StartOutcome::{Resumed, Resynced, Snapshot};
    check([
        ("nothing came", pods(), vec![], None, false),
        ("started only", pods(), vec![started(Snapshot)], None, false),
        (
            "inside the snapshot",
            pods(),
            vec![started(Snapshot), event("")],
            None,
            true,
        ),
        (
            "after the snapshot",
            pods(),
            vec![started(Snapshot), event(""), snapshot_end("a")],
            token("a"),
            false,
        ),
        (
            "after an event",
            pods(),
            vec![started(Snapshot), snapshot_end("a"), event("b")],
            token("b"),
            false,
        ),
        (
            "inside a run without tokens",
            pods().from_token("a"),
            vec![started(Resynced), event("")],
            snapshot(),
            true,
        ),
        (
            "after a run",
            pods().from_token("a"),
            vec![started(Resynced), event(""), event("b")],
            token("b"),
            false,
        ),
        (
            "resumed and quiet",
            pods().from_token("a"),
            vec![started(Resumed)],
            token("a"),
            false,
        ),
    ]);
}

#[test]
fn a_reset_begins_anew() {
    use v1::StartOutcome::Snapshot;
    let reset = || Step::Reset(ResetReason::Expired);
    check([
        (
            "told to forget, snapshot not begun",
            pods().from_token("a"),
            vec![started(Snapshot), reset()],
            snapshot(),
            false,
        ),
        (
            "inside the snapshot after a reset",
            pods().from_token("a"),
            vec![started(Snapshot), reset(), event("")],
            snapshot(),
            true,
        ),
    ]);
}

#[test]
fn continues_starts_that_have_no_token_yet() {
    use v1::StartOutcome::{FromNow, Resumed};
    let rv = |version: &str| Some(Start::ResourceVersion(version.into()));
    let now = Some(Start::Now(v1::NowStart {}));
    check([
        (
            "resourceVersion not reached",
            pods().from_resource_version("7"),
            vec![started(Resumed)],
            rv("7"),
            false,
        ),
        ("now, not yet opened", pods().from_now(), vec![], now, false),
        (
            "now, without any position",
            pods().from_now(),
            vec![started(FromNow)],
            snapshot(),
            true,
        ),
        (
            "now, with a position",
            pods().from_now(),
            vec![started(FromNow), event("a")],
            token("a"),
            false,
        ),
    ]);
}

#[test]
fn keeps_the_conditions_of_the_first_snapshot_until_it_is_complete() {
    let start = Start::Snapshot(v1::SnapshotStart {
        min_resource_version: "9".into(),
        allow_stale: true,
    });
    let builder = || {
        WatchBuilder::from(v1::WatchRequest {
            start: Some(start.clone()),
            ..Default::default()
        })
    };
    let inside = broken(builder(), &[event("")]);
    assert_eq!(inside, (Some(start.clone()), true));
    let (after_reset, _) = broken(builder(), &[Step::Reset(ResetReason::Rewound)]);
    let Some(Start::Snapshot(snapshot)) = after_reset else {
        panic!("{after_reset:?}");
    };
    assert_eq!(snapshot.min_resource_version, "", "of another history");
    assert!(snapshot.allow_stale);
}

#[test]
fn tells_errors_that_pass_from_those_that_stay() {
    // (code, reason, goes on before the first stream, goes on after it)
    let table = [
        (Code::Unavailable, "", true, true),
        (Code::Unavailable, "DRAINING", true, true),
        (Code::Unavailable, "UPSTREAM_DOWN", true, true),
        (Code::Unknown, "", true, true),
        (Code::Internal, "", true, true),
        (Code::Cancelled, "", true, true),
        (Code::ResourceExhausted, "", true, true),
        (Code::ResourceExhausted, "SLOW_CONSUMER", true, true),
        (Code::ResourceExhausted, "QUOTA_EXCEEDED", false, true),
        (Code::OutOfRange, "RESOURCE_VERSION_TOO_LARGE", false, true),
        (Code::OutOfRange, "RESOURCE_EXPIRED", false, false),
        (Code::OutOfRange, "", false, false),
        (Code::InvalidArgument, "TOKEN_MISMATCH", false, false),
        (Code::NotFound, "RESOURCE_NOT_SERVED", false, false),
        (Code::FailedPrecondition, "NOT_WATCHABLE", false, false),
        (Code::PermissionDenied, "ACCESS_DENIED", false, false),
        (Code::Unauthenticated, "", false, false),
        (Code::Unauthenticated, "CREDENTIALS_INVALID", false, true),
        (Code::Unimplemented, "", false, false),
        (Code::Internal, "BUG", false, false),
    ];
    for (code, reason, first, later) in table {
        let mut position = Position::new(pods());
        let goes_on = |position: &mut Position| {
            matches!(position.after(failed(code, reason)), Verdict::Reopen { .. })
        };
        assert_eq!(goes_on(&mut position), first, "{code:?} {reason} first");
        position.observe(&started(v1::StartOutcome::Snapshot));
        assert_eq!(goes_on(&mut position), later, "{code:?} {reason} later");
    }
}

#[test]
fn credentials_that_expire_under_a_stream_are_tried_once_more() {
    let expired = || failed(Code::Unauthenticated, "CREDENTIALS_INVALID");
    let reopens = |verdict| matches!(verdict, Verdict::Reopen { .. });
    let mut position = Position::new(pods());
    for _ in 0..2 {
        position.observe(&started(v1::StartOutcome::Snapshot));
        assert!(
            reopens(position.after(expired())),
            "a newer token may be there"
        );
    }
    assert!(!reopens(position.after(expired())), "it is not");
}

#[test]
fn another_cluster_behind_the_address_means_to_start_anew() {
    let mismatch = || failed(Code::InvalidArgument, "TOKEN_MISMATCH");
    let mut own = Position::new(pods().from_token("a"));
    own.observe(&started(v1::StartOutcome::Resumed));
    own.observe(&event("b"));
    let verdict = own.after(mismatch());
    assert!(matches!(verdict, Verdict::Reopen { .. }), "{verdict:?}");
    assert_eq!(own.request(None).start, snapshot());
    own.after(failed(Code::Unavailable, ""));
    assert_eq!(own.take_reset(), Some(ResetReason::Rewound));
    assert!(
        matches!(own.after(mismatch()), Verdict::Fail(_)),
        "no token"
    );

    let mut foreign = Position::new(pods().from_token("a"));
    foreign.observe(&started(v1::StartOutcome::Resumed));
    let verdict = foreign.after(mismatch());
    assert!(
        matches!(verdict, Verdict::Fail(_)),
        "the caller's: {verdict:?}"
    );

    let mut strict = Position::new(pods().fail_on_expired());
    strict.observe(&snapshot_end("a"));
    let verdict = strict.after(mismatch());
    assert!(
        matches!(verdict, Verdict::Fail(_)),
        "never reset: {verdict:?}"
    );
}

#[test]
fn fails_fast_only_before_the_first_stream() {
    let mut position = Position::new(pods().fail_fast());
    let end = || failed(Code::Unavailable, "NOT_SYNCED");
    assert!(matches!(position.after(end()), Verdict::Fail(_)));
    position.observe(&started(v1::StartOutcome::Snapshot));
    assert!(matches!(position.after(end()), Verdict::Reopen { .. }));
}

#[test]
fn who_asked_never_to_be_reset_gets_the_error_of_the_break() {
    let mut position = Position::new(pods().fail_on_expired());
    position.observe(&started(v1::StartOutcome::Snapshot));
    position.observe(&event(""));
    let verdict = position.after(failed(Code::Unavailable, ""));
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
}

#[test]
fn ends_in_good_order_only_when_asked_to() {
    let mut endless = Position::new(pods());
    assert!(matches!(endless.after(End::Ok), Verdict::Reopen { .. }));
    let mut planned = Position::new(pods().timeout(Duration::from_secs(30)));
    let untold = planned.after(End::Ok);
    assert!(matches!(untold, Verdict::Reopen { .. }), "{untold:?}");
    planned.observe(&started(v1::StartOutcome::Snapshot));
    assert_eq!(planned.after(End::Ok), Verdict::Finish);
    let request = planned.request(Some(Duration::from_secs(12)));
    assert_eq!(request.timeout.map(|left| left.seconds), Some(12));
}

#[test]
fn honours_the_times_that_the_server_names() {
    let wait = |position: &mut Position| {
        let error = CallError {
            retry_after: Some(Duration::from_secs(3)),
            ..CallError::unavailable("draining")
        };
        match position.after(End::Failed(error)) {
            Verdict::Reopen { wait, .. } => wait,
            verdict => panic!("{verdict:?}"),
        }
    };
    let mut position = Position::new(pods());
    assert_eq!(wait(&mut position), Some(Duration::from_secs(3)));
    position.observe(&Step::Draining(v1::Draining {
        reconnect_delay: Some(proto_duration(Duration::from_secs(1))),
    }));
    assert_eq!(wait(&mut position), Some(Duration::from_secs(1)));
    assert_eq!(wait(&mut position), Some(Duration::from_secs(3)), "once");
}

#[test]
fn pauses_grow_to_a_bound_and_start_anew_after_a_long_stream() {
    let mut backoff = Backoff::default();
    let mut bounds = Vec::new();
    for _ in 0..9 {
        bounds.push(backoff.pause(Duration::ZERO, 1.0).as_millis());
    }
    assert_eq!(
        bounds,
        [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
    );
    assert_eq!(backoff.pause(Duration::ZERO, 0.0), Duration::ZERO);
    assert_eq!(
        backoff.pause(Duration::from_secs(10), 0.5),
        Duration::from_millis(50)
    );
}
