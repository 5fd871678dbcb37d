//! What one caller can take from the others, and from the apiserver: little.

use std::time::Duration;

use futures::{StreamExt as _, stream::FuturesUnordered};
use informerd::proto::v1::{Filter, GetObjectRequest, ListObjectsRequest};
use informerd_support::simulation::{Action, Fault, Rule, Verb};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use super::{
    calls::Line,
    canary,
    cast::A,
    reviews::{ACCESS, Scene, maps, refused},
};
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    http2::{Http2, message},
    request::{Ask, named},
    stage::Kind,
    subscriber::reason,
    wait::until,
    world::World,
};

scenarios![
    access_floods_delay_nobody_else: "a real apiserver can't be asked to be slow",
    access_questions_are_rationed: "a real apiserver keeps no record of requests",
    access_to_many_resources_is_asked_once: "a real apiserver keeps no record of requests",
    access_has_room_for_so_many_streams: "the same daemon on either",
    access_has_room_for_so_many_streams_of_anyone: "the same daemon on either"
];

/// Questions of the flood: more than the lane has turns and places for in the time.
const FLOOD: usize = 900;

fn pod(number: usize) -> GetObjectRequest {
    GetObjectRequest {
        resource: Some(named("configmaps")),
        namespace: A.to_owned(),
        name: format!("none-{number}"),
        ..GetObjectRequest::default()
    }
}

fn over(status: &Status, subject: &str) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(reason(status), "QUOTA_EXCEEDED", "{status:?}");
    let details = status.get_error_details();
    let violations = details.quota_failure().map(|quota| &quota.violations[..]);
    let subjects: Vec<_> = violations
        .into_iter()
        .flatten()
        .map(|v| &v.subject)
        .collect();
    assert_eq!(subjects, [subject], "{status:?}");
    assert!(details.retry_info().is_some(), "{status:?}");
}

/// Each review takes a second, and one user has hundreds of them waiting: in order of arrival
/// another one would wait for longer than a review may.
async fn access_floods_delay_nobody_else(_: Kind) {
    let scene = Scene::new(&[]).await;
    let rules = ["flood", "ann"].map(|user| Rule::read(user, "configmaps", A));
    scene.cluster().set_rules(rules.to_vec());
    let (flood, _) = scene.user("flood").await;
    let (ann, _) = scene.user("ann").await;
    // Whoever floods is known already, so that nothing but its questions is slow.
    assert!(flood.watch(&maps()).await.is_ok());
    let slow = Action::Delay(Duration::from_secs(1));
    scene
        .cluster()
        .inject(Fault::on(ACCESS, Verb::Write, slow).times(100_000));
    let mut flooding: FuturesUnordered<_> = (0..FLOOD).map(|at| flood.get(pod(at))).collect();
    let first = flooding.next().await.expect("many").expect_err("nothing");
    assert_eq!(reason(&first), "OBJECT_NOT_FOUND", "{first:?}");

    let mut answered = 0;
    let ask = maps();
    let watch = ann.watch(&ask);
    tokio::pin!(watch);
    let stream = loop {
        tokio::select! {
            stream = &mut watch => break stream,
            Some(_) = flooding.next() => answered += 1,
        }
    };
    let mut stream = stream.expect("allowed, in the middle of the flood");
    assert_eq!(stream.snapshot().await.expect("goes on").0, ["one", "two"]);
    assert!(answered < FLOOD / 2, "{answered} questions came before");
}

/// Answers that are remembered are free, others are not, and each user pays for itself.
async fn access_questions_are_rationed(_: Kind) {
    let scene = Scene::new(&["--reviews-per-identity", "1"]).await;
    let rules = ["ann", "bob"].map(|user| Rule::read(user, "configmaps", A));
    scene.cluster().set_rules(rules.to_vec());
    let (ann, token) = scene.user("ann").await;
    let (bob, _) = scene.user("bob").await;
    let get = async |line: &Line, number: usize| line.get(pod(number)).await.expect_err("none");
    let before = scene.reviews(ACCESS);
    let names = ["--", "the same again"].into_iter().flat_map(|_| 0..200);
    for number in names {
        let status = get(&ann, number).await;
        assert_eq!(reason(&status), "OBJECT_NOT_FOUND", "{status:?}");
    }
    // The daemon's own trials come in between.
    let asked = scene.reviews(ACCESS) - before;
    assert!((200..220).contains(&asked), "{asked}");

    let many = (200..600).map(|number| get(&ann, number));
    let statuses: Vec<_> = futures::future::join_all(many).await;
    let mut over_quota: Vec<_> = statuses
        .into_iter()
        .filter(|status| reason(status) != "OBJECT_NOT_FOUND")
        .collect();
    assert!(over_quota.len() > 100, "{} are refused", over_quota.len());
    over_quota.iter().for_each(|status| over(status, "user"));
    let asked = scene.reviews(ACCESS) - before;
    assert!(asked < 520, "{asked}");
    assert_eq!(reason(&get(&bob, 0).await), "OBJECT_NOT_FOUND");
    assert_eq!(
        reason(&get(&ann, 7).await),
        "OBJECT_NOT_FOUND",
        "remembered"
    );
    let counted = scene
        .daemon
        .metric("informerd_quota_refused_total", "reviews");
    assert!(counted.await >= 100.0);
    canary::audited(&scene.daemon, &["\"ann\"", "quota_exceeded"]).await;
    over_quota.truncate(1);
    canary::unseen(&scene.daemon, &[token], &over_quota).await;

    // What is wrong by itself is told before anything is asked.
    let before = scene.reviews(ACCESS);
    let namespaces: Vec<_> = (0..101).map(|number| format!("ns-{number}")).collect();
    let mut watch = maps();
    watch.message.filter = Some(Filter {
        namespaces,
        ..Filter::default()
    });
    let list = ListObjectsRequest {
        resource: watch.message.resource.clone(),
        filter: watch.message.filter.clone(),
        ..ListObjectsRequest::default()
    };
    let listed = bob.list(list).await.expect_err("too many namespaces");
    for status in [refused(&bob, &watch).await, listed] {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(
            status.message().starts_with("filter.namespaces: "),
            "{status:?}"
        );
    }
    assert!(scene.reviews(ACCESS) - before < 5, "the daemon's own");
}

/// `ListResources` asks about everything once.
async fn access_to_many_resources_is_asked_once(_: Kind) {
    let scene = Scene::new(&[]).await;
    let rules = ["configmaps", "pods"].map(|resource| Rule::read("ann", resource, ""));
    scene.cluster().set_rules(rules.to_vec());
    let (ann, _) = scene.user("ann").await;
    let before = scene.reviews(ACCESS);
    let listed = ann.resources().await.expect("answered");
    let asked = scene.reviews(ACCESS) - before;
    // One for what is forbidden, two for what is allowed, and for some once more to be sure.
    assert!(
        (listed.len()..=2 * listed.len()).contains(&asked),
        "{asked}"
    );
    for _ in 0..5 {
        assert_eq!(ann.resources().await.expect("answered"), listed);
    }
    let again = scene.reviews(ACCESS) - before - asked;
    assert!(again < listed.len(), "{again} of {asked} were asked again");
}

/// Streams of all users have so many places; each way in which a stream ends gives one back.
async fn access_has_room_for_so_many_streams(_: Kind) {
    let flags = ["--max-streams", "3", "--streams-per-identity", "2"];
    let scene = Scene::new(&flags).await;
    let users = ["ann", "bob", "eve", "may"];
    let rules = users.map(|user| Rule::read(user, "configmaps", A));
    scene.cluster().set_rules(rules.to_vec());
    let (ann, _) = scene.user("ann").await;
    let (bob, token) = scene.user("bob").await;
    let (eve, _) = scene.user("eve").await;
    let first = ann.watch(&maps()).await.expect("one");
    let second = ann.watch(&maps()).await.expect("two");
    over(&refused(&ann, &maps()).await, "user");
    let third = bob.watch(&maps()).await.expect("three");
    let status = refused(&eve, &maps()).await;
    over(&status, "daemon");
    assert!(status.message().ends_with("all users together is 3"));
    let counted = scene
        .daemon
        .metric("informerd_quota_refused_total", "all_streams");
    assert_eq!(counted.await, 1.0);
    canary::audited(&scene.daemon, &["\"eve\"", "quota_exceeded"]).await;

    let has_room = async |why: &str| {
        until(why, || async { eve.watch(&maps()).await.is_ok() }).await;
        until("given back", || async { open(&scene.daemon).await == 2.0 }).await;
    };
    drop(first);
    has_room("the client has left").await;
    let brief = maps().timeout(Duration::from_millis(100));
    bob.watch(&brief).await.expect("a place").end().await;
    has_room("the stream is over").await;
    let status = refused(&bob, &Ask::of("configmaps").namespace("elsewhere")).await;
    assert_eq!(reason(&status), "ACCESS_DENIED");
    has_room("it was refused").await;
    let raw = Http2::connect(scene.daemon.address()).await;
    // Its message never comes, so that it is refused for that, after a while; and until then too
    // whenever somebody else has the place for a moment.
    let held = tokio::spawn(until("it is let in and stays", move || {
        let head = raw.head("/informerd.v1.WatchService/Watch");
        let head = head.header("authorization", format!("Bearer {token}"));
        let raw = raw.clone();
        async move {
            let over = raw.send_head(head).await;
            over.is_err()
        }
    }));
    until("it has a place", || async {
        let full = eve.watch(&maps()).await.err();
        full.is_some_and(|status| status.message().contains("all users"))
    })
    .await;
    held.abort();
    has_room("its connection is gone").await;
    drop((second, third));
    until("all are gone", || async {
        open(&scene.daemon).await == 0.0
    })
    .await;
}

async fn open(daemon: &Daemon) -> f64 {
    daemon.metric("informerd_streams_open", "").await
}

/// Where nobody is asked who it is too.
async fn access_has_room_for_so_many_streams_of_anyone(kind: Kind) {
    let world = World::new(kind, "room", &[], &["--max-streams", "2"]).await;
    let line = |channel: &Channel| Line::new(channel, None);
    let one = line(&world.channel());
    let other = line(&world.daemon.connect().await);
    let ask = Ask::of("configmaps");
    let first = one.watch(&ask).await.expect("one");
    let _second = other.watch(&ask).await.expect("two");
    over(&refused(&one, &ask).await, "daemon");
    drop(first);
    until("there is room", || async { one.watch(&ask).await.is_ok() }).await;
    let raw = Http2::connect(world.daemon.address()).await;
    let head = || raw.head("/informerd.v1.WatchService/Watch");
    let bad = Ask::of("nothing-of-this-name").message;
    let refused = async || {
        let answer = raw.send(head(), message(&bad)).await;
        answer.expect("an answer").status().code()
    };
    until("it is let in", || async {
        refused().await == Code::NotFound
    })
    .await;
    for _ in 0..5 {
        assert_eq!(refused().await, Code::NotFound, "none has kept its place");
    }
    let answer = raw.open(head(), message(&ask.message)).await;
    let (response, _sending) = answer.expect("sent");
    let headers = response.await.expect("an answer");
    assert!(headers.headers().get("grpc-status").is_none(), "a place");
}
