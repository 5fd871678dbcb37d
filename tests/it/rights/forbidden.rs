//! What the daemon itself may not read: told as such, never blamed on a caller, and no lasting state.

use informerd::proto::v1::{
    Availability, EventType::Added, ListResourcesRequest, SnapshotStart, UpstreamHealth,
    frame::Frame, resource_service_client::ResourceServiceClient, watch_request::Start,
};
use informerd_support::simulation::{Action, Fault, Verb};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{CALM, account::Account};
use crate::{
    bad_input::refusal::{Call, check, judge, refused},
    conformance::scenarios,
    daemon::Daemon,
    request::{Ask, named},
    restarts::proxy::Proxy,
    stage::Kind,
    subscriber::{Subscriber, reason},
    wait::until,
    world::{World, quick},
};

scenarios![
    a_missing_right_is_named_and_heals,
    a_right_to_watch_alone_reaches_no_further_back,
    a_lost_right_ends_no_stream,
];

const MAPS: &str = "configmaps";
const READ: &[&str] = &["list", "watch"];
const FORBIDDEN: &str = "informerd_upstream_forbidden";

fn maps(namespace: &str) -> Ask {
    Ask::of(MAPS).namespace(namespace).bookmarks(CALM)
}

/// Refuses what the daemon asks about config maps, for as long as the faults aren't withdrawn.
fn refuse(world: &World, verb: Verb) {
    if let Some(cluster) = world.stage.simulated() {
        let text = "configmaps is forbidden: User \"daemon\" cannot list resource";
        let refused = Action::status(403, "Forbidden", text);
        cluster.inject(Fault::on(MAPS, verb, refused).times(100_000));
    }
}

fn stop_refusing(world: &World) {
    let cluster = world.stage.simulated();
    cluster
        .into_iter()
        .for_each(|cluster| cluster.withdraw_faults());
}

async fn availability(world: &World) -> Availability {
    let mut client = ResourceServiceClient::new(world.channel());
    let listed = client.list_resources(ListResourcesRequest {}).await;
    let listed = listed.expect("answered").into_inner().resources;
    let maps = |resource: &str| resource == MAPS;
    let found = listed.into_iter().find(|listed| {
        listed
            .resource
            .as_ref()
            .is_some_and(|named| named.group.is_empty() && maps(&named.resource))
    });
    found.expect("config maps are served").availability()
}

/// Opens a stream and gives its snapshot, or how it ended instead.
async fn snapshot(world: &World, name: &str, ask: &Ask) -> Result<Subscriber, Status> {
    let mut reader = world.try_watch(name, ask).await?;
    loop {
        if let Frame::SnapshotEnd(_) = reader.next().await? {
            return Ok(reader);
        }
    }
}

/// The answer blames the daemon's rights and says what to grant, to everyone who asks; once it is
/// granted, by a Role in the namespace, streams begin without anything else being done.
async fn a_missing_right_is_named_and_heals(kind: Kind) {
    let mut world = World::new(kind, "missing-right", &[MAPS], &[]).await;
    let namespace = world.namespace.clone();
    world.create_map("first", json!({})).await;
    let account = Account::new(&world).await;
    account.grant_identity(&world).await;
    let daemon = account.daemon(&["--namespaces", &namespace]).await;
    world.replace_daemon(daemon).await;
    refuse(&world, Verb::Any);
    assert_eq!(availability(&world).await, Availability::Available);

    let ask = maps(&namespace);
    let forbidden = refused(Code::Unavailable, "UPSTREAM_FORBIDDEN");
    for call in Call::filtered(named(MAPS), ask.message.filter.clone().unwrap_or_default()) {
        let text = check(&world.channel(), call, "", forbidden).await;
        let place = format!("{MAPS} in namespace {namespace}");
        for part in [
            "the daemon may not list and watch",
            &place,
            "grant its service account",
        ] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
    }
    let label = format!("namespace=\"{namespace}\"");
    assert_eq!(world.daemon.metric(FORBIDDEN, &label).await as u64, 1);
    assert_eq!(availability(&world).await, Availability::ForbiddenUpstream);
    assert_eq!(world.daemon.page("/readyz").await.0, 200);

    account.grant(&world, &namespace, &[MAPS], READ).await;
    stop_refusing(&world);
    until("the daemon has noticed", || async {
        match snapshot(&world, "impatient", &ask).await {
            Ok(_) => true,
            Err(status) => {
                judge(&status, "", forbidden).expect("forbidden until it isn't");
                false
            }
        }
    })
    .await;
    let mut reader = world.synced("patient", &ask, 1).await;
    let added = world.create_map("second", json!({})).await;
    reader.expect(Added, "second", added).await;
    assert_eq!(world.daemon.metric(FORBIDDEN, "").await as u64, 0);
    assert_eq!(availability(&world).await, Availability::Available);
    drop(reader);
    let mut expectation = quick(2);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// A watch can begin with the state, which takes the right to watch only. What is older than the
/// daemon is listed: who resumes from there is told which right is missing.
async fn a_right_to_watch_alone_reaches_no_further_back(kind: Kind) {
    let mut world = World::new(kind, "watch-alone", &[MAPS], &[]).await;
    let namespace = world.namespace.clone();
    let ask = maps(&namespace);
    let created = world.create_map("first", json!({})).await;
    world.touch_map("first", "1").await;
    let account = Account::new(&world).await;
    account.grant_identity(&world).await;
    account.grant(&world, &namespace, &[MAPS], &["watch"]).await;
    let daemon = account.daemon(&["--namespaces", &namespace]).await;
    world.replace_daemon(daemon).await;
    refuse(&world, Verb::List);
    let reader = world.synced("reader", &ask, 1).await;
    let mut older = world.watch("older", &ask.clone().version(created)).await;
    let end = older.next().await.expect_err("it can't be looked up");
    assert_eq!(
        (end.code(), reason(&end).as_str()),
        (Code::Unavailable, "UPSTREAM_FORBIDDEN")
    );
    assert!(end.get_error_details().retry_info().is_some());

    account.grant(&world, &namespace, &[MAPS], &["list"]).await;
    stop_refusing(&world);
    until("the daemon may list", || async {
        let mut older = world.watch("older", &ask.clone().version(created)).await;
        match older.next().await {
            Ok(_) => {
                older.event().await;
                true
            }
            Err(status) => {
                assert_eq!(reason(&status), "UPSTREAM_FORBIDDEN");
                false
            }
        }
    })
    .await;
    drop(reader);
    let mut expectation = quick(2);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// Those who are synced keep their streams and are told that news are late; the cache goes on
/// serving whoever accepts that; and nothing is missing when the right is back.
async fn a_lost_right_ends_no_stream(kind: Kind) {
    let mut world = World::new(kind, "lost-right", &[MAPS], &[]).await;
    let namespace = world.namespace.clone();
    let ask = maps(&namespace);
    world.create_map("first", json!({})).await;
    let account = Account::new(&world).await;
    account.grant_identity(&world).await;
    let granted = account.grant(&world, &namespace, &[MAPS], READ).await;
    // An apiserver ends no watch when rights are taken away: the wire breaks.
    let wire = Proxy::start(account.kubeconfig()).await;
    let daemon = Daemon::start(wire.kubeconfig(), &["--namespaces", &namespace]).await;
    world.replace_daemon(daemon).await;
    let mut reader = world.synced("reader", &ask, 1).await;
    refuse(&world, Verb::Watch);
    refuse(&world, Verb::List);
    account.revoke(&world, &namespace, &granted).await;
    wire.cut();
    until("the daemon knows what it lacks", || async {
        world.daemon.metric(FORBIDDEN, MAPS).await > 0.0
    })
    .await;
    loop {
        match reader.frame().await {
            Frame::UpstreamState(state) if state.health() == UpstreamHealth::Degraded => break,
            Frame::Bookmark(_) | Frame::UpstreamState(_) => {}
            other => panic!("nothing else was expected: {other:?}"),
        }
    }
    let written = world.create_map("second", json!({})).await;
    let stale = Start::Snapshot(SnapshotStart {
        allow_stale: true,
        ..Default::default()
    });
    let held = world.synced("content", &ask.clone().start(stale), 1).await;
    let refused = snapshot(&world, "demanding", &ask).await;
    let refused = refused.err().expect("there is no live watch");
    assert_eq!(reason(&refused), "UPSTREAM_FORBIDDEN");
    assert_eq!(availability(&world).await, Availability::ForbiddenUpstream);
    account.grant(&world, &namespace, &[MAPS], READ).await;
    stop_refusing(&world);
    reader.expect(Added, "second", written).await;
    drop((reader, held));
    let expectation = quick(2).requiring(&["DEGRADED", "HEALTHY"]);
    world.finish(&expectation).await;
}
