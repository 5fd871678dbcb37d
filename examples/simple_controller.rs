//! Give pods a finalizer, and clean up for each of them before it goes.
//!
//! Shows a controller: pods labelled `managed-by=simple-controller` get the finalizer
//! `simple-controller/cleanup`. Kubernetes doesn't remove an object that has one. A delete only
//! sets `deletionTimestamp`, which arrives as MODIFIED; that is the time to clean up and to take
//! the finalizer away. Events come from the daemon, patches go to the apiserver. Each patch names
//! the resourceVersion that it was decided on: if the pod has changed since, the apiserver refuses
//! it, and the event of that change brings the next decision.
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
            Event::Modified(pod) => modified(&api, &pod.object).await?,
            Event::Deleted(pod) => println!("Controller: Pod {} deleted", pod.name),
            _ => {}
        }
    }
    Ok(())
}

/// Takes charge of a pod.
async fn added(api: &Api<Pod>, pod: &Pod) -> kube::Result<()> {
    println!("Controller: Managing new pod {}", pod.name_any());
    hold(api, pod).await
}

/// Looks at a pod's new state.
async fn modified(api: &Api<Pod>, pod: &Pod) -> kube::Result<()> {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    let (name, phase) = (pod.name_any(), phase.unwrap_or("Unknown"));
    println!("Controller: Pod {name} modified, phase: {phase}");
    // When the pod came, the patch may have been too late for its state.
    hold(api, pod).await?;
    if phase == "Failed" {
        println!("  -> Pod {name} failed, taking corrective action");
    }
    Ok(())
}

/// Keeps a pod from going without a clean-up.
async fn hold(api: &Api<Pod>, pod: &Pod) -> kube::Result<()> {
    if pod.finalizers().is_empty() && set_finalizers(api, pod, &[FINALIZER.to_owned()]).await? {
        println!("  -> Added finalizer to {}", pod.name_any());
    }
    Ok(())
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
        set_finalizers(api, pod, &finalizers).await?;
    }
    Ok(())
}

/// By a merge patch: a strategic one merges lists of finalizers, and so can't remove any. `false`
/// if the pod is no longer as the event has it, or gone: another event tells.
async fn set_finalizers(api: &Api<Pod>, pod: &Pod, finalizers: &[String]) -> kube::Result<bool> {
    let version = &pod.metadata.resource_version;
    let patch = json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } });
    let (name, params) = (pod.name_any(), PatchParams::default());
    match api.patch(&name, &params, &Patch::Merge(patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(error) => Err(error),
    }
}
