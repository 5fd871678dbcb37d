//! Give pods a finalizer, and clean up for each of them before it goes.
//!
//! Shows a controller: pods labelled `managed-by=simple-controller` get the finalizer
//! `simple-controller/cleanup`. Kubernetes doesn't remove an object that has one. A delete only
//! sets `deletionTimestamp`, which arrives as MODIFIED; that is the time to clean up and to take
//! the finalizer away. Events come from the daemon, patches go to the apiserver.
//!
//! Run it with a daemon at `INFORMERD_SERVER` (127.0.0.1:7300 unless set) and a kubeconfig, end it
//! with Ctrl-C: `cargo run --example simple_controller [NAMESPACE]`

use std::env;

use futures::TryStreamExt as _;
use informerd::client::{Client, Event};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;

const FINALIZER: &str = "simple-controller/cleanup";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let namespace = env::args().nth(1).unwrap_or_else(|| "default".to_owned());
    let server = env::var("INFORMERD_SERVER").unwrap_or_else(|_| "127.0.0.1:7300".to_owned());
    let client = Client::connect(&server).await?;
    let api: Api<Pod> = Api::namespaced(kube::Client::try_default().await?, &namespace);

    println!("Starting simple pod controller...");
    let mut pods = client
        .watch::<Pod>()
        .namespace(&namespace)
        .label_selector("managed-by=simple-controller")
        .open();
    while let Some(event) = pods.try_next().await? {
        match &event {
            Event::Added(pod) | Event::Modified(pod)
                if pod.object.metadata.deletion_timestamp.is_some() =>
            {
                terminating(&api, &pod.object).await?;
            }
            Event::Added(pod) => added(&api, &pod.object).await?,
            Event::Modified(pod) => modified(&pod.object),
            Event::Deleted(pod) => println!("Controller: Pod {} deleted", pod.name),
            _ => {}
        }
    }
    Ok(())
}

/// Takes charge of a pod.
async fn added(api: &Api<Pod>, pod: &Pod) -> kube::Result<()> {
    let name = pod.name_any();
    println!("Controller: Managing new pod {name}");
    if pod.finalizers().is_empty() {
        set_finalizers(api, &name, &[FINALIZER.to_owned()]).await?;
        println!("  -> Added finalizer to {name}");
    }
    Ok(())
}

/// Looks at a pod's new state.
fn modified(pod: &Pod) {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    let (name, phase) = (pod.name_any(), phase.unwrap_or("Unknown"));
    println!("Controller: Pod {name} modified, phase: {phase}");
    if phase == "Failed" {
        println!("  -> Pod {name} failed, taking corrective action");
    }
}

/// Cleans up for a pod that somebody has deleted, and lets it go.
async fn terminating(api: &Api<Pod>, pod: &Pod) -> kube::Result<()> {
    let name = pod.name_any();
    println!("Controller: Pod {name} is being deleted");
    let mut finalizers = pod.finalizers().to_vec();
    let before = finalizers.len();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if finalizers.len() < before {
        println!("  -> Cleaning up resources for {name}");
        set_finalizers(api, &name, &finalizers).await?;
    }
    Ok(())
}

/// By a merge patch: a strategic one merges lists of finalizers, and so can't remove any.
async fn set_finalizers(api: &Api<Pod>, name: &str, finalizers: &[String]) -> kube::Result<()> {
    let patch = json!({ "metadata": { "finalizers": finalizers } });
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}
