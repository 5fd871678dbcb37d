//! Where a scenario takes place before there is a daemon: its namespace, and the record of the truth.

use std::{collections::BTreeMap, time::Instant};

use informerd_support::{recorder::Recorder, truth::TruthWatcher};
use parking_lot::Mutex;

use crate::{
    kube::{self, Kube},
    stage::Stage,
};

/// What is recorded of one resource.
pub(super) struct Record {
    pub(super) recorder: Recorder,
    /// Of a real cluster; a simulated one keeps its own.
    pub(super) truth: Mutex<Option<TruthWatcher>>,
}

/// Where a scenario takes place, before there is a daemon.
pub(super) struct Set {
    pub(super) kube: Kube,
    pub(super) namespace: String,
    pub(super) records: BTreeMap<String, Record>,
}

impl Set {
    pub(super) async fn up(stage: &Stage, name: &str, resources: &[&str]) -> Self {
        let begun = Instant::now();
        let kube = Kube::connect(&stage.kubeconfig()).await;
        let namespace = kube.namespace(name).await;
        if resources.contains(&"widgets.example.com") && stage.simulated().is_none() {
            kube.ensure_widgets().await;
        }
        let mut records = BTreeMap::new();
        for resource in resources {
            let truth = match stage {
                Stage::Simulated(_) => None,
                Stage::Real(_) | Stage::Own(_) => {
                    let path = kube::collection(resource, "");
                    let client = kube.client.clone();
                    let watcher = match stage {
                        Stage::Own(_) => TruthWatcher::lasting(client, &path, resource).await,
                        _ => TruthWatcher::start(client, &path, resource).await,
                    };
                    Some(watcher.expect("the truth can be watched"))
                }
            };
            let record = Record {
                recorder: Recorder::since(begun),
                truth: Mutex::new(truth),
            };
            records.insert((*resource).to_owned(), record);
        }
        Self {
            kube,
            namespace,
            records,
        }
    }
}
