//! Watch the pods of all namespaces.
//!
//! Shows a watch of the whole cluster. At the daemon it costs no more than one of a namespace: it
//! is the same upstream watch for all of them. End it with Ctrl-C.
//!
//! Run it with a daemon at `INFORMERD_SERVER` (127.0.0.1:7300 unless set):
//! `cargo run --example cluster_wide`

use std::{collections::BTreeMap, env};

use futures::TryStreamExt as _;
use informerd::client::{Client, Event};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::api::resource::Quantity};

type Amounts<'a> = BTreeMap<&'a str, &'a str>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = env::var("INFORMERD_SERVER").unwrap_or_else(|_| "127.0.0.1:7300".to_owned());
    let client = Client::connect(&server).await?;

    // Watch all pods across all namespaces.
    println!("Watching all pods cluster-wide...");
    let mut pods = client.watch::<Pod>().open();
    while let Some(event) = pods.try_next().await? {
        let Some((kind, pod)) = event.change() else {
            continue;
        };
        println!("{kind}: {}/{}", pod.namespace, pod.name);

        // Monitor pods in system namespaces.
        if pod.namespace.starts_with("kube-") {
            println!("  -> System pod event in {}", pod.namespace);
        }

        // Track resource usage patterns.
        let spec = pod.object.spec.as_ref();
        if let (Event::Added(_), Some(resources)) =
            (&event, spec.and_then(|s| s.resources.as_ref()))
        {
            println!(
                "  -> Resource requests: {:?}",
                amounts(resources.requests.as_ref())
            );
            println!(
                "  -> Resource limits: {:?}",
                amounts(resources.limits.as_ref())
            );
        }
    }
    Ok(())
}

fn amounts(quantities: Option<&BTreeMap<String, Quantity>>) -> Amounts<'_> {
    let quantities = quantities.into_iter().flatten();
    quantities
        .map(|(name, quantity)| (name.as_str(), quantity.0.as_str()))
        .collect()
}
