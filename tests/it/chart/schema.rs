//! The schema of the values: it knows all of them and nothing else.

use std::collections::BTreeSet;

use libtest_mimic::Trial;
use serde_json::Value;

use super::{helm::Helm, manifest::texts, read, trial};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("wrong_values_are_refused", wrong_values_are_refused),
        trial("null_leaves_out", null_leaves_out),
        Trial::test("chart::schema_and_values_agree", || {
            schema_and_values_agree();
            Ok(())
        }),
        Trial::test("chart::schema_is_closed", || {
            schema_is_closed();
            Ok(())
        }),
    ]
}

/// A setting, and what the refusal must say.
const WRONG: &[(&[&str], &str)] = &[
    // What the schema says.
    (&["nonsense=1"], "'nonsense' not allowed"),
    (&["tls.nonsense=1"], "'nonsense' not allowed"),
    (
        &["access.tokenAudience=\"x\""],
        "'tokenAudience' not allowed",
    ),
    (&["resources=[\"*\"]"], "/resources/0"),
    (&["resources=[\"*.apps\"]"], "/resources/0"),
    (&["resources=[\"pods\", \"pods\"]"], "/resources"),
    (&["resources={\"limits\": {}}"], "/resources"),
    (&["namespaces=[\"*\"]"], "/namespaces/0"),
    (&["access.tokenAudiences=[]"], "/access/tokenAudiences"),
    (
        &["access.recheckInterval=\"soon\""],
        "/access/recheckInterval",
    ),
    (
        &["access.tokenAudiences=[\"a,b\"]"],
        "/access/tokenAudiences/0",
    ),
    (
        &["access.tokenAudiences=[\"a b\"]"],
        "/access/tokenAudiences/0",
    ),
    (&["resources=null"], "missing property 'resources'"),
    (
        &["clusterScopedResources=null"],
        "missing property 'clusterScopedResources'",
    ),
    (&["access=null"], "missing property 'access'"),
    (&["tls=null"], "missing property 'tls'"),
    (&["tls.clientCA=null"], "missing property 'clientCA'"),
    (&["updateStrategy=null"], "missing property"),
    (&["tls.mode=\"off\""], "/tls/mode"),
    (&["replicas=\"two\""], "/replicas"),
    (&["image.digest=\"latest\""], "/image/digest"),
    (&["listenAddress=\"localhost\""], "/listenAddress"),
    (
        &["serviceAccount.tokenExpirationSeconds=60"],
        "tokenExpirationSeconds",
    ),
    // What the templates say.
    (&["resources=[]"], "name what may be watched"),
    (&["resources=[\"deployments\"]"], "such as deployments.apps"),
    (
        &["namespaces=[\"a\"]", "resources=[\"nodes\"]"],
        "nodes has no namespace: with namespaces set, it belongs into clusterScopedResources",
    ),
    (
        &["clusterScopedResources=[\"secrets\"]"],
        "secrets has a namespace: it belongs into resources",
    ),
    (
        &["clusterScopedResources=[\"nodes\", \"deployments.apps\"]"],
        "deployments.apps has a namespace",
    ),
    (
        &["clusterScopedResources=[\"roles.rbac.authorization.k8s.io\"]"],
        "roles.rbac.authorization.k8s.io has a namespace",
    ),
    (&["access.recheckInterval=\"99ms\""], "from 100ms to 1h"),
    (&["access.recheckInterval=\"61m\""], "from 100ms to 1h"),
    (
        &["access.recheckInterval=\"99999999999999999999s\""],
        "from 100ms to 1h",
    ),
    (
        &["ports.admin=7300"],
        "ports.grpc and ports.admin are the same",
    ),
    (
        &["service.metricsPort=7300"],
        "service.port and service.metricsPort are the same",
    ),
    (
        &["drainSeconds=36"],
        "terminationGracePeriodSeconds of at least 41",
    ),
    (
        &["tls.mode=\"existingSecret\""],
        "tls.existingSecret is empty",
    ),
    (&["tls.mode=\"certManager\""], "issuerRef.name is empty"),
    (
        &["tls.mode=\"disabled\"", "tls.clientCA.existingSecret=\"x\""],
        "tls.clientCA needs TLS",
    ),
    (
        &["serviceAccount.create=false"],
        "serviceAccount.name is empty",
    ),
    (
        &["podDisruptionBudget.maxUnavailable=null"],
        "podDisruptionBudget needs",
    ),
    (
        &["serviceMonitor.enabled=true", "service.metricsPort=null"],
        "serviceMonitor needs service.metricsPort",
    ),
];

fn wrong_values_are_refused(helm: &Helm) {
    for (settings, words) in WRONG {
        let Err(refusal) = helm.try_template(&[], settings) else {
            panic!("{settings:?} is accepted");
        };
        assert!(refusal.contains(words), "{settings:?}: {refusal}");
    }
}

/// Whatever may be null leaves out something; all of it at once still makes an install.
fn null_leaves_out(helm: &Helm) {
    let mut names = Vec::new();
    nullable("", &schema(), &mut names);
    assert!(names.len() > 50, "too few are nullable: {names:?}");
    // Of these two, one is needed.
    names.retain(|name| name != "podDisruptionBudget.maxUnavailable");
    let settings: Vec<String> = names.iter().map(|name| format!("{name}=null")).collect();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    for set in ["default", "full", "insecure", "namespaced"] {
        let file = format!("helm/informerd/ci/{set}-values.yaml");
        let manifest = helm.template(&[file], &settings);
        let left = manifest.container();
        assert!(left["securityContext"].is_null() && left["resources"].is_null());
        for object in &manifest.objects {
            assert!(!object.to_string().contains(":null"), "{set}: {object}");
        }
    }
}

/// The paths of values that their object doesn't require.
fn nullable(at: &str, schema: &Value, names: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let required = texts(&schema["required"]);
    for (name, property) in properties {
        let path = format!("{at}{name}");
        if required.contains(&name.as_str()) {
            nullable(&format!("{path}."), property, names);
        } else if !FOREIGN.contains(&name.as_str()) {
            names.push(path);
        }
    }
}

fn schema() -> Value {
    serde_json::from_str(&read("helm/informerd/values.schema.json")).expect("JSON")
}

/// What Helm itself or a parent chart sets.
const FOREIGN: [&str; 2] = ["enabled", "global"];

fn schema_and_values_agree() {
    let values: Value = serde_saphyr::from_str(&read("helm/informerd/values.yaml")).expect("YAML");
    let mut compared = 0;
    agree("", &schema(), &values, &mut compared);
    assert!(compared > 80, "too little was compared: {compared}");
}

/// Each property has a value, and each value its property.
fn agree(at: &str, schema: &Value, values: &Value, compared: &mut usize) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let values = values.as_object().unwrap_or_else(|| panic!("{at}: no map"));
    let mut known: BTreeSet<_> = properties.keys().map(String::as_str).collect();
    if at.is_empty() {
        FOREIGN.iter().for_each(|name| assert!(known.remove(name)));
    }
    let set: BTreeSet<_> = values.keys().map(String::as_str).collect();
    assert_eq!(known, set, "under {at:?}");
    *compared += set.len();
    for name in set {
        agree(
            &format!("{at}/{name}"),
            &properties[name],
            &values[name],
            compared,
        );
    }
}

/// Whatever isn't one of Kubernetes' own types names all that may stand in it.
fn schema_is_closed() {
    let schema = schema();
    let mut closed = 0;
    for (name, property) in schema["properties"].as_object().expect("properties") {
        if !FOREIGN.contains(&name.as_str()) {
            check_closed(name, property, &mut closed);
        }
    }
    assert_eq!(schema["additionalProperties"], false);
    assert!(closed >= 10, "too little was looked at: {closed}");
    let texts = &schema["$defs"]["texts"]["additionalProperties"]["type"];
    assert_eq!(texts, "string", "labels are texts");
}

fn check_closed(at: &str, schema: &Value, closed: &mut usize) {
    match schema["type"].as_str() {
        Some("object") => {
            assert_eq!(schema["additionalProperties"], false, "{at} is open");
            *closed += 1;
            let properties = schema["properties"].as_object();
            for (name, property) in properties.expect("properties") {
                check_closed(&format!("{at}/{name}"), property, closed);
            }
        }
        Some("array") => check_closed(&format!("{at}[]"), &schema["items"], closed),
        _ => {}
    }
}
