//! What becomes of open streams.

use std::time::Duration;

use super::{super::standing::Timing, *};
use crate::access::testing::INTERVAL;

const TIMING: Timing = Timing {
    interval: INTERVAL,
    outage: Duration::from_secs(600),
};

/// Counts its wakes.
fn counter() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (wakes.clone(), wakes.into())
}

#[derive(Default)]
struct Wakes(std::sync::atomic::AtomicU32);

impl Wakes {
    fn count(&self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

/// The standing of a stream, told outcomes at chosen times.
struct Stream {
    permit: Permit<Subscribe>,
    watcher: Watcher,
    began: Instant,
    wakes: Arc<Wakes>,
    waker: Waker,
}

impl Stream {
    async fn open(gate: &Gate) -> Self {
        let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
        let permit = gate.permit::<Subscribe>(&jane, everything("pods")).await;
        let permit = permit.expect("allowed");
        let watcher = Watcher::new(permit.standing());
        let (wakes, waker) = counter();
        let mut stream = Self {
            permit,
            watcher,
            began: Instant::now(),
            wakes,
            waker,
        };
        assert_eq!(stream.health(), Health::Good);
        stream
    }

    fn health(&mut self) -> Health {
        self.watcher.poll(&self.waker)
    }

    /// A check that ends after so many seconds, of answers that were asked for just then.
    fn hears(&mut self, outcome: Result<(), Refusal>, after: u64) -> (Health, u32) {
        self.hears_late(outcome, after, after)
    }

    /// The same, of answers that were asked for at another time.
    fn hears_late(
        &mut self,
        outcome: Result<(), Refusal>,
        asked: u64,
        after: u64,
    ) -> (Health, u32) {
        let standing = self.permit.standing().expect("reviewed");
        let outcome = outcome.map(|()| self.at(asked));
        standing.heard(outcome, self.at(after), TIMING);
        (self.health(), self.wakes.count())
    }

    /// Nothing but time.
    fn ages(&mut self, after: u64) -> (Health, u32) {
        let standing = self.permit.standing().expect("reviewed");
        standing.age(self.at(after), TIMING);
        (self.health(), self.wakes.count())
    }

    fn at(&self, after: u64) -> Instant {
        self.began + Duration::from_secs(after)
    }
}

#[tokio::test]
async fn time_without_an_answer_holds_a_stream_and_then_ends_it() {
    let (gate, _work) = gate(&script(), &policy());
    let mut stream = Stream::open(&gate).await;
    let down = || Err(Refusal::Unverified);
    assert_eq!(stream.hears(Ok(()), 30), (Health::Good, 0));
    assert_eq!(stream.hears(down(), 60), (Health::Good, 0));
    assert_eq!(stream.ages(90), (Health::Good, 0));
    assert_eq!(stream.ages(91), (Health::Held, 1), "no check had to fail");
    assert_eq!(stream.hears(down(), 95), (Health::Held, 1));
    assert_eq!(stream.hears(Ok(()), 100), (Health::Good, 2));
    assert_eq!(stream.ages(160), (Health::Good, 2));
    assert_eq!(stream.ages(161), (Health::Held, 3));
    assert_eq!(stream.ages(730), (Health::Held, 3));
    let ended = Health::Ended(Refusal::Unverified);
    assert_eq!(stream.ages(731), (ended.clone(), 4));
    assert_eq!(stream.hears(Ok(()), 740), (ended, 4), "for good");
}

#[tokio::test]
async fn an_answer_from_before_a_failure_clears_nothing() {
    let (gate, _work) = gate(&script(), &policy());
    let mut stream = Stream::open(&gate).await;
    let starting = Err(Refusal::Unconfirmed);
    assert_eq!(stream.hears(starting, 40), (Health::Held, 1), "at once");
    assert_eq!(stream.hears_late(Ok(()), 39, 41), (Health::Held, 1));
    let standing = stream.permit.standing().expect("reviewed");
    assert!(standing.is_failing(), "it is asked again soon");
    assert_eq!(stream.hears_late(Ok(()), 42, 43), (Health::Good, 2));
    assert!(!standing.is_failing());
    assert_eq!(stream.ages(102), (Health::Good, 2));
    assert_eq!(stream.ages(103), (Health::Held, 3), "as old as its answer");
}

#[tokio::test]
async fn a_refusal_ends_a_stream_at_once_and_a_new_one_has_a_standing_of_its_own() {
    let (gate, _work) = gate(&script(), &policy());
    let mut stream = Stream::open(&gate).await;
    let denied = Refusal::Denied("no".into());
    let heard = stream.hears(Err(denied.clone()), 1);
    assert_eq!(heard, (Health::Ended(denied.clone()), 1));
    let mut other = Stream::open(&gate).await;
    assert_eq!(other.health(), Health::Good);
    drop(other);
    assert_eq!(stream.health(), Health::Ended(denied));
}

/// Does the gate's work until a stream's health is as wanted.
async fn until(
    stream: &mut Stream,
    work: impl Future<Output = ()> + Unpin,
    wanted: impl Fn(&Health) -> bool,
) -> Health {
    let reached = std::future::poll_fn(|context| {
        let now = stream.watcher.poll(context.waker());
        match wanted(&now) {
            true => std::task::Poll::Ready(now),
            false => std::task::Poll::Pending,
        }
    });
    tokio::select! {
        () = work => panic!("the work never ends"),
        health = reached => health,
    }
}

fn is_over(health: &Health) -> bool {
    matches!(health, Health::Ended(_))
}

fn is_held(health: &Health) -> bool {
    *health == Health::Held
}

fn is_good(health: &Health) -> bool {
    *health == Health::Good
}

fn hasty() -> Policy {
    Policy {
        recheck_interval: Duration::from_millis(100),
        ..policy()
    }
}

#[tokio::test]
async fn a_revoked_right_ends_the_stream() {
    let script = script();
    let (gate, work) = gate(&script, &hasty());
    let mut stream = Stream::open(&gate).await;
    script.revoke("jane");
    let Health::Ended(refusal) = until(&mut stream, work, is_over).await else {
        panic!("not ended");
    };
    assert_eq!(
        refusal.to_string(),
        r#"user "jane" cannot list resource "pods" in API group "" at the cluster scope"#
    );
}

#[tokio::test]
async fn a_change_of_rights_ends_the_stream_long_before_its_turn() {
    let script = script();
    let slow = Policy {
        recheck_interval: Duration::from_secs(3600),
        ..policy()
    };
    let (gate, work) = gate(&script, &slow);
    let mut stream = Stream::open(&gate).await;
    script.revoke("jane");
    let mut whom = Whom::default();
    whom.add_user("", "jane");
    gate.rights_changed(whom);
    let health = until(&mut stream, work, is_over).await;
    let denied = matches!(health, Health::Ended(Refusal::Denied(_)));
    assert!(denied, "by an answer that was not remembered: {health:?}");
}

#[tokio::test]
async fn a_token_that_is_no_more_ends_the_stream() {
    let script = script();
    let (gate, work) = gate(&script, &hasty());
    let mut stream = Stream::open(&gate).await;
    script.forget("t-jane");
    let health = until(&mut stream, work, is_over).await;
    assert!(
        matches!(health, Health::Ended(Refusal::Invalid(_))),
        "{health:?}"
    );
}

#[tokio::test]
async fn a_token_that_changes_hands_ends_the_stream() {
    let script = script();
    let (gate, work) = gate(&script, &hasty());
    let mut stream = Stream::open(&gate).await;
    script.token("t-jane", "informerd", "joe");
    let health = until(&mut stream, work, is_over).await;
    assert!(
        matches!(health, Health::Ended(Refusal::Invalid(_))),
        "{health:?}"
    );
}

#[tokio::test]
async fn an_outage_is_noticed_and_its_end_too() {
    let script = script();
    let (gate, mut work) = gate(&script, &hasty());
    let mut stream = Stream::open(&gate).await;
    script.down(true);
    until(&mut stream, &mut work, is_held).await;
    script.down(false);
    until(&mut stream, &mut work, is_good).await;
}

#[tokio::test]
async fn a_no_counts_only_from_an_apiserver_that_is_ready() {
    let script = script();
    let (gate, mut work) = gate(&script, &hasty());
    let mut stream = Stream::open(&gate).await;
    assert_eq!(script.asked_ready(), 0, "a yes needs no proof");
    script.starting(true);
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let denied = gate.permit::<Get>(&jane, everything("pods")).await;
    assert_eq!(denied.expect_err("starting"), Refusal::Unconfirmed);
    until(&mut stream, &mut work, is_held).await;
    script.starting(false);
    until(&mut stream, &mut work, is_good).await;
    let denied = gate.permit::<Get>(&jane, everything("secrets")).await;
    assert!(matches!(denied, Err(Refusal::Denied(_))), "{denied:?}");
    let asked = script.asked_ready();
    let denied = gate.permit::<Get>(&jane, everything("nodes")).await;
    assert!(matches!(denied, Err(Refusal::Denied(_))), "{denied:?}");
    assert_eq!(
        script.asked_ready(),
        asked,
        "one word is good for many answers"
    );
}

#[tokio::test]
async fn streams_are_held_also_if_no_check_ever_ends() {
    let script = script();
    let (gate, mut work) = gate(&script, &hasty());
    let mut stream = Stream::open(&gate).await;
    script.hang(true);
    let asked = script.counts();
    until(&mut stream, &mut work, is_held).await;
    assert_ne!(script.counts(), asked, "there was a check");
}

#[tokio::test]
async fn a_no_that_can_not_be_confirmed_holds_at_once() {
    let script = script();
    let (gate, _work) = gate(&script, &policy());
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    for (starting, readiness) in [(true, true), (false, false)] {
        gate.forget();
        script.starting(starting);
        script.readiness(readiness);
        let permit = gate.permit::<Get>(&jane, everything("secrets")).await;
        let refusal = permit.map(drop).expect_err("starting");
        assert_eq!(refusal, Refusal::Unconfirmed);
    }
}
