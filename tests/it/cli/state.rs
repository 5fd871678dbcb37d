//! `--state`: a watch that goes on where the last run ended.

use serde_json::{Value, json};

use super::run::{Ended, run};
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    stage::Kind,
    world::{World, quick},
};

scenarios![cli_state_goes_on_across_a_daemon_restart];

async fn watch(world: &World, state: &str, more: &[&str]) -> Ended {
    let server = world.daemon.address().to_string();
    let base = [
        "watch",
        "cm",
        "-n",
        &world.namespace,
        "--server",
        &server,
        "--state",
        state,
        "-o",
        "jsonl",
        "--timeout",
        "1s",
    ];
    run(&[&base[..], more].concat()).await
}

/// Type, cause and name of each line.
fn told(out: &str) -> Vec<String> {
    let line = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("json");
        let word = |field: &str| event[field].as_str().expect("text").to_owned();
        format!("{} {} {}", word("type"), word("cause"), word("name"))
    };
    out.lines().map(line).collect()
}

/// Nothing twice and nothing missed, with another daemon in between.
async fn cli_state_goes_on_across_a_daemon_restart(kind: Kind) {
    let mut world = World::new(kind, "cli-state", &[], &[]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cm.state");
    let state = path.to_str().expect("text");
    world.create_map("a", json!({})).await;
    let first = watch(&world, state, &[]).await;
    assert_eq!(told(&first.fine()), ["ADDED SNAPSHOT a"]);
    let token = std::fs::read_to_string(&path).expect("kept");

    let again = watch(&world, state, &[]).await;
    assert!(
        again.err.contains("resumed: nothing was missed"),
        "{again:?}"
    );
    assert_eq!(told(&again.fine()), [""; 0]);

    world.create_map("b", json!({})).await;
    world.touch_map("a", "1").await;
    world.delete_map("b").await;
    let kubeconfig = world.stage.kubeconfig();
    let daemon = Daemon::start(&kubeconfig, &[]).await;
    world.replace_daemon(daemon).await.kill();
    let resumed = watch(&world, state, &[]).await;
    assert!(
        resumed.err.contains("resumed: nothing was missed"),
        "{resumed:?}"
    );
    let expected = ["ADDED CHANGE b", "MODIFIED CHANGE a", "DELETED CHANGE b"];
    assert_eq!(told(&resumed.fine()), expected);
    let moved = std::fs::read_to_string(&path).expect("kept");
    assert_ne!(moved, token, "the position is that of the last event");

    let foreign = watch(&world, state, &["-l", "a=b"]).await;
    assert_eq!(foreign.code, Some(1), "{foreign:?}");
    assert!(foreign.err.contains("delete it to start anew") && foreign.err.contains(state));
    let kept = std::fs::read_to_string(&path).expect("kept");
    assert_eq!(kept, moved, "a refused run leaves the file alone");

    let unwritable = directory.path().join("nowhere").join("state");
    let lost = watch(&world, unwritable.to_str().expect("text"), &[]).await;
    assert_eq!(lost.code, Some(1), "{lost:?}");
    assert!(lost.err.contains("cannot use the state file"), "{lost:?}");
    world.finish(&quick(0)).await;
}
