//! The conformance suite through the install: the same scenarios, over TLS, each as a caller with a
//! token of its own that may read what the scenario watches and nothing else.

use std::sync::Arc;

use informerd::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tonic::transport::Channel;

use super::{
    helm::Helm,
    pod::{Pod, token_for},
    site::{Caller, Site, account, allowed, ready},
};
use crate::{
    conformance::{Scenario, suite},
    daemon::Daemon,
    kube::Kube,
    sandbox,
    stage::{self, Kind},
    wait::until,
};

/// What the suite watches.
const SETTINGS: &[&str] = &[
    "resources=[\"configmaps\", \"pods\", \"nodes\", \"namespaces\", \"widgets.example.com\"]",
    "access.recheckInterval=\"1s\"",
];

/// Scenarios that read more than their own namespace: their callers may read all namespaces.
const EVERYWHERE: &[&str] = &[
    "k7_namespaces_as_objects",
    "k8_cross_namespace_watch",
    "k12_namespace_scoped_watch",
    "k13_cluster_scoped_watch",
    "k14_watch",
    "k77_same_name_in_two_namespaces",
];

/// Scenarios that one install for all can't play, and why. Beside them those that only the simulated
/// cluster plays, which say why themselves.
const LEFT_OUT: &[(&str, &str)] = &[
    ("g7_another_replica_is_behind", REPLICA),
    ("k15_watch_from_zero", "compacts a cluster of its own"),
    ("k18_delayed_delivery", "drains its daemon"),
    ("k29_start_matrix", REPLICA),
    ("k3_restart_from_last_version", REPLICA),
    ("k36_newcomers_do_not_go_back_in_time", FLAGS),
    (
        "k39_no_leak_with_many_watchers",
        "counts all streams of its daemon",
    ),
    ("k45_overrun_reader_is_told", FLAGS),
    ("k5_concurrent_watches_on_two_replicas", REPLICA),
    ("k72_watch_total_order", REPLICA),
    ("k75_page_token_expires", FLAGS),
    ("k77_preserve_int", REPLICA),
];
const REPLICA: &str = "starts one more daemon";
const FLAGS: &str = "sets flags of its daemon";

pub(super) fn trials() -> Vec<Trial> {
    let all = suite();
    for name in EVERYWHERE
        .iter()
        .chain(LEFT_OUT.iter().map(|(name, _)| name))
    {
        let known = all.iter().any(|scenario| scenario.name == *name);
        assert!(known, "there is no scenario {name}");
    }
    let played = all.into_iter().filter(|scenario| {
        let left_out = LEFT_OUT.iter().any(|(name, _)| *name == scenario.name);
        scenario.only_simulated.is_none() && !left_out
    });
    let trials: Vec<Trial> = played.map(trial).collect();
    assert!(trials.len() >= 20, "the suite is nearly empty");
    trials
}

fn trial(scenario: Scenario) -> Trial {
    let missing = sandbox::allowed().and_then(|()| Helm::find().map(drop));
    let skipped = missing.is_err() && std::env::var_os("CI").is_none();
    let everywhere = EVERYWHERE.contains(&scenario.name);
    let kind = Kind::Installed { everywhere };
    let name = format!("chart::conformance::{}", scenario.name);
    let trial = stage::trial(kind, &name, move || {
        missing?;
        scenario.run(kind)
    });
    let skipped = skipped || trial.has_ignored_flag();
    trial.with_ignored_flag(skipped)
}

/// The install that all scenarios share.
struct Installed {
    /// The kubelet's files.
    _pod: Pod,
    daemon: Daemon,
    /// Trusts the certificate, and has no rights.
    visitor: Caller,
}

static INSTALLED: Mutex<Option<Arc<Installed>>> = Mutex::const_new(None);

/// Ends the daemon.
pub(super) async fn close() {
    INSTALLED.lock().await.take();
}

/// Installs the chart when the first scenario asks for it.
async fn installed() -> Arc<Installed> {
    let mut shared = INSTALLED.lock().await;
    if let Some(installed) = &*shared {
        return installed.clone();
    }
    let helm = Helm::find().expect("helm is there");
    let site = Site::install(helm, "chart-conformance", SETTINGS).await;
    site.kube.ensure_widgets().await;
    let (pod, daemon) = site.serve().await;
    ready(&daemon).await;
    let installed = Installed {
        visitor: site.caller_with(None).await,
        _pod: pod,
        daemon,
    };
    shared.insert(Arc::new(installed)).clone()
}

/// What a scenario has of a daemon.
pub struct Guest {
    pub daemon: Daemon,
    pub channel: Channel,
    /// To show with each call.
    pub token: Option<String>,
}

/// Makes a caller in a namespace who may read these resources there, or everywhere, and connects.
pub async fn admit(kube: &Kube, namespace: &str, resources: &[&str], everywhere: bool) -> Guest {
    let installed = installed().await;
    let rules: Vec<Value> = resources.iter().map(|resource| view(resource)).collect();
    account(kube, namespace, "viewer", json!(rules), everywhere).await;
    let user = format!("system:serviceaccount:{namespace}:viewer");
    let scope = if everywhere { "" } else { namespace };
    for resource in resources {
        until("the caller has its rights", || async {
            allowed(kube, &user, "watch", resource, scope).await
        })
        .await;
    }
    let projection = json!({"audience": "informerd", "expirationSeconds": 600});
    let token = token_for(kube, namespace, "viewer", &projection).await;
    let visitor = &installed.visitor;
    let trust = visitor.authority.as_ref().expect("an authority");
    let client = Client::builder(visitor.server.as_str()).ca_file(trust);
    let client = client.connect().await.expect("the install is reached");
    Guest {
        daemon: installed.daemon.lent(),
        channel: client.channel(),
        token: Some(token),
    }
}

/// The rule of a viewer.
fn view(resource: &str) -> Value {
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    json!({"apiGroups": [group], "resources": [resource], "verbs": ["get", "list", "watch"]})
}
