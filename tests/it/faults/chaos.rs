//! Everything at once: random faults, random readers, thousands of writes.

use fastrand::Rng;
use futures::future::join_all;
use informerd::proto::v1::{self, frame::Frame};
use informerd_support::simulation::{Action, Cluster, Disruption};
use tokio::sync::watch;
use tonic::Status;

use super::storm::{MAPS, Storm, Writer, initial, line, next_watch};
use crate::{
    conformance::scenarios,
    request::Ask,
    stage::Kind,
    subscriber::{number, reason},
    wait::until,
    world::{World, quick},
};

scenarios![
    chaos_of_faults_and_resumes,
    chaos_where_namespaces_are_watched_apart,
    chaos_with_little_memory,
];

/// Faults in a row.
const ROUNDS: usize = 16;
/// Writes around each of them.
const WRITES: usize = 200;
const READERS: usize = 20;

/// Seeded faults while 20 readers come and go with their tokens, some of them after long absence.
/// The history is short, so that they are continued from the daemon's, from upstream's, by a
/// difference, or by a Reset.
async fn chaos_of_faults_and_resumes(kind: Kind) {
    let storm = Storm::brew(kind, "chaos", &["--history-bytes", "192Ki"]).await;
    endured(storm, 1).await;
}

/// The same for a daemon that watches two namespaces, each with half of the traffic. The streams of
/// each are as whole as those of a cluster.
async fn chaos_where_namespaces_are_watched_apart(kind: Kind) {
    let storm = Storm::brew_apart(kind, "chaos-apart", &["--history-bytes", "96Ki"]).await;
    endured(storm, 2).await;
}

/// The same where next to nothing can be kept for readers: most of what they are told is encoded
/// from the history, over and over.
async fn chaos_with_little_memory(kind: Kind) {
    let arguments = ["--history-bytes", "192Ki", "--buffer-memory", "48Ki"];
    let storm = Storm::brew(kind, "chaos-memory", &arguments).await;
    endured(storm, 1).await;
}

async fn endured(mut storm: Storm, collections: usize) {
    let mut writer = storm.writer();
    let audience = storm.audience();
    let (goal, reached) = watch::channel(u64::MAX);
    let readers = (0..READERS).map(|number| {
        let (name, ask) = &audience[number % audience.len()];
        Reader {
            world: &storm.world,
            cluster: &storm.cluster,
            name: format!("{name}-{number}"),
            ask: ask.clone(),
            rng: Rng::with_seed(number as u64),
            sleepy: number % 3 == 0,
            goal: reached.clone(),
        }
        .read()
    });
    let raging = async {
        rage(&storm, &mut writer).await;
        goal.send_replace(storm.world.fence(MAPS).await);
    };
    tokio::join!(join_all(readers), raging);
    let mut expectation = quick(5000).requiring(&[
        "RESYNC",
        "STARTED RESUMED",
        "STARTED SNAPSHOT",
        "RESET EXPIRED",
        "ENTERED",
        "LEFT",
        "DEGRADED",
    ]);
    // Catching up with upstream's history takes a second watch for a moment.
    expectation.watches = 2;
    expectation.collections = collections;
    storm.judge(&expectation).await;
}

/// Lets one fault follow another.
async fn rage(storm: &Storm, writer: &mut Writer) {
    let mut rng = Rng::with_seed(20);
    let mut faults: Vec<usize> = (0..ROUNDS).collect();
    rng.shuffle(&mut faults);
    for fault in faults {
        (0..WRITES / 2).for_each(|_| writer.write());
        let from = storm.cluster.revision();
        let requests = storm.world.requests(MAPS);
        strike(&storm.cluster, fault);
        (0..WRITES / 2).for_each(|_| writer.write());
        storm.caught_up().await;
        asked_again(storm, requests.len()).await;
        storm.struck().await;
        storm.caught_up().await;
        let syncs = |requests: &[_]| requests.iter().filter(|request| initial(request)).count();
        if syncs(&storm.world.requests(MAPS)) > syncs(&requests) {
            storm.world.excuse_gap(from, storm.cluster.revision());
        }
    }
}

/// Waits for a request after the first `before`. A strike that came between two watches has hit
/// none; the daemon, which has caught up, is given another cause then.
async fn asked_again(storm: &Storm, before: usize) {
    const LOOKS: usize = 500;
    let mut looks = 0;
    until("the daemon asks upstream again", || {
        looks += 1;
        if looks % LOOKS == 0 {
            storm.cluster.break_watches(MAPS, Disruption::End);
        }
        async { storm.world.requests(MAPS).len() > before }
    })
    .await;
}

fn strike(cluster: &Cluster, fault: usize) {
    let throttled = Action::status(429, "TooManyRequests", "busy").header("retry-after", "1");
    let expired = || Action::status(410, "Expired", "too old resource version");
    let then = |action| {
        cluster.inject(next_watch(action));
        Disruption::End
    };
    let how = match fault {
        0 => Disruption::Reset,
        1 => Disruption::Abort,
        2 => Disruption::CutMidLine,
        3 => Disruption::TornLine,
        4 => Disruption::End,
        5 => Disruption::line("garbage"),
        6 => Disruption::line(line("MODIFIED", &serde_json::json!({"metadata": {}}))),
        7 => Disruption::Replay(5),
        8 => Disruption::error(500, "InternalError", "etcdserver: no leader"),
        9 => Disruption::error(410, "Expired", "too old resource version"),
        10 => Disruption::unsafe_delete(),
        11 => then(throttled),
        12 => then(expired()),
        13 => then(Action::Reset),
        14 => then(Action::html(502)),
        _ => {
            let now = cluster.revision();
            cluster.compact(now);
            cluster
                .forget_watch_history(MAPS, now)
                .expect("it is served");
            Disruption::End
        }
    };
    cluster.break_watches(MAPS, how);
}

/// How one stream went.
enum Went {
    /// To the goal.
    There,
    /// The reader left it.
    Away,
    /// It was refused.
    Nowhere,
}

/// Comes, reads a little, goes, and comes back with its token.
struct Reader<'a> {
    world: &'a World,
    cluster: &'a Cluster,
    name: String,
    ask: Ask,
    rng: Rng,
    sleepy: bool,
    goal: watch::Receiver<u64>,
}

impl Reader<'_> {
    async fn read(mut self) {
        let mut token: Option<String> = None;
        loop {
            let ask = match &token {
                None => self.ask.clone(),
                Some(token) => self.ask.clone().token(token),
            };
            match self.once(&ask, &mut token).await {
                Went::There => return,
                Went::Away => {}
                Went::Nowhere => self.mended().await,
            }
            if self.sleepy {
                self.stay_away().await;
            }
        }
    }

    /// Opens one stream and reads some of it.
    async fn once(&mut self, ask: &Ask, token: &mut Option<String>) -> Went {
        let mut subscriber = match self.world.try_watch(&self.name, ask).await {
            Ok(subscriber) => subscriber,
            Err(status) => return excused(&status),
        };
        for number in 0..self.rng.usize(1..300) {
            let frame = match subscriber.next().await {
                Ok(frame) => frame,
                Err(status) if number == 0 => return excused(&status),
                Err(status) => panic!("{}: the stream ended: {status:?}", self.name),
            };
            if position(&frame, token) >= *self.goal.borrow() {
                return Went::There;
            }
        }
        Went::Away
    }

    /// Waits until upstream can be asked again.
    async fn mended(&self) {
        let name = "informerd_upstream_watches";
        until("the daemon has a watch again", || async {
            self.world.daemon.metric(name, "configmaps").await >= 1.0
        })
        .await;
    }

    /// Stays away until much was written.
    async fn stay_away(&mut self) {
        let awake = self.cluster.revision() + self.rng.u64(200..900);
        until("enough is written to wake up", || async {
            self.cluster.revision() > awake || *self.goal.borrow() < u64::MAX
        })
        .await;
    }
}

/// The only excuse for a refusal: upstream is needed for this start and can't be asked now.
fn excused(status: &Status) -> Went {
    assert_eq!(reason(status), "UPSTREAM_DOWN", "{status:?}");
    Went::Nowhere
}

/// What a frame says of the reader's position; keeps the token to continue with.
fn position(frame: &Frame, token: &mut Option<String>) -> u64 {
    let (version, new) = match frame {
        Frame::Event(v1::Event {
            resource_version,
            resume_token,
            ..
        }) => (resource_version, resume_token),
        Frame::Bookmark(bookmark) => (&bookmark.resource_version, &bookmark.resume_token),
        Frame::SnapshotEnd(end) => (&end.resource_version, &end.resume_token),
        Frame::Reset(_) => {
            *token = None;
            return 0;
        }
        _ => return 0,
    };
    if new.is_empty() {
        return 0;
    }
    *token = Some(new.clone());
    number(version)
}
