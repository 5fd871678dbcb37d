//! What operators see: probes, and metrics that are what their page says.

use std::{collections::BTreeSet, time::Duration};

use libtest_mimic::Trial;

use crate::{
    request::Ask,
    stage::{self, Kind},
    world::{World, quick},
};

/// The trials of this file.
pub fn trials() -> Vec<Trial> {
    vec![stage::trial(
        Kind::Simulated,
        "metrics_are_documented",
        || {
            stage::block_on(metrics_are_documented());
            Ok(())
        },
    )]
}

async fn metrics_are_documented() {
    let world = World::new(Kind::Simulated, "metrics", &["configmaps"], &[]).await;
    let subscriber = world.synced("one", &Ask::of("configmaps"), 0).await;
    // Some metrics appear only with their first label.
    let mut ended = world
        .watch(
            "two",
            &Ask::of("configmaps").timeout(Duration::from_secs(1)),
        )
        .await;
    assert_eq!(ended.end().await.code(), tonic::Code::Ok);
    assert_eq!(world.daemon.page("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(world.daemon.page("/readyz").await, (200, "ok\n".to_owned()));
    let (status, text) = world.daemon.page("/metrics").await;
    assert_eq!(status, 200);

    let served: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let page = include_str!("../../docs/metrics.md");
    let documented: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("informerd_"))
        .collect();
    assert_eq!(served, documented);
    for labels in ["namespace=", "name=", "subscriber="] {
        assert!(!text.contains(labels), "{labels} is unbounded");
    }
    drop(subscriber);
    world.finish(&quick(0)).await;
}
