//! Print what happens to the pods of a namespace.
//!
//! Shows the one loop that every watch is: the pods that exist come first, as ADDED, then each
//! change as it happens. It ends when a pod named `target-pod` is deleted.
//!
//! Run it with a daemon at `INFORMERD_SERVER` (127.0.0.1:7300 unless set):
//! `cargo run --example basic_watch [NAMESPACE]`

use std::env;

use futures::TryStreamExt as _;
use informerd::client::{Client, Event};
use k8s_openapi::api::core::v1::Pod;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let namespace = env::args().nth(1).unwrap_or_else(|| "default".to_owned());
    let server = env::var("INFORMERD_SERVER").unwrap_or_else(|_| "127.0.0.1:7300".to_owned());
    let client = Client::connect(&server).await?;

    println!("Starting to watch pods in {namespace} namespace...");
    let mut pods = client.watch::<Pod>().namespace(&namespace).open();
    while let Some(event) = pods.try_next().await? {
        let Some((kind, change)) = event.change() else {
            continue;
        };
        println!("{kind}: Pod {}", change.name);
        println!("  Namespace: {}", change.namespace);
        let status = change.object.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        println!("  Phase: {}", phase.unwrap_or("Unknown"));
        let spec = change.object.spec.as_ref();
        let node = spec.and_then(|spec| spec.node_name.as_deref());
        println!("  Node: {}", node.unwrap_or("Not scheduled"));
        println!("---");

        if matches!(event, Event::Deleted(_)) && change.name == "target-pod" {
            println!("Target pod deleted, stopping watch");
            pods.stop();
        }
    }
    Ok(())
}
