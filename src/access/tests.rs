//! The gate as a whole, before a scripted apiserver.

use std::{sync::Arc, task::Waker, time::Duration};

use tokio::time::Instant;

use super::{
    testing::{INTERVAL, Script, bearer, everything, gate, policy},
    *,
};
use crate::resource::{Gvr, ResourceInfo};

fn script() -> Arc<Script> {
    let script = Script::new();
    script.token("t-jane", "informerd", "jane");
    script.token("t-joe", "", "joe");
    script.allow("jane", "pods");
    script.allow("joe", "pods");
    script
}

fn info(resource: &str) -> ResourceInfo {
    ResourceInfo {
        gvr: Gvr::new("", "v1", resource),
        kind: "Thing".into(),
        namespaced: true,
        watchable: true,
        preferred: true,
        short_names: vec![],
    }
}

#[tokio::test]
async fn a_token_must_be_for_us() {
    let script = script();
    let (strict, _work) = gate(&script, &policy());
    let jane = strict.caller(bearer("t-jane")).await.expect("known");
    let name = jane.identity().map(|known| known.username.clone());
    assert_eq!(name.as_deref(), Some("jane"));
    for refused in ["t-joe", "t-none"] {
        let refusal = strict.caller(bearer(refused)).await.expect_err(refused);
        assert_eq!(refusal.as_str(), "credentials_invalid", "{refused}");
    }
    let refusal = strict.caller(None).await.expect_err("anonymous");
    assert_eq!(refusal, Refusal::Missing);

    let mut lax = policy();
    lax.accept_apiserver_audience = true;
    let (lax, _work) = gate(&script, &lax);
    assert!(lax.caller(bearer("t-joe")).await.is_ok());
    assert!(lax.caller(bearer("t-jane")).await.is_ok());
    assert!(lax.caller(bearer("t-none")).await.is_err());
}

#[tokio::test]
async fn a_permit_is_for_the_resource_that_it_names() {
    let (gate, _work) = gate(&script(), &policy());
    let jane = gate.caller(bearer("t-jane")).await.expect("known");
    let permit = |scope| gate.permit::<List>(&jane, scope);
    let permitted = permit(everything("pods")).await.expect("allowed");
    assert!(permitted.on(info("pods")).is_some());
    let permitted = permit(everything("pods")).await.expect("allowed");
    assert!(permitted.on(info("secrets")).is_none());
    let refusal = permit(everything("secrets")).await.expect_err("denied");
    let unknown = permit(everything("nothings")).await.expect_err("denied");
    let text = refusal.to_string().replace("secrets", "nothings");
    assert_eq!(unknown.to_string(), text);
}

#[tokio::test]
async fn answers_are_asked_for_once_and_failures_let_nobody_in() {
    let script = script();
    let (gate, _work) = gate(&script, &policy());
    script.down(true);
    let refusal = gate.caller(bearer("t-jane")).await.expect_err("down");
    assert_eq!(refusal, Refusal::Unverified);
    script.down(false);
    for _ in 0..5 {
        let jane = gate.caller(bearer("t-jane")).await.expect("known");
        let permit = gate.permit::<Subscribe>(&jane, everything("pods")).await;
        permit.expect("allowed");
    }
    assert_eq!(
        script.counts(),
        (2, 2),
        "one failed, then one, a list and a watch"
    );
    script.down(true);
    let jane = gate.caller(bearer("t-jane")).await.expect("remembered");
    let permit = gate.permit::<Get>(&jane, everything("pods")).await;
    assert_eq!(permit.expect_err("never asked"), Refusal::Unverified);
}

#[tokio::test]
async fn the_open_gate_lets_anyone_in_and_a_stranger_nowhere_else() {
    let open = Gate::open_to_anyone();
    let anyone = open.caller(None).await.expect("anyone");
    let permit = open
        .permit::<Subscribe>(&anyone, everything("secrets"))
        .await;
    let grant = permit.expect("everything").on(info("secrets"));
    let mut watcher = grant.expect("named").watcher();
    assert_eq!(watcher.poll(Waker::noop()), Health::Good);
    let (gate, _work) = gate(&script(), &policy());
    let permit = gate.permit::<Subscribe>(&anyone, everything("pods")).await;
    assert_eq!(permit.expect_err("nobody"), Refusal::Missing);
    assert!(gate.enter(&anyone).is_err());
}

#[tokio::test]
async fn streams_of_a_caller_that_ask_the_same_share_a_standing() {
    let (gate, _work) = gate(&script(), &policy());
    let jane = gate.caller(bearer("t-jane")).await.expect("known");
    let mut permits = Vec::new();
    for _ in 0..10 {
        permits.push(gate.permit::<Subscribe>(&jane, everything("pods")).await);
    }
    assert_eq!(gate.standings(), 1);
    gate.permit::<List>(&jane, everything("pods"))
        .await
        .expect("allowed");
    assert_eq!(gate.standings(), 1, "a list is over when it is answered");
    drop(permits);
    assert_eq!(gate.standings(), 0);
}

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
        let jane = gate.caller(bearer("t-jane")).await.expect("known");
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

    fn hears(&mut self, outcome: Result<(), Refusal>, after: Duration) -> (Health, u32) {
        let timing = standing::Timing {
            interval: INTERVAL,
            outage: Duration::from_secs(600),
        };
        let standing = self.permit.standing().expect("reviewed");
        standing.heard(outcome, self.began + after, timing);
        (self.health(), self.wakes.count())
    }
}

#[tokio::test]
async fn an_outage_holds_a_stream_and_then_ends_it() {
    let (gate, _work) = gate(&script(), &policy());
    let mut stream = Stream::open(&gate).await;
    let (seconds, down) = (Duration::from_secs, || Err(Refusal::Unverified));
    assert_eq!(stream.hears(Ok(()), seconds(30)), (Health::Good, 0));
    assert_eq!(stream.hears(down(), seconds(60)), (Health::Good, 0));
    assert_eq!(stream.hears(down(), seconds(89)), (Health::Good, 0));
    assert_eq!(stream.hears(down(), seconds(90)), (Health::Held, 1));
    assert_eq!(stream.hears(down(), seconds(95)), (Health::Held, 1));
    assert_eq!(stream.hears(Ok(()), seconds(100)), (Health::Good, 2));
    assert_eq!(stream.hears(down(), seconds(130)), (Health::Good, 2));
    assert_eq!(stream.hears(down(), seconds(170)), (Health::Held, 3));
    assert_eq!(stream.hears(down(), seconds(729)), (Health::Held, 3));
    let ended = Health::Ended(Refusal::Unverified);
    assert_eq!(stream.hears(down(), seconds(730)), (ended.clone(), 4));
    assert_eq!(stream.hears(Ok(()), seconds(740)), (ended, 4), "for good");
}

#[tokio::test]
async fn a_refusal_ends_a_stream_at_once_and_a_new_one_has_a_standing_of_its_own() {
    let (gate, _work) = gate(&script(), &policy());
    let mut stream = Stream::open(&gate).await;
    let denied = Refusal::Denied("no".into());
    let heard = stream.hears(Err(denied.clone()), Duration::from_secs(1));
    assert_eq!(heard, (Health::Ended(denied.clone()), 1));
    let mut other = Stream::open(&gate).await;
    assert_eq!(other.health(), Health::Good);
    drop(other);
    assert_eq!(stream.health(), Health::Ended(denied));
}

/// Does the gate's work until a stream's health is another.
async fn until_changed(stream: &mut Stream, work: impl Future<Output = ()> + Unpin) -> Health {
    let before = stream.health();
    let changed = std::future::poll_fn(|context| {
        let now = stream.watcher.poll(context.waker());
        match now == before {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(now),
        }
    });
    tokio::select! {
        () = work => panic!("the work never ends"),
        health = changed => health,
    }
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
    let Health::Ended(refusal) = until_changed(&mut stream, work).await else {
        panic!("not ended");
    };
    assert_eq!(
        refusal.to_string(),
        r#"user "jane" cannot list resource "pods" in API group "" at the cluster scope"#
    );
}

#[tokio::test]
async fn a_token_that_is_no_more_ends_the_stream() {
    let script = script();
    let (gate, work) = gate(&script, &hasty());
    let mut stream = Stream::open(&gate).await;
    script.forget("t-jane");
    let health = until_changed(&mut stream, work).await;
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
    let health = until_changed(&mut stream, work).await;
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
    assert_eq!(until_changed(&mut stream, &mut work).await, Health::Held);
    script.down(false);
    assert_eq!(until_changed(&mut stream, &mut work).await, Health::Good);
}

#[tokio::test]
async fn the_streams_of_a_caller_are_checked_together() {
    let script = script();
    script.allow("jane", "services");
    let (gate, _work) = gate(&script, &policy());
    let jane = gate.caller(bearer("t-jane")).await.expect("known");
    let permit = |resource: &'static str| gate.permit::<Subscribe>(&jane, everything(resource));
    let pods = permit("pods").await.expect("allowed");
    let services = permit("services").await.expect("allowed");
    let phase = |permit: &Permit<Subscribe>| permit.standing().map(|standing| standing.phase);
    assert_eq!(phase(&pods), phase(&services));
    assert_eq!(gate.standings(), 2);
    assert_eq!(script.counts(), (1, 4));
}

#[tokio::test]
async fn a_no_counts_only_from_an_apiserver_that_is_ready() {
    let script = script();
    let (gate, mut work) = gate(&script, &hasty());
    let mut stream = Stream::open(&gate).await;
    assert_eq!(script.asked_ready(), 0, "a yes needs no proof");
    script.starting(true);
    let jane = gate.caller(bearer("t-jane")).await.expect("known");
    let denied = gate.permit::<Get>(&jane, everything("pods")).await;
    assert_eq!(denied.expect_err("starting"), Refusal::Unverified);
    assert_eq!(until_changed(&mut stream, &mut work).await, Health::Held);
    script.starting(false);
    assert_eq!(until_changed(&mut stream, &mut work).await, Health::Good);
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
async fn the_self_test_says_what_is_missing() {
    let script = script();
    let (gate, _work) = gate(&script, &policy());
    assert_eq!(gate.probe().await, Ok(()));
    script.down(true);
    assert!(gate.probe().await.is_err());
    assert_eq!(Gate::open_to_anyone().probe().await, Ok(()));
}
