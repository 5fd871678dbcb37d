//! Daemons and apiservers come and go; streams continue where they were.

mod drain;
pub mod proxy;
mod upstream;

use std::time::Duration;

use informerd::proto::v1::{
    EventCause,
    EventType::{self, Added, Deleted, Modified},
    ResetReason, StartOutcome,
    frame::Frame,
};
use informerd_support::{control_plane::ControlPlane, simulation::Server};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    conformance::{Scenario, scenarios},
    daemon::Daemon,
    kube,
    request::Ask,
    stage::{Kind, Stage},
    subscriber::{Subscriber, reason},
    wait::until,
    world::{World, quick},
};

scenarios![
    r1_tokens_of_all_ages_outlive_a_crash,
    r2_lost_changes_become_a_difference,
    r3_lost_states_reset_or_fail,
];

/// All scenarios of these files.
pub fn all_scenarios() -> Vec<Scenario> {
    [scenarios(), upstream::scenarios(), drain::scenarios()]
        .into_iter()
        .flatten()
        .collect()
}

const MAPS: &str = "configmaps";
const WIDGETS: &str = "widgets.example.com";
const CLIENTS: usize = 100;
/// Bookmarks for streams that aren't read all the time, so that silence isn't taken for one.
const CALM: Duration = Duration::from_secs(60);

/// The daemon is killed; 100 clients of different age continue at the next one, which asks the
/// apiserver twice for all of them: one exact LIST and one WATCH.
async fn r1_tokens_of_all_ages_outlive_a_crash(kind: Kind) {
    let mut world = World::new(kind, "r1", &[MAPS], &[]).await;
    for name in ["a", "b", "c"] {
        world.create_map(name, json!({})).await;
    }
    // Long after all have been read: clients here don't read all the time.
    let ask = Ask::of(MAPS).namespace(&world.namespace).bookmarks(CALM);
    let mut clients = Vec::new();
    for at in 0..CLIENTS {
        clients.push(world.synced(&format!("client-{at}"), &ask, 3).await);
    }
    for step in 0..CLIENTS {
        world
            .touch_map(["a", "b", "c"][step % 3], &format!("change {step}"))
            .await;
    }
    let mut tokens = Vec::new();
    for (at, client) in clients.iter_mut().enumerate() {
        for _ in 0..at {
            client.event().await;
        }
        tokens.push(client.token());
    }
    drop(clients);

    // The oldest comes first: reaching back for it serves all others.
    let asked = restart_and_resume(&mut world, &ask, &tokens, ("client", 1, 10)).await;
    if let Some((lists, watches)) = asked {
        assert_eq!((lists, watches), (1, 2), "the reflector watches, too");
    }
    // All come at once: whoever is first is rarely the oldest, but each further reach back is at
    // least to the oldest of those who wait.
    let asked = restart_and_resume(&mut world, &ask, &tokens, ("again", CLIENTS, 20)).await;
    if let Some((lists, watches)) = asked {
        assert!(
            (1..=5).contains(&lists),
            "{lists} lists for {CLIENTS} clients"
        );
        assert!(watches <= lists + 1, "{watches} watches for {lists} lists");
    }
    let mut expectation = quick(1000).requiring(&["STARTED RESUMED"]);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// Restarts the daemon while the cluster changes, and has everybody read to the present: the first
/// `first` at once, then the rest. Since the last token `missed` changes were made. Gives the exact
/// lists and the watches that this has cost, where that is known.
async fn restart_and_resume(
    world: &mut World,
    ask: &Ask,
    tokens: &[String],
    (who, first, missed): (&str, usize, usize),
) -> Option<(usize, usize)> {
    world.daemon.crash();
    let simulated = world.stage.simulated().is_some();
    let before = simulated.then(|| world.requests(MAPS).len());
    let mut last = 0;
    for step in 0..10 {
        last = world.touch_map("b", &format!("while down {step}")).await;
    }
    let daemon = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    world.replace_daemon(daemon).await;
    let world = &*world;
    let resume = |at: usize| async move {
        let name = format!("{who}-{at}");
        let mut client = world.watch(&name, &ask.clone().token(&tokens[at])).await;
        let outcome = client.started().await.outcome();
        assert_eq!(outcome, StartOutcome::Resumed, "{name}");
        let events = client.events_until(last).await;
        assert_eq!(events.len(), CLIENTS - at + missed, "{name}");
    };
    futures::future::join_all((0..first).map(resume)).await;
    futures::future::join_all((first..tokens.len()).map(resume)).await;
    let asked = world.requests_after(MAPS, before?);
    let exact = |uri: &str| uri.contains("resourceVersionMatch=Exact");
    let lists = asked.iter().filter(|asked| exact(&asked.uri)).count();
    let watches = asked.iter().filter(|asked| asked.verb == "watch").count();
    Some((lists, watches))
}

/// The apiserver no longer has the changes since a position, but still the state there.
async fn r2_lost_changes_become_a_difference(kind: Kind) {
    let stage = Stage::own(kind).await;
    let mut world = World::on(stage, "r2", &[WIDGETS], &[]).await;
    for (name, color) in [("w0", "red"), ("w1", "red"), ("w2", "red"), ("w3", "blue")] {
        create(&world, name, color).await;
    }
    let all = Ask::of(WIDGETS).namespace(&world.namespace);
    let red = all.clone().labels("color=red");
    let tokens = tokens(&world, &all, &red).await;
    world.daemon.crash();

    delete(&world, "w0").await;
    patch(&world, "w1", json!({"spec": {"step": "1"}})).await;
    patch(&world, "w1", json!({"spec": {"step": "2"}})).await;
    patch(
        &world,
        "w2",
        json!({"metadata": {"labels": {"color": "blue"}}}),
    )
    .await;
    create(&world, "passing", "red").await;
    delete(&world, "passing").await;
    delete(&world, "w3").await;
    create(&world, "w3", "blue").await;
    create(&world, "w5", "red").await;
    forget(&mut world, Loss::Changes).await;
    let daemon = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    world.replace_daemon(daemon).await;

    let of_all = [
        (Added, "w3"),
        (Added, "w5"),
        (Deleted, "w0"),
        (Deleted, "w3"),
        (Modified, "w1"),
        (Modified, "w2"),
    ];
    let of_red = [
        (Added, "w5"),
        (Deleted, "w0"),
        (Deleted, "w2"),
        (Modified, "w1"),
    ];
    // FAIL forbids a reset, not a difference.
    let asks = [("all", all), ("red", red.or_fail())];
    let mut open = Vec::new();
    for ((name, ask), (token, expected)) in asks
        .iter()
        .zip([(&tokens[0], &of_all[..]), (&tokens[1], &of_red[..])])
    {
        let mut subscriber = world.watch(name, &ask.clone().token(token)).await;
        let outcome = subscriber.started().await.outcome();
        assert_eq!(outcome, StartOutcome::Resynced, "{name}");
        let got = difference(&mut subscriber).await;
        let got: Vec<_> = got
            .iter()
            .map(|(kind, name)| (*kind, name.as_str()))
            .collect();
        assert_eq!(got, expected, "{name}");
        open.push(subscriber);
    }
    let changed = patch(&world, "w5", json!({"spec": {"step": "live"}})).await;
    for subscriber in &mut open {
        let event = subscriber.expect(Modified, "w5", changed).await;
        assert_eq!(event.cause(), EventCause::Change);
    }
    drop(open);
    let mut expectation = quick(10).requiring(&["STARTED RESYNCED", "RESYNC"]);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// Reads one unbroken run of RESYNC events; gives it in a fixed order.
async fn difference(subscriber: &mut Subscriber) -> Vec<(EventType, String)> {
    let mut events = Vec::new();
    loop {
        let event = subscriber.event().await;
        assert_eq!(event.cause(), EventCause::Resync, "{event:?}");
        let told = (event.r#type(), event.name.clone());
        events.push(told);
        if !event.resume_token.is_empty() {
            events.sort_by(|a, b| (a.0.as_str_name(), &a.1).cmp(&(b.0.as_str_name(), &b.1)));
            return events;
        }
    }
}

/// Neither the changes nor the state of a position are known any more.
async fn r3_lost_states_reset_or_fail(kind: Kind) {
    let stage = Stage::own(kind).await;
    let mut world = World::on(stage, "r3", &[WIDGETS], &[]).await;
    create(&world, "w0", "red").await;
    create(&world, "w1", "red").await;
    let all = Ask::of(WIDGETS).namespace(&world.namespace);
    let red = all.clone().labels("color=red");
    let tokens = tokens(&world, &all, &red).await;
    world.daemon.crash();
    delete(&world, "w0").await;
    create(&world, "w2", "red").await;
    forget(&mut world, Loss::All).await;
    let daemon = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    world.replace_daemon(daemon).await;

    let mut subscriber = world.watch("all", &all.token(&tokens[0])).await;
    let outcome = subscriber.started().await.outcome();
    assert_eq!(outcome, StartOutcome::Snapshot);
    let Frame::Reset(reset) = subscriber.frame().await else {
        panic!("no reset after SNAPSHOT of a resume");
    };
    assert_eq!(reset.reason(), ResetReason::Expired);
    let (snapshot, _) = subscriber.snapshot().await;
    let names: Vec<_> = snapshot.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["w1", "w2"]);
    let changed = patch(&world, "w2", json!({"spec": {"step": "live"}})).await;
    subscriber.expect(Modified, "w2", changed).await;
    drop(subscriber);

    let failing = red.token(&tokens[1]).or_fail();
    let status = match world.try_watch("red", &failing).await {
        Ok(mut subscriber) => subscriber.end().await,
        Err(status) => status,
    };
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert_eq!(reason(&status), "RESOURCE_EXPIRED");
    let mut expectation =
        quick(5).requiring(&["RESET EXPIRED", "END OUT_OF_RANGE RESOURCE_EXPIRED"]);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// A token of each filter, from streams that have ended.
async fn tokens(world: &World, all: &Ask, red: &Ask) -> [String; 2] {
    let mut tokens = [const { String::new() }; 2];
    for ((name, ask), token) in [("all", all), ("red", red)].iter().zip(&mut tokens) {
        let mut subscriber = world.watch(name, ask).await;
        subscriber.snapshot().await;
        *token = subscriber.token();
    }
    tokens
}

async fn create(world: &World, name: &str, color: &str) {
    let widget = json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": name, "labels": {"color": color}},
    });
    world.kube.create(WIDGETS, &world.namespace, widget).await;
}

async fn patch(world: &World, name: &str, patch: Value) -> u64 {
    let changed = world.kube.patch(WIDGETS, &world.namespace, name, patch);
    kube::version(&changed.await)
}

async fn delete(world: &World, name: &str) {
    world.kube.delete(WIDGETS, &world.namespace, name).await;
}

/// What an apiserver loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Its window of changes, as every restart does.
    Changes,
    /// etcd's history, too.
    All,
}

/// Makes the apiserver forget the past.
async fn forget(world: &mut World, loss: Loss) {
    if let Some(cluster) = world.stage.simulated() {
        let now = cluster.revision();
        let forgotten = cluster.forget_watch_history(WIDGETS, now);
        forgotten.expect("widgets are served");
        if loss == Loss::All {
            cluster.compact(now);
        }
        return;
    }
    if loss == Loss::All {
        own(&mut world.stage).compact().await.expect("compacted");
    }
    stop_apiserver(world).await;
    start_apiserver(world, 1).await;
}

/// Ends the apiserver in the middle of whatever it does.
async fn stop_apiserver(world: &mut World) {
    world.truth_recorded().await;
    match &mut world.stage {
        Stage::Simulated(simulated) => {
            let server = simulated.server.take();
            server.expect("it runs").stop().await;
        }
        stage => own(stage).stop_apiserver(),
    }
}

/// Starts it again, at its old address. `time`: how often that was done, this time included.
async fn start_apiserver(world: &mut World, time: u64) {
    match &mut world.stage {
        Stage::Simulated(simulated) => {
            let server = Server::start(simulated.cluster.clone(), &simulated.address).await;
            simulated.server = Some(server.expect("the port is still free"));
        }
        stage => {
            let started = own(stage).start_apiserver().await;
            started.expect("the apiserver starts again");
            let outlived = async || world.truth_outlived(time);
            until("the truth is recorded again", outlived).await;
        }
    }
}

fn own(stage: &mut Stage) -> &mut ControlPlane {
    match stage {
        Stage::Own(plane) => plane,
        _ => panic!("only a scenario's own apiserver can be stopped"),
    }
}
