//! Rights that go while a stream is open.

use std::time::Duration;

use informerd_support::simulation::Mood;
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{
    calls::{Line, Stream},
    canary,
    cast::{A, Cast, Identity, Target},
    oracle::{self, Verdict},
};
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    request::Ask,
    stage::{Kind, Stage},
    subscriber::reason,
    wait::until,
};

scenarios![
    access_that_is_revoked_ends_streams,
    access_of_a_deleted_account_ends_streams,
    access_is_held_while_nobody_can_tell,
];

const FAST: [&str; 2] = ["--recheck-interval", "1s"];

/// A daemon, an account that reads config maps in [`A`], and one that always may.
struct Scene {
    cast: Cast,
    daemon: Daemon,
    who: Identity,
    line: Line,
    boss: Line,
}

impl Scene {
    async fn of(kind: Kind, account: &'static str, arguments: &[&str]) -> Self {
        let cast = Cast::assemble(kind).await;
        let arguments = [&FAST[..], arguments].concat();
        let daemon = Daemon::guarded(&cast.stage.kubeconfig(), &arguments).await;
        let channel = daemon.connect().await;
        let token = cast.usable(account).await;
        let boss = cast.usable("boss").await;
        Self {
            line: Line::new(&channel, Some(&token)),
            boss: Line::new(&channel, Some(&boss)),
            who: Identity {
                name: account,
                token: Some(token),
                assumed: None,
            },
            cast,
            daemon,
        }
    }

    /// Two streams that have come to rest: one of all maps in the namespace, one of one of them.
    async fn streams(&self, line: &Line) -> [Stream; 2] {
        let mut all = line.watch(&maps()).await.expect("allowed");
        let (names, _) = all.snapshot().await.expect("a snapshot");
        assert!(names.contains(&"one".to_owned()), "{names:?}");
        let mut one = line.watch(&maps().name("one")).await.expect("allowed");
        one.snapshot().await.expect("a snapshot");
        [all, one]
    }

    async fn touch(&self, step: &str) {
        let patch = json!({"data": {"step": step}});
        self.cast.kube.patch("configmaps", A, "one", patch).await;
    }

    /// What the apiserver says to the account now.
    async fn verdict(&self) -> Verdict {
        let target = Target {
            resource: "configmaps",
            namespace: A,
            ..Target::default()
        };
        oracle::list_and_watch(&self.cast, &self.who, &target).await
    }

    /// Whatever is asked of the daemon from some moment on is refused, in this way.
    async fn refuses(&self, code: Code) {
        until("new calls are refused", || async {
            let answer = self.line.watch(&maps()).await;
            answer.is_err_and(|status| status.code() == code)
        })
        .await;
        let request = informerd::proto::v1::ListObjectsRequest {
            resource: Some(crate::request::named("configmaps")),
            filter: maps().message.filter,
            ..Default::default()
        };
        until("lists are refused", || async {
            let answer = self.line.list(request.clone()).await;
            answer.is_err_and(|status| status.code() == code)
        })
        .await;
    }

    async fn finish(self, told: &[Status]) {
        let tokens: Vec<_> = self.who.token.into_iter().collect();
        canary::unseen(&self.daemon, &tokens, told).await;
    }
}

fn maps() -> Ask {
    Ask::of("configmaps").namespace(A)
}

/// Events go on, and the streams end all the same; those of others don't.
async fn ends(scene: &Scene, streams: [Stream; 2], code: Code, expected: &str) -> Vec<Status> {
    let [mut other, _] = scene.streams(&scene.boss).await;
    let writing = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for step in 0.. {
            ticks.tick().await;
            scene.touch(&step.to_string()).await;
        }
    };
    let reading = async {
        let [mut all, mut one] = streams;
        tokio::join!(all.end(), one.end())
    };
    let (all, one) = tokio::select! {
        () = writing => panic!("writes never end"),
        ended = reading => ended,
    };
    let mut told = Vec::new();
    for (_, status) in [all, one] {
        assert_eq!(status.code(), code, "{status:?}");
        assert_eq!(reason(&status), expected, "{status:?}");
        told.push(status);
    }
    scene.touch("for the other").await;
    let shown = async {
        loop {
            let event = other.event().await.expect("still allowed");
            let text = String::from_utf8(event.object.to_vec()).expect("text");
            if text.contains("for the other") {
                return;
            }
        }
    };
    shown.await;
    told
}

/// S3: after the revocation nothing more than what was on its way; then the right comes back.
async fn access_that_is_revoked_ends_streams(kind: Kind) {
    let scene = Scene::of(kind, "revoked", &[]).await;
    assert_eq!(scene.verdict().await, Verdict::Allowed);
    let mut streams = scene.streams(&scene.line).await;
    scene.touch("before").await;
    for stream in &mut streams {
        let event = stream.event().await.expect("allowed");
        assert_eq!(event.name, "one");
    }
    scene.cast.revoke("revoked").await;
    let mut told = ends(&scene, streams, Code::PermissionDenied, "ACCESS_DENIED").await;
    assert_eq!(scene.verdict().await, Verdict::Forbidden);
    scene.refuses(Code::PermissionDenied).await;
    told.extend(scene.line.watch(&maps()).await.err());
    canary::audited(&scene.daemon, &["stream ends", "access_denied", "revoked"]).await;

    scene.cast.give_back("revoked").await;
    until("the right is back", || async {
        scene.line.watch(&maps()).await.is_ok()
    })
    .await;
    assert_eq!(scene.verdict().await, Verdict::Allowed);
    scene.finish(&told).await;
}

async fn access_of_a_deleted_account_ends_streams(kind: Kind) {
    let scene = Scene::of(kind, "deleted", &[]).await;
    assert_eq!(scene.verdict().await, Verdict::Allowed);
    let streams = scene.streams(&scene.line).await;
    scene.cast.delete(&scene.who).await;
    let told = ends(
        &scene,
        streams,
        Code::Unauthenticated,
        "CREDENTIALS_INVALID",
    )
    .await;
    assert_eq!(scene.verdict().await, Verdict::Unauthenticated);
    scene.refuses(Code::Unauthenticated).await;
    scene.finish(&told).await;
}

/// S4: nobody answers reviews for a while, with the same streams open all the time.
async fn access_is_held_while_nobody_can_tell(kind: Kind) {
    let mut scene = Scene::of(kind, "ns-viewer", &[]).await;
    let mut streams = scene.streams(&scene.line).await;
    scene.touch("before").await;
    streams[0].event().await.expect("allowed");
    scene.down().await;
    streams[0].degraded().await;
    if kind == Kind::Simulated {
        // Only the reviews are down: there are events that a held stream must not show.
        scene.touch("during").await;
    }
    let (one, two) = (streams[0].bookmark().await, streams[0].bookmark().await);
    assert_eq!(one, two, "a held stream stands still");
    let channel = scene.daemon.connect().await;
    let stranger = Line::new(&channel, Some("never-seen-before"));
    let refusal = stranger
        .watch(&maps())
        .await
        .err()
        .expect("nobody can tell");
    assert_eq!(reason(&refusal), "ACCESS_UNVERIFIED");
    assert_eq!(refusal.code(), Code::Unavailable);
    scene.up().await;
    scene.touch("after").await;
    let mut steps = Vec::new();
    while steps.last().is_none_or(|step| step != "after") {
        let event = streams[0].event().await.expect("it goes on");
        let object: Value = serde_json::from_slice(&event.object).expect("JSON");
        steps.push(object["data"]["step"].as_str().expect("a step").to_owned());
    }
    let expected: &[&str] = match kind {
        Kind::Simulated => &["during", "after"],
        Kind::Real | Kind::Installed { .. } => &["after"],
    };
    assert_eq!(steps, expected);
    scene.finish(&[refusal]).await;
}

impl Scene {
    /// Takes the apiserver away; of a simulated one the reviews alone.
    async fn down(&mut self) {
        match &mut self.cast.stage {
            Stage::Own(plane) => plane.stop_apiserver(),
            stage => stage.simulated().expect("simulated").set_mood(Mood::Down),
        }
    }

    async fn up(&mut self) {
        match &mut self.cast.stage {
            Stage::Own(plane) => plane.start_apiserver().await.expect("started again"),
            stage => stage.simulated().expect("simulated").set_mood(Mood::Honest),
        }
    }
}
