//! Watch the pods that carry certain labels.
//!
//! Shows what a selector does to events: a pod that gets the labels is ADDED, one that loses them
//! is DELETED, although it still exists; the event's cause tells these apart from pods that were
//! really created and deleted. End it with Ctrl-C.
//!
//! Run it with a daemon at `INFORMERD_SERVER` (127.0.0.1:7300 unless set):
//! `cargo run --example label_selectors [NAMESPACE]`

use std::env;

use futures::TryStreamExt as _;
use informerd::client::{ChangeKind, Client};
use k8s_openapi::api::core::v1::Pod;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let namespace = env::args().nth(1).unwrap_or_else(|| "default".to_owned());
    let server = env::var("INFORMERD_SERVER").unwrap_or_else(|_| "127.0.0.1:7300".to_owned());
    let client = Client::connect(&server).await?;

    let mut pods = client
        .watch::<Pod>()
        .namespace(&namespace)
        .label_selector("app=nginx,env=production")
        .open();
    while let Some(event) = pods.try_next().await? {
        let Some((kind, pod)) = event.change() else {
            continue;
        };
        println!("{kind}: {}", pod.name);
        let labels = pod.object.metadata.labels.as_ref();
        println!("  Labels: {:?}", labels.unwrap_or(&Default::default()));

        let status = pod.object.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        match kind {
            ChangeKind::Added => println!("  -> New nginx production pod created"),
            ChangeKind::Modified => {
                println!("  -> Pod updated, phase: {}", phase.unwrap_or("Unknown"));
            }
            ChangeKind::Deleted => println!("  -> Nginx production pod removed"),
        }
    }
    Ok(())
}
