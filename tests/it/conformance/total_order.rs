//! Everyone sees one order, however often they reconnect and wherever to.

use std::{collections::BTreeSet, time::Duration};

use informerd::proto::v1::{self, EventType, StartOutcome};
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::scenarios;
use crate::{
    daemon::Daemon,
    kube,
    request::Ask,
    stage::Kind,
    subscriber::{Subscriber, number},
    world::{World, quick},
};

scenarios![k72_watch_total_order];

const WIDGETS: &str = "widgets.example.com";
const WATCHERS: usize = 200;
const OPERATIONS: usize = 100;
const STOP: &str = "stop-mark";

/// One event as it was seen: type, name, uid, version and object.
type Seen = (EventType, String, String, u64, Vec<u8>);

/// test/integration/apimachinery/watchtotalorder: 200 watchers, of which the i-th reconnects after
/// every i events, see the same sequence as one that never reconnects. Here also with a filter, and
/// with every reconnection at the other of two daemons.
async fn k72_watch_total_order(kind: Kind) {
    let world = World::new(kind, "k72", &[WIDGETS], &[]).await;
    let other = Daemon::start(&world.stage.kubeconfig(), &[]).await;
    let channels = [world.channel(), other.connect().await];
    let mut life = Life::new(72);
    for _ in 0..OPERATIONS {
        life.step(&world).await;
    }
    let alive = life.alive.len();
    let calm = Duration::from_secs(30);
    let all = || Ask::of(WIDGETS).namespace(&world.namespace).bookmarks(calm);
    let red = || all().labels("color=red");

    let mut reference = world.watch("reference", &all()).await;
    let (held, end) = reference.snapshot().await;
    assert_eq!(held.len(), alive);
    let mut reference_red = world.watch("reference-red", &red()).await;
    let (_, end_red) = reference_red.snapshot().await;
    // The second daemon has to know the state from which watchers come to it.
    let channel = channels[1].clone();
    let opened = world.try_watch_on("second", &all(), channel).await;
    let mut second = opened.expect("accepted");
    assert_eq!(second.snapshot().await.0.len(), alive);

    let watchers = (1..=WATCHERS).map(|every| {
        let (name, ask, token) = match every % 2 {
            0 => (format!("all-{every}"), all(), end.resume_token.clone()),
            _ => (format!("red-{every}"), red(), end_red.resume_token.clone()),
        };
        watch_with_breaks(&world, name, ask, token, every, &channels)
    });
    let writes = async {
        let mut written = Vec::new();
        for _ in 1..OPERATIONS {
            written.extend(life.step(&world).await);
        }
        let mark = widget(STOP, "red", "0");
        let mark = world.kube.create(WIDGETS, &world.namespace, mark).await;
        written.push(kube::version(&mark));
        written
    };
    let (written, sequences, reference, reference_red, second) = futures::join!(
        writes,
        futures::future::join_all(watchers),
        until_stop(reference),
        until_stop(reference_red),
        until_stop(second),
    );

    assert_eq!(reference.len(), OPERATIONS, "one event for each operation");
    let versions: Vec<u64> = reference.iter().map(|seen| seen.3).collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    let own = versions.iter().filter(|version| written.contains(version));
    assert!(own.eq(&written), "{written:?} in {versions:?}");
    assert_eq!(reference, second, "two daemons tell the same");
    assert!(reference_red.len() > 10, "{}", reference_red.len());
    for (every, sequence) in (1..).zip(&sequences) {
        let expected = [&reference, &reference_red][every % 2];
        assert_eq!(sequence, expected, "the watcher of every {every} events");
    }
    let mut expectation = quick(WATCHERS as u64 * 10).requiring(&["STARTED RESUMED", "DELETED"]);
    expectation.watches = 2;
    world.finish(&expectation).await;
}

/// Watches to the mark; resumes after each `every` events, from one daemon to the other.
async fn watch_with_breaks(
    world: &World,
    name: String,
    ask: Ask,
    mut token: String,
    every: usize,
    channels: &[Channel; 2],
) -> Vec<Seen> {
    let mut seen = Vec::new();
    for channel in channels.iter().cycle() {
        let ask = ask.clone().token(&token);
        let opened = world.try_watch_on(&name, &ask, channel.clone()).await;
        let mut watcher = opened.unwrap_or_else(|status| panic!("{name}: {status:?}"));
        assert_eq!(watcher.started().await.outcome(), StartOutcome::Resumed);
        for _ in 0..every {
            seen.push(told(&watcher.event().await));
            if seen.last().is_some_and(is_stop) {
                return seen;
            }
        }
        token = watcher.token();
    }
    seen
}

async fn until_stop(mut subscriber: Subscriber) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !seen.last().is_some_and(is_stop) {
        seen.push(told(&subscriber.event().await));
    }
    seen
}

fn is_stop(seen: &Seen) -> bool {
    seen.1 == STOP
}

fn told(event: &v1::Event) -> Seen {
    let version = number(&event.resource_version);
    let object = event.object.to_vec();
    let (name, uid) = (event.name.clone(), event.uid.clone());
    (event.r#type(), name, uid, version, object)
}

fn widget(name: &str, color: &str, step: &str) -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": name, "labels": {"color": color}},
        "spec": {"step": step},
    })
}

/// Random creations, changes and deletions.
struct Life {
    random: fastrand::Rng,
    step: usize,
    alive: BTreeSet<String>,
}

impl Life {
    fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            step: 0,
            alive: BTreeSet::new(),
        }
    }

    /// Does one thing; gives its version, which a deletion does not tell.
    async fn step(&mut self, world: &World) -> Option<u64> {
        self.step += 1;
        let step = self.step.to_string();
        let name = format!("w{}", self.random.u32(..10));
        let color = ["red", "red", "blue"][self.random.usize(..3)];
        let namespace = &world.namespace;
        if self.alive.insert(name.clone()) {
            let widget = widget(&name, color, &step);
            let created = world.kube.create(WIDGETS, namespace, widget).await;
            return Some(kube::version(&created));
        }
        if self.random.u32(..4) == 0 {
            self.alive.remove(&name);
            world.kube.delete(WIDGETS, namespace, &name).await;
            return None;
        }
        let patch = json!({"metadata": {"labels": {"color": color}}, "spec": {"step": step}});
        let changed = world.kube.patch(WIDGETS, namespace, &name, patch).await;
        Some(kube::version(&changed))
    }
}
