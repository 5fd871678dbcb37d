//! `informerd admin`: what the daemon says of itself, in tables and as JSON.

use serde_json::Value;

use super::run::run;
use crate::{
    conformance::scenarios,
    request::Ask,
    stage::Kind,
    wait::until,
    world::{World, quick},
};

scenarios![cli_admin_shows_what_the_daemon_does];

async fn cli_admin_shows_what_the_daemon_does(kind: Kind) {
    let world = World::new(kind, "cli-admin", &["configmaps"], &[]).await;
    let server = world.daemon.address().to_string();
    let admin = async |words: &[&str]| {
        let all = [&["admin"], words, &["--server", &server]].concat();
        run(&all).await
    };
    let nothing = admin(&["upstreams"]).await;
    assert!(nothing.err.contains("no stream has asked"), "{nothing:?}");
    assert_eq!(nothing.fine(), "");

    let ask = Ask::of("configmaps").namespace(&world.namespace);
    let all = world.synced("all", &ask, 0).await;
    let some = world.synced("some", &ask.clone().labels("a=b"), 0).await;
    until("the watch is established", || async {
        let table = admin(&["upstreams", "--no-headers"]).await.fine();
        let row: Vec<&str> = table.split_whitespace().collect();
        row.starts_with(&["configmaps", "*", "healthy"]) && row.ends_with(&["2", "2"])
    })
    .await;
    let json = admin(&["subscriptions", "-o", "json"]).await.fine();
    let queries: Value = serde_json::from_str(&json).expect("json");
    assert_eq!(queries[0]["filter"]["namespaces"][0], *world.namespace);
    let of = |selector: &str| {
        let mut all = queries.as_array().expect("a list").iter();
        all.any(|q| q["filter"]["labelSelector"] == selector && q["streams"] == 1)
    };
    assert!(of("") && of("a=b"), "{json}");

    let words = ["explain", "cm", "-n", &world.namespace, "-l", "a in (b)"];
    let told = admin(&words).await.fine();
    let has = |line: &str| told.lines().any(|told| told.starts_with(line));
    assert!(
        has("found by:    label (a=b)") && has("streams:     1"),
        "{told}"
    );
    let refused = admin(&["explain", "cm", "-l", "a=("]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("label_selector"), "{refused:?}");
    drop((all, some));
    world.finish(&quick(0)).await;
}
