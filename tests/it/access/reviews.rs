//! Reviews that lie, fail or take too long, and callers who try what they may not.

use informerd::proto::v1::Availability;
use informerd_support::simulation::{Action, Caller, Cluster, Fault, Mood, Rule, Verb};
use tonic::{Code, Request, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_types::StatusExt as _;

use super::{
    calls::Line,
    canary,
    cast::{A, B, Cast},
};
use crate::{
    conformance::scenarios, daemon::Daemon, request::Ask, stage::Kind, subscriber::reason,
    wait::until,
};

scenarios![
    access_lies_let_nobody_in: "a real apiserver doesn't lie",
    access_reviews_are_asked_once: "a real apiserver keeps no record of requests",
    access_is_not_shared_between_tenants: "played on the real one by the matrix",
    access_headers_make_nobody: "played on the real one by the matrix",
    access_has_limits: "the same daemon on either",
    access_to_other_namespaces_shows_no_trouble_there: "a real apiserver has no faults to order",
    access_trouble_shows_in_readiness: "a real apiserver can't be asked to be wrong",
];

pub(super) const TOKENS: &str = "tokenreviews.authentication.k8s.io";
pub(super) const ACCESS: &str = "subjectaccessreviews.authorization.k8s.io";

/// A simulated cluster with a guarded daemon.
pub(super) struct Scene {
    cast: Cast,
    pub(super) daemon: Daemon,
}

impl Scene {
    pub(super) async fn new(arguments: &[&str]) -> Self {
        let cast = Cast::assemble(Kind::Simulated).await;
        let daemon = Daemon::guarded(&cast.stage.kubeconfig(), arguments).await;
        Self { cast, daemon }
    }

    pub(super) fn cluster(&self) -> &Cluster {
        self.cast.stage.simulated().expect("simulated")
    }

    /// The line of a new user who may read config maps in [`A`].
    pub(super) async fn user(&self, name: &str) -> (Line, String) {
        let token = format!("token-of-{name}-{}", fastrand::u64(..));
        let caller = Caller {
            user: name.to_owned(),
            audiences: vec!["informerd".to_owned()],
            ..Caller::default()
        };
        self.cluster().set_token(&token, Some(caller));
        (Line::new(&self.daemon.connect().await, Some(&token)), token)
    }

    /// Changes an object that its users watch.
    pub(super) async fn touch(&self) {
        let patch = serde_json::json!({"data": {"touched": "yes"}});
        self.cast.kube.patch("configmaps", A, "one", patch).await;
    }

    pub(super) fn reviews(&self, resource: &str) -> usize {
        let requests = self.cluster().requests();
        requests
            .iter()
            .filter(|request| request.resource == resource)
            .count()
    }
}

pub(super) fn maps() -> Ask {
    Ask::of("configmaps").namespace(A)
}

pub(super) async fn refused(line: &Line, ask: &Ask) -> Status {
    let answer = line.watch(ask).await;
    answer.err().expect("it must be refused")
}

/// S4, F54-F56. Each lie has a user of its own, whom nothing is remembered of.
async fn access_lies_let_nobody_in(_: Kind) {
    let scene = Scene::new(&[]).await;
    let lies = [
        (Mood::Down, Code::Unavailable, "ACCESS_UNVERIFIED"),
        (Mood::Forbidden, Code::Unavailable, "ACCESS_UNVERIFIED"),
        (Mood::Torn, Code::PermissionDenied, "ACCESS_DENIED"),
        (Mood::Impostor, Code::Unauthenticated, "CREDENTIALS_INVALID"),
        (Mood::Unaware, Code::Unauthenticated, "CREDENTIALS_INVALID"),
        (Mood::Failing, Code::Unavailable, "ACCESS_UNVERIFIED"),
        (Mood::Wordy, Code::Unavailable, "ACCESS_UNVERIFIED"),
    ];
    let mut rules = Vec::new();
    for (mood, ..) in lies {
        rules.push(Rule::read(&format!("{mood:?}"), "configmaps", A));
        rules.push(Rule::read(&format!("{mood:?}-honest"), "configmaps", A));
    }
    scene.cluster().set_rules(rules);
    let (mut told, mut tokens) = (Vec::new(), Vec::new());
    for (mood, code, expected) in lies {
        let (line, token) = scene.user(&format!("{mood:?}-honest")).await;
        assert!(line.watch(&maps()).await.is_ok(), "{mood:?}: honest");
        tokens.push(token);
        scene.cluster().set_mood(mood);
        let (line, token) = scene.user(&format!("{mood:?}")).await;
        let status = refused(&line, &maps()).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (code, expected),
            "{mood:?}"
        );
        scene.cluster().set_mood(Mood::Honest);
        if code == Code::Unavailable {
            let retry = status.get_error_details().retry_info().cloned();
            assert!(retry.is_some(), "{mood:?}");
            assert!(
                line.watch(&maps()).await.is_ok(),
                "{mood:?}: errors are not remembered"
            );
        }
        told.push(status);
        tokens.push(token);
    }
    canary::unseen(&scene.daemon, &tokens, &told).await;
}

/// Many callers are one review; one that never comes is given up, for all of them.
async fn access_reviews_are_asked_once(_: Kind) {
    let scene = Scene::new(&["--recheck-interval", "1h"]).await;
    scene
        .cluster()
        .set_rules(vec![Rule::read("ann", "configmaps", A)]);
    let (line, _) = scene.user("ann").await;
    let mut streams = vec![line.watch(&maps()).await.expect("allowed")];
    let before = (scene.reviews(TOKENS), scene.reviews(ACCESS));
    for _ in 0..20 {
        streams.push(line.watch(&maps()).await.expect("allowed"));
    }
    // The daemon's own trials may come in between.
    let more = |resource, before| scene.reviews(resource) - before;
    assert!(more(TOKENS, before.0) <= 2, "{}", more(TOKENS, before.0));
    assert!(more(ACCESS, before.1) <= 2, "{}", more(ACCESS, before.1));

    scene
        .cluster()
        .inject(Fault::on(ACCESS, Verb::Write, Action::Freeze).times(4));
    let (slow, _) = scene.user("slow").await;
    let ask = maps();
    let (one, two) = tokio::join!(refused(&slow, &ask), refused(&slow, &ask));
    for status in [one, two] {
        assert_eq!(reason(&status), "ACCESS_UNVERIFIED", "{status:?}");
    }
}

/// F74: what is shared between streams is shared by those who may see it.
async fn access_is_not_shared_between_tenants(_: Kind) {
    let scene = Scene::new(&[]).await;
    let allowed = ["ann", "eve"].map(|user| Rule::read(user, "configmaps", A));
    scene.cluster().set_rules(allowed.to_vec());
    let (ann, _) = scene.user("ann").await;
    let (bob, _) = scene.user("bob").await;
    let (eve, _) = scene.user("eve").await;
    let mut stream = ann.watch(&maps()).await.expect("allowed");
    let (names, token) = stream.snapshot().await.expect("a snapshot");
    assert_eq!(names, ["one", "two"]);
    for ask in [maps(), maps().now(), maps().token(&token)] {
        let status = refused(&bob, &ask).await;
        assert_eq!(reason(&status), "ACCESS_DENIED", "{status:?}");
    }
    // A token has no rights of its own, and takes none away.
    assert!(eve.watch(&maps().token(&token)).await.is_ok());
    // The same text for what is there and what is not.
    let texts = ["configmaps", "gizmos"].map(|resource| {
        let (bob, ask) = (bob.clone(), Ask::of(resource).namespace(A));
        async move { refused(&bob, &ask).await.message().replace(resource, "X") }
    });
    let texts = futures_of(texts).await;
    assert_eq!(texts[0], texts[1]);
}

async fn futures_of<F: Future<Output = String>>(all: [F; 2]) -> [String; 2] {
    let [one, two] = all;
    let (one, two) = tokio::join!(one, two);
    [one, two]
}

/// S9: only a token or a certificate says who calls.
async fn access_headers_make_nobody(_: Kind) {
    use informerd::proto::v1::watch_service_client::WatchServiceClient;
    let scene = Scene::new(&[]).await;
    scene
        .cluster()
        .set_rules(vec![Rule::read("root", "configmaps", A)]);
    let (_, token) = scene.user("bob").await;
    let (_, root) = scene.user("root").await;
    let bearer = |token: &str| format!("Bearer {token}");
    let claims: [&[(&'static str, String)]; 5] = [
        &[
            ("x-remote-user", "root".into()),
            ("x-remote-group", "system:masters".into()),
        ],
        &[
            ("authorization", bearer(&token)),
            ("impersonate-user", "root".into()),
        ],
        &[
            ("authorization", bearer(&token)),
            ("x-remote-user", "root".into()),
        ],
        &[
            ("authorization", bearer(&root)),
            ("authorization", bearer(&token)),
        ],
        &[("authorization", "Basic cm9vdDpyb290".into())],
    ];
    let expected = [
        "CREDENTIALS_MISSING",
        "ACCESS_DENIED",
        "ACCESS_DENIED",
        "CREDENTIALS_INVALID",
        "CREDENTIALS_MISSING",
    ];
    let mut told = Vec::new();
    for (claim, expected) in claims.into_iter().zip(expected) {
        let mut request = Request::new(maps().message);
        for (name, value) in claim {
            request
                .metadata_mut()
                .append(*name, value.parse().expect("a header"));
        }
        let mut client = WatchServiceClient::new(scene.daemon.connect().await);
        let status = client.watch(request).await.expect_err("refused");
        assert_eq!(reason(&status), expected, "{claim:?}");
        told.push(status);
    }
    let root_line = Line::new(&scene.daemon.connect().await, Some(&root));
    assert!(root_line.watch(&maps()).await.is_ok(), "root itself may");
    canary::unseen(&scene.daemon, &[token, root], &told).await;
}

/// One user's streams are counted, those of others are not touched, and a slot is given back.
async fn access_has_limits(_: Kind) {
    let scene = Scene::new(&["--streams-per-identity", "2"]).await;
    let rules = ["ann", "bob"].map(|user| Rule::read(user, "configmaps", A));
    scene.cluster().set_rules(rules.to_vec());
    let (ann, _) = scene.user("ann").await;
    let (bob, _) = scene.user("bob").await;
    let first = ann.watch(&maps()).await.expect("one");
    let _second = ann.watch(&maps()).await.expect("two");
    let status = refused(&ann, &maps()).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), "QUOTA_EXCEEDED");
    let details = status.get_error_details();
    assert!(details.quota_failure().is_some() && details.retry_info().is_some());
    assert!(bob.watch(&maps()).await.is_ok());
    let mut reflection = ServerReflectionClient::new(ann.0.clone());
    let asked = reflection.server_reflection_info(tokio_stream::pending());
    let status = asked.await.expect_err("a stream like others");
    assert_eq!(reason(&status), "QUOTA_EXCEEDED");
    drop(first);
    until("the slot is free", || async {
        ann.watch(&maps()).await.is_ok()
    })
    .await;
}

/// What the daemon may not read somewhere is told to those who may read there, and to nobody else.
async fn access_to_other_namespaces_shows_no_trouble_there(_: Kind) {
    let scene = Scene::new(&["--namespaces", "access-a,access-b"]).await;
    let rules = [("ann", A), ("bob", B)];
    let rules = rules.map(|(user, namespace)| Rule::read(user, "configmaps", namespace));
    scene.cluster().set_rules(rules.to_vec());
    let (ann, _) = scene.user("ann").await;
    let (bob, _) = scene.user("bob").await;
    let text = "configmaps is forbidden: User \"daemon\" cannot list resource";
    for verb in [Verb::List, Verb::Watch] {
        let fault = Fault::on("configmaps", verb, Action::status(403, "Forbidden", text));
        scene.cluster().inject(fault.times(100_000));
    }
    assert_eq!(reason(&refused(&ann, &maps()).await), "UPSTREAM_FORBIDDEN");
    let told = async |line: &Line| {
        let listed = line.resources().await.expect("answered");
        let maps = listed.iter().find(|listed| listed.kind == "ConfigMap");
        maps.expect("offered").availability()
    };
    assert_eq!(told(&ann).await, Availability::ForbiddenUpstream);
    assert_eq!(told(&bob).await, Availability::Available);
}

/// `/readyz` tells the operator what is missing, and heals.
async fn access_trouble_shows_in_readiness(_: Kind) {
    let scene = Scene::new(&[]).await;
    let ready = || async { scene.daemon.page("/readyz").await };
    until("ready", || async { ready().await.0 == 200 }).await;
    scene.cluster().set_mood(Mood::Forbidden);
    until("the daemon's missing right is named", || async {
        let (status, text) = ready().await;
        status == 503 && text.contains("tokenreviews") && text.contains("system:auth-delegator")
    })
    .await;
    scene.cluster().set_mood(Mood::Honest);
    until("ready again", || async { ready().await.0 == 200 }).await;
}
