//! Watch pods and deployments at the same time.
//!
//! Shows that each watch is a stream of its own: they share one connection, and trouble of one
//! never touches the other. End it with Ctrl-C.
//!
//! Run it with a daemon at `INFORMERD_SERVER` (127.0.0.1:7300 unless set):
//! `cargo run --example multiple_resources [NAMESPACE]`

use std::env;

use futures::TryStreamExt as _;
use informerd::client::{Client, WatchError};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let namespace = env::args().nth(1).unwrap_or_else(|| "default".to_owned());
    let server = env::var("INFORMERD_SERVER").unwrap_or_else(|_| "127.0.0.1:7300".to_owned());
    let client = Client::connect(&server).await?;

    let watch_pods = async {
        let mut pods = client.watch::<Pod>().namespace(&namespace).open();
        while let Some(event) = pods.try_next().await? {
            if let Some((kind, pod)) = event.change() {
                println!("POD {kind}: {}", pod.name);
            }
        }
        Ok::<_, WatchError>(())
    };
    let watch_deployments = async {
        let mut deployments = client.watch::<Deployment>().namespace(&namespace).open();
        while let Some(event) = deployments.try_next().await? {
            if let Some((kind, deployment)) = event.change() {
                println!("DEPLOYMENT {kind}: {}", deployment.name);
            }
        }
        Ok::<_, WatchError>(())
    };

    // Watch both resource types concurrently.
    tokio::try_join!(watch_pods, watch_deployments)?;
    Ok(())
}
