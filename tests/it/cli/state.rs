//! `--state`: a watch that goes on where the last run ended.

use serde_json::{Value, json};

use super::run::{Run, informerd};
use crate::{
    conformance::scenarios,
    daemon::Daemon,
    stage::Kind,
    wait::until,
    world::{World, quick},
};

scenarios![cli_state_goes_on_across_a_daemon_restart];

fn watch(world: &World, state: &str, more: &[&str]) -> Run {
    let server = world.daemon.address().to_string();
    let base = ["watch", "cm", "-n", &world.namespace, "--server", &server];
    let form = ["--state", state, "-o", "jsonl"];
    Run::start(&mut informerd(&[&base[..], &form, more].concat()))
}

/// Type, cause and name of so many events. The run is ended once it has made a remark as well: a
/// planned end could come before the daemon has a state.
async fn told(mut run: Run, events: usize, remark: &str) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..events {
        told.push(brief(&run.line().await));
    }
    until(remark, || {
        let remarked = run.err().contains(remark);
        async move { remarked }
    })
    .await;
    run.signal("INT").await;
    let rest = run.end().await.fine();
    told.extend(rest.lines().map(brief));
    told
}

fn brief(line: &str) -> String {
    let event: Value = serde_json::from_str(line).expect("json");
    let word = |field: &str| event[field].as_str().expect("text").to_owned();
    format!("{} {} {}", word("type"), word("cause"), word("name"))
}

/// Nothing twice and nothing missed, with another daemon in between.
async fn cli_state_goes_on_across_a_daemon_restart(kind: Kind) {
    let mut world = World::new(kind, "cli-state", &[], &[]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cm.state");
    let state = path.to_str().expect("text");
    world.create_map("a", json!({})).await;
    let first = told(watch(&world, state, &[]), 1, "; watching").await;
    assert_eq!(first, ["ADDED SNAPSHOT a"]);
    let token = std::fs::read_to_string(&path).expect("kept");

    let resumed = "resumed: nothing was missed";
    let again = told(watch(&world, state, &[]), 0, resumed).await;
    assert_eq!(again, [""; 0]);

    world.create_map("b", json!({})).await;
    world.touch_map("a", "1").await;
    world.delete_map("b").await;
    let kubeconfig = world.stage.kubeconfig();
    let daemon = Daemon::start(&kubeconfig, &[]).await;
    world.replace_daemon(daemon).await.kill();
    let changes = told(watch(&world, state, &[]), 3, resumed).await;
    let expected = ["ADDED CHANGE b", "MODIFIED CHANGE a", "DELETED CHANGE b"];
    assert_eq!(changes, expected);
    let moved = std::fs::read_to_string(&path).expect("kept");
    assert_ne!(moved, token, "the position is that of the last event");

    let foreign = watch(&world, state, &["-l", "a=b"]).end().await;
    assert_eq!(foreign.code, Some(1), "{foreign:?}");
    assert!(foreign.err.contains("delete it to start anew") && foreign.err.contains(state));
    let kept = std::fs::read_to_string(&path).expect("kept");
    assert_eq!(kept, moved, "a refused run leaves the file alone");

    let unwritable = directory.path().join("nowhere").join("state");
    let lost = watch(&world, unwritable.to_str().expect("text"), &[]);
    let lost = lost.end().await;
    assert_eq!(lost.code, Some(1), "{lost:?}");
    assert!(lost.err.contains("cannot use the state file"), "{lost:?}");
    world.finish(&quick(0)).await;
}
