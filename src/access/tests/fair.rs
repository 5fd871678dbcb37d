//! What one user can do to the others, and to the apiserver: little.

use std::{net::IpAddr, time::Duration};

use futures::future::join_all;

use super::*;
use crate::{
    access::testing::matching,
    selector::{FilterSpec, MAX_EXACT_ENTRIES},
};

/// The questions that are asked at once, and the part of one asker.
const AT_ONCE: u32 = 64;
const SHARE: u32 = AT_ONCE / 4;

fn one(name: &str) -> Scope {
    let names = [name.to_owned()];
    matching(
        "pods",
        FilterSpec {
            names: &names,
            ..FilterSpec::default()
        },
    )
}

fn places(namespaces: std::ops::Range<usize>) -> Scope {
    let namespaces: Vec<_> = namespaces.map(|number| format!("ns-{number}")).collect();
    matching(
        "pods",
        FilterSpec {
            namespaces: &namespaces,
            ..FilterSpec::default()
        },
    )
}

async fn known(gate: &Gate, script: &Script, name: &str) -> Caller {
    script.token(&format!("t-{name}"), "informerd", name);
    script.allow(name, "pods");
    let caller = gate.caller(bearer(&format!("t-{name}")), None).await;
    caller.expect("known")
}

fn exhausted(refusal: &Refusal) -> (Limit, Duration) {
    match refusal {
        Refusal::Exhausted { limit, after, .. } => (*limit, *after),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_thousand_slow_questions_of_one_user_delay_nobody_else() {
    let script = script();
    let (gate, work) = gate(&script, &policy());
    let _work = tokio::spawn(work);
    let flood = known(&gate, &script, "flood").await;
    script.slow("flood");
    let (_, before) = script.counts();
    let mut flooding = Vec::new();
    for number in 0..1000 {
        let (gate, flood) = (gate.clone(), flood.clone());
        let call = async move {
            let scope = one(&format!("pod-{number}"));
            gate.permit::<Get>(&flood, scope).await.map(drop)
        };
        let mut call = Box::pin(call);
        assert!(futures::poll!(&mut call).is_pending());
        flooding.push(call);
    }
    let (_, after) = script.counts();
    assert_eq!(after - before, SHARE, "the share of one user, and no more");
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let permit = gate.permit::<Subscribe>(&jane, everything("pods")).await;
    assert!(permit.is_ok(), "at once, whatever becomes of the flood");
    assert!(futures::poll!(&mut flooding[0]).is_pending());
}

#[tokio::test]
async fn many_strange_tokens_from_one_address_delay_nobody_else() {
    let script = script();
    let (gate, work) = gate(&script, &policy());
    let _work = tokio::spawn(work);
    script.slow("strange");
    let at = |address: &str| Some(address.parse::<IpAddr>().expect("an address"));
    let mut flooding = Vec::new();
    // More than can wait, from all over one network.
    for number in 0..2000 {
        let from = at(&format!("2001:db8::{number:x}"));
        let token = bearer(&format!("strange-{number}"));
        let mut call = Box::pin(gate.caller(token, from));
        if futures::poll!(&mut call).is_pending() {
            flooding.push(call);
        }
    }
    assert_eq!(script.counts().0, SHARE);
    assert_eq!(flooding.len(), SHARE as usize + 1024);
    let jane = gate.caller(bearer("t-jane"), at("192.0.2.1")).await;
    assert!(jane.is_ok());
}

#[tokio::test]
async fn answers_that_are_remembered_cost_nothing_and_others_are_rationed() {
    let script = script();
    let mut policy = policy();
    policy.quota.reviews = 1;
    let (gate, work) = gate(&script, &policy);
    let _work = tokio::spawn(work);
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let get = async |number: usize| {
        let permit = gate.permit::<Get>(&jane, one(&format!("pod-{number}")));
        permit.await.map(drop)
    };
    for number in (0..256).chain(0..256) {
        assert_eq!(get(number).await, Ok(()));
    }
    assert_eq!(script.counts().1, 256);
    // Two may wait for their turn, at one a second; and a slow machine gives time.
    let waiting = join_all((300..500).map(get)).await;
    let refused: Vec<_> = waiting
        .iter()
        .filter_map(|got| got.as_ref().err())
        .collect();
    let allowed = waiting.len() - refused.len();
    assert!((2..150).contains(&allowed), "{allowed}");
    let (limit, after) = exhausted(refused[0]);
    assert_eq!(limit, Limit::Reviews);
    assert!(after > Duration::ZERO && after <= Duration::from_secs(1));
    assert_eq!(
        script.counts().1,
        256 + u32::try_from(allowed).expect("few")
    );
    script.token("t-ann", "informerd", "ann");
    script.allow("ann", "pods");
    let ann = gate.caller(bearer("t-ann"), None).await.expect("known");
    let permit = gate.permit::<Get>(&ann, one("pod-1")).await;
    assert!(permit.is_ok(), "another user");
}

#[tokio::test]
async fn a_call_that_asks_too_much_asks_nothing() {
    let script = script();
    let mut policy = policy();
    policy.quota.reviews = 1;
    let (gate, work) = gate(&script, &policy);
    let _work = tokio::spawn(work);
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let permit = gate.permit::<Subscribe>(&jane, places(0..MAX_EXACT_ENTRIES));
    permit.await.expect("one call is always possible");
    let asked = script.counts().1;
    let permit = gate.permit::<Subscribe>(&jane, places(50..150)).await;
    let (limit, after) = exhausted(&permit.map(drop).expect_err("too much"));
    assert_eq!(limit, Limit::Reviews);
    // 100 are new, some 56 of 256 are left, and a call waits for 2 s by itself.
    assert!(after < Duration::from_secs(44), "{after:?}");
    assert_eq!(script.counts().1, asked);
}

#[tokio::test]
async fn open_streams_have_so_much_to_be_checked_again() {
    let script = script();
    let mut policy = policy();
    policy.quota.streams = 100;
    let (gate, work) = gate(&script, &policy);
    let _work = tokio::spawn(work);
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let open = async |from: usize| {
        let permit = gate.permit::<Subscribe>(&jane, places(from..from + 100));
        permit.await
    };
    let first = open(0).await.expect("200 of 400");
    let same = open(0).await.expect("the same ones");
    let second = open(100).await.expect("400 of 400");
    let refusal = open(200).await.map(drop).expect_err("too many");
    assert_eq!(exhausted(&refusal).0, Limit::Questions);
    drop(first);
    assert!(open(200).await.is_err(), "another stream holds them");
    drop(same);
    let third = open(200).await.expect("given back");
    drop((second, third));
    assert_eq!(gate.census().standings, 0);
}

#[tokio::test]
async fn whether_a_caller_may_is_asked_up_to_the_first_no() {
    let script = script();
    let (gate, _work) = gate(&script, &policy());
    let jane = gate.caller(bearer("t-jane"), None).await.expect("known");
    let may = async |resource: &str, places: &[&str]| {
        let gvr = Gvr::new("", "v1", resource);
        gate.may_subscribe(&jane, &gvr, places).await
    };
    assert_eq!(may("pods", &["a", "b"]).await, Ok(true));
    assert_eq!(script.counts().1, 2, "list and watch in the first");
    // It is tried out for a moment whether the apiserver is ready, and then asked again.
    assert_eq!(may("secrets", &["a", "b"]).await, Ok(false));
    let asked = script.counts().1;
    assert!((5..=6).contains(&asked), "list in each: {asked}");
    assert_eq!(may("secrets", &["a", "b"]).await, Ok(false));
    assert_eq!(may("pods", &["a", "b"]).await, Ok(true));
    assert_eq!(script.counts().1, asked, "remembered");
}
