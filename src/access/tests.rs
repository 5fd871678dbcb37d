//! The gate as a whole, before a scripted apiserver.

mod fair;
mod standing;

use std::{sync::Arc, task::Waker};

use tokio::time::Instant;

use super::{
    testing::{Script, bearer, everything, gate, policy},
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
    let jane = strict.caller(bearer("t-jane"), None).await.expect("known");
    let name = jane.identity().map(|known| known.username.clone());
    assert_eq!(name.as_deref(), Some("jane"));
    for refused in ["t-joe", "t-none"] {
        let refusal = strict
            .caller(bearer(refused), None)
            .await
            .expect_err(refused);
        assert_eq!(refusal.as_str(), "credentials_invalid", "{refused}");
    }
    let refusal = strict.caller(None, None).await.expect_err("anonymous");
    assert_eq!(refusal, Refusal::Missing);

    let mut lax = policy();
    lax.accept_apiserver_audience = true;
    let (lax, _work) = gate(&script, &lax);
    assert!(lax.caller(bearer("t-joe"), None).await.is_ok());
    assert!(lax.caller(bearer("t-jane"), None).await.is_ok());
    assert!(lax.caller(bearer("t-none"), None).await.is_err());
}

#[tokio::test]
async fn a_permit_is_for_the_resource_that_it_names() {
    let (gate, _work) = gate(&script(), &policy());
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
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
    let refusal = gate.caller(bearer("t-jane"), None).await.expect_err("down");
    assert_eq!(refusal, Refusal::Unverified);
    script.down(false);
    for _ in 0..5 {
        let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
        let permit = gate.permit::<Subscribe>(&jane, everything("pods")).await;
        permit.expect("allowed");
    }
    assert_eq!(
        script.counts(),
        (2, 2),
        "one failed, then one, a list and a watch"
    );
    script.down(true);
    let jane = gate
        .caller(bearer("t-jane"), None)
        .await
        .expect("remembered");
    let permit = gate.permit::<Get>(&jane, everything("pods")).await;
    assert_eq!(permit.expect_err("never asked"), Refusal::Unverified);
}

#[tokio::test]
async fn the_open_gate_lets_anyone_in_and_a_stranger_nowhere_else() {
    let open = Gate::open_to_anyone(Quota::default());
    let anyone = open.caller(None, None).await.expect("anyone");
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
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let mut permits = Vec::new();
    for _ in 0..10 {
        permits.push(gate.permit::<Subscribe>(&jane, everything("pods")).await);
    }
    assert_eq!(gate.census().standings, 1);
    gate.permit::<List>(&jane, everything("pods"))
        .await
        .expect("allowed");
    assert_eq!(
        gate.census().standings,
        1,
        "a list is over when it is answered"
    );
    drop(permits);
    assert_eq!(gate.census().standings, 0);
}

#[tokio::test]
async fn the_streams_of_a_caller_are_checked_together() {
    let script = script();
    script.allow("jane", "services");
    let (gate, _work) = gate(&script, &policy());
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let permit = |resource: &'static str| gate.permit::<Subscribe>(&jane, everything(resource));
    let pods = permit("pods").await.expect("allowed");
    let services = permit("services").await.expect("allowed");
    let phase = |permit: &Permit<Subscribe>| permit.standing().map(|standing| standing.phase);
    assert_eq!(phase(&pods), phase(&services));
    assert_eq!(gate.census().standings, 2);
    assert_eq!(script.counts(), (1, 4));
}

#[tokio::test]
async fn the_self_test_says_what_is_missing() {
    let script = script();
    let (gate, _work) = gate(&script, &policy());
    assert_eq!(gate.probe().await, Ok(()));
    script.down(true);
    let silent = gate.probe().await.expect_err("nobody answers");
    assert!(matches!(silent, Unable::Silent(_)), "{silent:?}");
    assert_eq!(Gate::open_to_anyone(Quota::default()).probe().await, Ok(()));
}

#[tokio::test]
async fn who_is_no_longer_known_may_nothing_however_long_ago_its_call_began() {
    let script = script();
    script.allow("jane", "services");
    let (gate, _work) = gate(&script, &policy());
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let pods = Gvr::new("", "v1", "pods");
    let namespaces: [&str; 0] = [];
    let refused = async |why: &str| {
        gate.forget();
        let permit = gate.permit::<Get>(&jane, everything("pods")).await;
        let permit = permit.map(drop).expect_err("a read");
        let visit = gate.visit(&jane, "/informerd/admin/filters", "get").await;
        let visit = visit.expect_err("a page");
        let may = gate.may_subscribe(&jane, &pods, &namespaces).await;
        let may = may.expect_err("a question");
        for refusal in [permit, visit, may] {
            assert_eq!(refusal.as_str(), "credentials_invalid", "{why}: {refusal}");
        }
    };
    script.forget("t-jane");
    refused("the token is no more").await;
    script.token("t-jane", "informerd", "joe");
    refused("the token is another's").await;
    script.token("t-jane", "informerd", "jane");
    gate.forget();
    let permit = gate.permit::<Get>(&jane, everything("pods")).await;
    assert!(permit.is_ok());
}

#[tokio::test]
async fn what_an_identity_may_is_asked_about_as_it_is_now() {
    let script = script();
    let (gate, _work) = gate(&script, &policy());
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    script.join_group("t-jane", "ops");
    script.allow_group("ops", "secrets");
    let permit = gate.permit::<Get>(&jane, everything("secrets")).await;
    assert!(permit.is_err(), "the old answer holds for a while");
    gate.forget();
    let permit = gate.permit::<Get>(&jane, everything("secrets")).await;
    assert!(permit.is_ok());
}

#[tokio::test]
async fn a_standing_is_as_old_as_the_oldest_answer() {
    let (gate, _work) = gate(&script(), &policy());
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let recognised = Instant::now();
    let permit = gate.permit::<Subscribe>(&jane, everything("pods")).await;
    let standing = permit.expect("allowed").standing().expect("reviewed");
    assert!(standing.good_since() <= recognised);
}

#[tokio::test]
async fn a_no_counts_whatever_else_has_no_answer() {
    let script = script();
    script.revoke("jane");
    script.fail("list");
    let (gate, _work) = gate(&script, &policy());
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let permit = gate.permit::<Subscribe>(&jane, everything("pods")).await;
    let refusal = permit.map(drop).expect_err("not to be watched");
    assert_eq!(refusal.as_str(), "access_denied");
    script.allow("jane", "pods");
    gate.forget();
    let permit = gate.permit::<Subscribe>(&jane, everything("pods")).await;
    assert_eq!(permit.map(drop).expect_err("not sure"), Refusal::Unverified);
}
