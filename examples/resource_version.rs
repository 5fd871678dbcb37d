//! List the pods of a namespace, then watch from exactly that state on.
//!
//! Shows that a list and a watch fit together without a gap, and a watch that ends in good order
//! after a planned time. The list comes from the daemon: it costs the apiserver nothing.
//!
//! Run it with a daemon at `INFORMERD_SERVER` (127.0.0.1:7300 unless set):
//! `cargo run --example resource_version [NAMESPACE [TIMEOUT_SECONDS]]`

use std::{env, time::Duration};

use futures::TryStreamExt as _;
use informerd::{
    client::Client,
    proto::v1::{Filter, GroupVersionResource, ListObjectsRequest},
};
use k8s_openapi::api::core::v1::Pod;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    let namespace = arguments.next().unwrap_or_else(|| "default".to_owned());
    let seconds = arguments.next().map_or(Ok(300), |text| text.parse())?;
    let server = env::var("INFORMERD_SERVER").unwrap_or_else(|_| "127.0.0.1:7300".to_owned());
    let client = Client::connect(&server).await?;

    let list = client
        .list(ListObjectsRequest {
            resource: Some(GroupVersionResource {
                resource: "pods".to_owned(),
                ..Default::default()
            }),
            filter: Some(Filter {
                namespaces: vec![namespace.clone()],
                ..Default::default()
            }),
            ..Default::default()
        })
        .await?;
    println!(
        "Starting watch from resource version: {}",
        list.resource_version
    );

    let mut pods = client
        .watch::<Pod>()
        .namespace(&namespace)
        .from_resource_version(list.resource_version)
        .timeout(Duration::from_secs(seconds))
        .open();
    while let Some(event) = pods.try_next().await? {
        if let Some((kind, pod)) = event.change() {
            println!("{kind}: {} (rv: {})", pod.name, pod.resource_version);
        }
    }
    Ok(())
}
