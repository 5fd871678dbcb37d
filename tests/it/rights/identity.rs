//! Which cluster it is, for a daemon that may not ask.

use informerd::proto::v1::StartOutcome;
use informerd_support::simulation::{Action, Fault, Verb};
use serde_json::json;

use super::{CALM, account::Account};
use crate::{
    bad_input::sentence,
    cli::run::{Run, informerd},
    conformance::scenarios,
    request::Ask,
    stage::Kind,
    subscriber::reason,
    world::{World, quick},
};

scenarios![the_operator_names_a_cluster_that_can_not_be_asked];

const MAPS: &str = "configmaps";

/// Without the right the daemon doesn't start, and says which one it is; with `--cluster-id` it needs
/// none and continues the tokens of the others.
async fn the_operator_names_a_cluster_that_can_not_be_asked(kind: Kind) {
    let mut world = World::new(kind, "identity", &[MAPS], &[]).await;
    let namespace = world.namespace.clone();
    let account = Account::new(&world).await;
    account
        .grant(&world, &namespace, &[MAPS], &["list", "watch"])
        .await;
    let ask = Ask::of(MAPS).namespace(&namespace).bookmarks(CALM);
    let mut reader = world.synced("reader", &ask, 0).await;
    let created = world.create_map("first", json!({})).await;
    reader.events_until(created).await;
    let token = reader.token();
    drop(reader);
    let kube_system = world.kube.get("/api/v1/namespaces/kube-system").await;
    let uid = kube_system["metadata"]["uid"].as_str().expect("a uid");

    if let Some(cluster) = world.stage.simulated() {
        let refused = Action::status(403, "Forbidden", "namespaces is forbidden");
        cluster.inject(Fault::on("namespaces", Verb::Get, refused).times(1000));
    }
    let kubeconfig = account.kubeconfig().display().to_string();
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--kubeconfig",
        &kubeconfig,
        "--namespaces",
        &namespace,
    ];
    let ended = Run::start(&mut informerd(&serve)).end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = ended.err.lines().last().unwrap_or_default();
    let said = said.strip_prefix("error: ").expect(said);
    for part in ["kube-system", "verb get", "--cluster-id"] {
        assert!(said.contains(part), "{said} lacks {part}");
    }
    sentence(said, "").unwrap_or_else(|wrong| panic!("{wrong}: {said}"));

    let arguments = ["--namespaces", &namespace, "--cluster-id", uid];
    let daemon = account.daemon(&arguments).await;
    world.replace_daemon(daemon).await;
    let last = world.touch_map("first", "1").await;
    let mut reader = world.watch("reader", &ask.clone().token(&token)).await;
    assert_eq!(reader.started().await.outcome(), StartOutcome::Resumed);
    assert_eq!(reader.events_until(last).await.len(), 1);
    drop(reader);
    let other = account
        .daemon(&["--namespaces", &namespace, "--cluster-id", "another"])
        .await;
    world.replace_daemon(other).await;
    let refused = world.try_watch("stranger", &ask.token(&token)).await;
    let refused = refused.err().expect("another cluster");
    assert_eq!(reason(&refused), "TOKEN_MISMATCH");
    let mut expectation = quick(1);
    expectation.watches = 2;
    expectation.collections = 2;
    world.finish(&expectation).await;
}
