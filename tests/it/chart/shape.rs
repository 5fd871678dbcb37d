//! The manifests beside the rights: how the pod is locked up, what it serves, and the snapshot.

use std::{collections::BTreeSet, fs};

use clap::Parser as _;
use informerd::runtime::Cli;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{
    helm::Helm,
    manifest::{Manifest, list, texts},
    path, read, trial, value_sets,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("arguments_are_understood", arguments_are_understood),
        trial("more_arguments_repeat_none", more_arguments_repeat_none),
        trial("what_is_typed_is_what_arrives", what_is_typed_arrives),
        trial("pods_are_locked_up", pods_are_locked_up),
        trial(
            "platforms_may_choose_the_user",
            platforms_may_choose_the_user,
        ),
        trial("drain_ends_before_the_kubelet_kills", drain_ends_in_time),
        trial("services_lead_to_the_pods", services_lead_to_the_pods),
        trial("the_admin_port_stays_inside", the_admin_port_stays_inside),
        trial("certificates_go_where_they_are_read", certificates_arrive),
        trial("plaintext_is_asked_for_by_name", plaintext_by_name),
        trial("the_network_policy_lets_through", network_policy),
        trial("values_ha_is_for_production", values_ha),
        trial("the_default_is_the_snapshot", the_default_is_the_snapshot),
    ]
}

/// By this very binary, flag for flag; and so are those of the test.
fn arguments_are_understood(helm: &Helm) {
    let mut lines = 0;
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let tests = manifest.of("Pod").map(|pod| &pod["spec"]);
        let containers = tests.flat_map(|spec| {
            let of = ["initContainers", "containers"];
            of.into_iter().flat_map(|of| list(&spec[of]))
        });
        for container in containers.chain([manifest.container()]) {
            let line = ["informerd"].into_iter().chain(texts(&container["args"]));
            let line: Vec<&str> = line.collect();
            let understood = Cli::try_parse_from(&line);
            assert!(
                understood.is_ok(),
                "{set}: {line:?}: {:?}",
                understood.err()
            );
            lines += 1;
        }
    }
    assert!(lines > 20, "too little was looked at: {lines}");
}

/// The daemon would refuse a flag that is there twice: each that some set of values brings is refused
/// in `extraArgs`, with the value to use instead.
fn more_arguments_repeat_none(helm: &Helm) {
    let mut flags = BTreeSet::new();
    for (_, files) in value_sets() {
        let manifest = helm.template(&files, &["extraArgs=[]", "rbac.watchRoles=false"]);
        let arguments = manifest.arguments().into_iter();
        let named = arguments.filter_map(|argument| argument.strip_prefix("--"));
        flags.extend(named.map(|flag| flag.split('=').next().expect("a name").to_owned()));
    }
    assert!(flags.len() >= 18, "too little was looked at: {flags:?}");
    for flag in flags {
        for form in [format!("--{flag}=x"), format!("--{flag}")] {
            let setting = format!("extraArgs=[\"{form}\"]");
            let Err(refusal) = helm.try_template(&[], &[&setting]) else {
                panic!("{form} is accepted");
            };
            let words = format!("--{flag}, which the chart sets by itself: use ");
            assert!(refusal.contains(&words), "{form}: {refusal}");
        }
    }
}

/// Words that YAML takes for something else, and half of a default that no longer fits.
fn what_is_typed_arrives(helm: &Helm) {
    let audience = "https://x.example.com/?a&b#c:";
    let settings = [
        format!("access.tokenAudiences=[{audience:?}]"),
        "clusterId=\"#a:\"".to_owned(),
        "log.level=\"info,informerd=debug #:\"".to_owned(),
        "updateStrategy.type=\"Recreate\"".to_owned(),
    ];
    let manifest = helm.template(&[], &settings.each_ref().map(String::as_str));
    assert_eq!(manifest.argument("token-audience"), Some(audience));
    assert_eq!(manifest.argument("cluster-id"), Some("#a:"));
    assert_eq!(manifest.argument("log"), Some("info,informerd=debug #:"));
    let test = manifest.of("Pod").next().expect("the test");
    let token = &test["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], audience);
    let strategy = &manifest.one("Deployment")["spec"]["strategy"];
    assert_eq!(*strategy, json!({"type": "Recreate"}));
}

/// As OpenShift wants it: the platform chooses who the pod runs as, and that isn't root.
fn platforms_may_choose_the_user(helm: &Helm) {
    let ids = ["runAsUser", "runAsGroup", "fsGroup"];
    let settings = ids.map(|id| format!("podSecurityContext.{id}=null"));
    let manifest = helm.template(&[], &settings.each_ref().map(String::as_str));
    let pods = std::iter::once(manifest.pod());
    for pod in pods.chain(manifest.of("Pod").map(|pod| &pod["spec"])) {
        let security = &pod["securityContext"];
        assert!(ids.iter().all(|id| security[id].is_null()), "{security}");
        assert_eq!(security["runAsNonRoot"], true);
    }
}

/// In all sets: the daemon's pod and that of the test.
fn pods_are_locked_up(helm: &Helm) {
    let mut containers = 0;
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let pods = std::iter::once(manifest.pod());
        for pod in pods.chain(manifest.of("Pod").map(|pod| &pod["spec"])) {
            let security = &pod["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{set}");
            assert_eq!(security["runAsUser"], 65532, "{set}");
            let seccomp = json!({"type": "RuntimeDefault"});
            assert_eq!(security["seccompProfile"], seccomp, "{set}");
            assert_eq!(pod["automountServiceAccountToken"], false, "{set}");
            assert_eq!(pod["enableServiceLinks"], false, "{set}");
            for of in ["containers", "initContainers"] {
                let ours = list(&pod[of]).iter().filter(|c| {
                    !["beside", "before"].contains(&c["name"].as_str().unwrap_or_default())
                });
                for container in ours {
                    let locked = json!({
                        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                        "capabilities": {"drop": ["ALL"]},
                    });
                    assert_eq!(container["securityContext"], locked, "{set}");
                    containers += 1;
                }
            }
            for foreign in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(pod[foreign].is_null(), "{set}");
            }
        }
    }
    assert!(containers > 20, "too little was looked at: {containers}");
}

fn drain_ends_in_time(helm: &Helm) {
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let drain = manifest.argument("drain").and_then(|d| d.strip_suffix('s'));
        let drain: i64 = drain.and_then(|d| d.parse().ok()).expect("seconds");
        let grace = manifest.pod()["terminationGracePeriodSeconds"].as_i64();
        assert!(drain + 5 <= grace.expect("seconds"), "{set}");
        let probes = manifest.container();
        assert_eq!(probes["readinessProbe"]["httpGet"]["path"], "/readyz");
        assert_eq!(probes["livenessProbe"]["httpGet"]["path"], "/livez");
        assert_eq!(probes["readinessProbe"]["httpGet"]["port"], "admin");
    }
}

/// Both Services and the budget select the daemon's pods, and not that of the test.
fn services_lead_to_the_pods(helm: &Helm) {
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let deployment = manifest.one("Deployment");
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        let selects = |selector: &Value, labels: &Value| {
            let selector = selector.as_object().expect("a selector");
            !selector.is_empty() && selector.iter().all(|(k, v)| labels[k] == *v)
        };
        let services: Vec<_> = manifest.installed("Service").collect();
        assert_eq!(services.len(), 2, "{set}");
        let mut selectors: Vec<&Value> = services.iter().map(|s| &s["spec"]["selector"]).collect();
        let more = ["PodDisruptionBudget", "NetworkPolicy"].iter();
        for object in more.flat_map(|kind| manifest.installed(kind)) {
            let spec = &object["spec"];
            selectors.push(if spec["podSelector"].is_null() {
                &spec["selector"]["matchLabels"]
            } else {
                &spec["podSelector"]["matchLabels"]
            });
        }
        selectors.push(&deployment["spec"]["selector"]["matchLabels"]);
        for selector in selectors {
            assert!(selects(selector, labels), "{set}: {selector}");
            for test in manifest.of("Pod") {
                assert!(!selects(selector, &test["metadata"]["labels"]), "{set}");
            }
        }
        let headless = services.iter().find(|s| s["spec"]["clusterIP"] == "None");
        let ports = list(&headless.expect("a headless one")["spec"]["ports"]);
        let plaintext = manifest.arguments().contains(&"--insecure-plaintext");
        let protocol = if plaintext {
            "kubernetes.io/h2c"
        } else {
            "https"
        };
        assert_eq!(ports[0]["name"], "grpc", "{set}");
        assert_eq!(ports[0]["appProtocol"], protocol, "{set}");
    }
}

/// It asks nobody who they are: no Service that leads out of the cluster has it.
fn the_admin_port_stays_inside(helm: &Helm) {
    let mut inside = 0;
    for (set, files) in value_sets() {
        for kind in ["ClusterIP", "NodePort", "LoadBalancer"] {
            let setting = format!("service.type=\"{kind}\"");
            let manifest = helm.template(&files, &[&setting]);
            for service in manifest.installed("Service") {
                let spec = &service["spec"];
                let ports = list(&spec["ports"]).iter();
                if ports.filter(|port| port["targetPort"] != "grpc").count() > 0 {
                    assert!(spec["type"].is_null(), "{set}: {service}");
                    assert_eq!(spec["clusterIP"], "None", "{set}: {service}");
                    inside += 1;
                }
            }
        }
    }
    assert!(inside > 20, "too little was looked at: {inside}");
}

/// Each file that an argument names lies in a mounted volume that has it.
fn certificates_arrive(helm: &Helm) {
    let mut files_seen = 0;
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        for flag in ["tls-cert", "tls-key", "client-ca"] {
            let Some(file) = manifest.argument(flag) else {
                continue;
            };
            files_seen += 1;
            let (directory, name) = file.rsplit_once('/').expect("a path");
            let mounts = list(&manifest.container()["volumeMounts"]);
            let mount = mounts.iter().find(|m| m["mountPath"] == directory);
            let mount = mount.unwrap_or_else(|| panic!("{set}: nothing at {directory}"));
            let volumes = list(&manifest.pod()["volumes"]);
            let volume = volumes.iter().find(|v| v["name"] == mount["name"]);
            let items = list(&volume.expect("the volume")["secret"]["items"]);
            assert!(items.iter().any(|i| i["path"] == name), "{set}: {file}");
        }
    }
    assert!(files_seen > 15, "too little was looked at: {files_seen}");
}

/// TLS and authentication are off only where the values say so.
fn plaintext_by_name(helm: &Helm) {
    for (set, files) in value_sets() {
        let manifest = helm.template(&files, &[]);
        let arguments = manifest.arguments();
        let insecure = set == "insecure";
        for flag in ["--insecure-plaintext", "--insecure-allow-anyone"] {
            assert_eq!(arguments.contains(&flag), insecure, "{set}: {flag}");
        }
        assert_eq!(manifest.argument("tls-cert").is_none(), insecure, "{set}");
        let audience = manifest.argument("token-audience");
        assert_eq!(audience.is_none(), insecure, "{set}");
    }
}

fn network_policy(helm: &Helm) {
    let full = helm.template(&["helm/informerd/ci/full-values.yaml".to_owned()], &[]);
    let policy = &full.one("NetworkPolicy")["spec"];
    assert_eq!(texts(&policy["policyTypes"]), ["Ingress", "Egress"]);
    let ports = |direction: &str| -> Vec<Value> {
        let rules = list(&policy[direction]).iter();
        rules
            .flat_map(|rule| list(&rule["ports"]))
            .map(|port| port["port"].clone())
            .collect()
    };
    assert_eq!(ports("ingress"), [json!("grpc"), json!("admin")]);
    assert_eq!(ports("egress"), [json!(53), json!(53), json!(8443)]);
    let apiserver = &policy["egress"][1]["to"];
    assert_eq!(*apiserver, json!([{"ipBlock": {"cidr": "192.0.2.0/28"}}]));
}

fn values_ha(helm: &Helm) {
    let manifest = helm.template(&["helm/informerd/values-ha.yaml".to_owned()], &[]);
    assert_eq!(manifest.one("Deployment")["spec"]["replicas"], 3);
    let spread = list(&manifest.pod()["topologySpreadConstraints"]);
    assert_eq!(spread[0]["whenUnsatisfiable"], "DoNotSchedule");
    assert_eq!(
        manifest.one("PodDisruptionBudget")["spec"]["maxUnavailable"],
        1
    );
    manifest.one("NetworkPolicy");
}

/// What one gets who says nothing, as a file that reviewers see change. Generated certificates
/// differ each time and are left out.
fn the_default_is_the_snapshot(helm: &Helm) {
    const FILE: &str = "tests/it/chart/snapshots/default.yaml";
    let rendered = without_certificates(&helm.template(&[], &[]));
    if std::env::var_os("INFORMERD_UPDATE_SNAPSHOTS").is_some() {
        fs::write(path(FILE), &rendered).expect("writable");
    }
    let kept = read(FILE);
    let differs = kept.lines().zip(rendered.lines()).find(|(a, b)| a != b);
    assert!(
        kept == rendered,
        "{FILE} differs, first at {differs:?}; if that is meant, run the test again with \
         INFORMERD_UPDATE_SNAPSHOTS=1 and commit the file"
    );
}

fn without_certificates(manifest: &Manifest) -> String {
    let mut kept = String::new();
    let mut certificates = 0;
    let mut inside = false;
    for line in manifest.text.lines() {
        let trimmed = line.trim();
        if trimmed == "-----BEGIN CERTIFICATE-----" {
            inside = true;
            kept.push_str("    (a certificate)\n");
            certificates += 1;
        }
        let secret = ["ca.crt: LS0t", "tls.crt: LS0t", "tls.key: LS0t"];
        if secret.iter().any(|start| trimmed.starts_with(start)) {
            let name = trimmed.split(' ').next().expect("a key");
            kept.push_str(&format!("  {name} (generated)\n"));
            certificates += 1;
        } else if !inside {
            kept.push_str(line.trim_end());
            kept.push('\n');
        }
        inside &= trimmed != "-----END CERTIFICATE-----";
    }
    assert_eq!(
        certificates, 4,
        "a certificate, a key, and twice its authority"
    );
    kept
}
