//! The custom resources that the chart may use, as far as it uses them: the fields and their types
//! are those of cert-manager's and of the Prometheus operator's own definitions, so that an
//! apiserver with strict validation refuses what these would refuse.

use http::Request;
use serde_json::{Value, json};

use crate::{kube::Kube, wait::until};

/// Makes a cluster serve them.
pub(super) async fn install(kube: &Kube) {
    const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
    for (definition, path) in [
        (certificates(), "/apis/cert-manager.io/v1/certificates"),
        (
            service_monitors(),
            "/apis/monitoring.coreos.com/v1/servicemonitors",
        ),
        (
            prometheus_rules(),
            "/apis/monitoring.coreos.com/v1/prometheusrules",
        ),
    ] {
        let created = kube.try_create(DEFINITIONS, "", definition).await;
        let exists =
            |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == 409);
        assert!(created.as_ref().err().is_none_or(exists), "{created:?}");
        until("the apiserver serves it", || async {
            kube.try_get(path).await.is_ok()
        })
        .await;
    }
    // kubectl knows a kind from there only, and that comes a little later.
    until("the apiserver tells of them", || async {
        let told = discovery(kube).await;
        let plurals = ["certificates", "servicemonitors", "prometheusrules"];
        plurals
            .iter()
            .all(|plural| told.contains(&format!("\"resource\":\"{plural}\"")))
    })
    .await;
}

/// The document that tells of all groups at once.
async fn discovery(kube: &Kube) -> String {
    let form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let request = Request::get("/apis").header("accept", form);
    let request = request.body(Vec::new()).expect("a request");
    kube.client.request_text(request).await.expect("discovery")
}

fn definition(group: &str, kind: &str, plural: &str, spec: Value) -> Value {
    let schema = json!({
        "type": "object", "required": ["spec"], "properties": {"spec": spec},
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

fn strings() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn certificates() -> Value {
    let text = json!({"type": "string"});
    let spec = json!({
        "type": "object", "required": ["issuerRef", "secretName"],
        "properties": {
            "secretName": text, "duration": text, "renewBefore": text, "dnsNames": strings(),
            "issuerRef": {
                "type": "object", "required": ["name"],
                "properties": {"name": text, "kind": text, "group": text},
            },
            "privateKey": {
                "type": "object",
                "properties": {
                    "algorithm": {"type": "string", "enum": ["RSA", "ECDSA", "Ed25519"]},
                    "rotationPolicy": {"type": "string", "enum": ["Never", "Always"]},
                    "size": {"type": "integer"},
                },
            },
            "usages": {"type": "array", "items": {
                "type": "string",
                "enum": ["digital signature", "key encipherment", "server auth", "client auth"],
            }},
        },
    });
    definition("cert-manager.io", "Certificate", "certificates", spec)
}

fn service_monitors() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "pattern": "^(0|(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"});
    let relabelings = json!({"type": "array", "items": {
        "type": "object",
        "properties": {
            "action": text, "regex": text, "sourceLabels": strings(), "targetLabel": text,
            "replacement": text, "separator": text,
        },
    }});
    let labels = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let spec = json!({
        "type": "object", "required": ["endpoints", "selector"],
        "properties": {
            "jobLabel": text,
            "namespaceSelector": {
                "type": "object",
                "properties": {"any": {"type": "boolean"}, "matchNames": strings()},
            },
            "selector": {"type": "object", "properties": {"matchLabels": labels}},
            "endpoints": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "port": text, "interval": time, "scrapeTimeout": time,
                    "relabelings": relabelings, "metricRelabelings": relabelings,
                },
            }},
        },
    });
    definition(
        "monitoring.coreos.com",
        "ServiceMonitor",
        "servicemonitors",
        spec,
    )
}

fn prometheus_rules() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let rule = json!({
        "type": "object", "required": ["expr"],
        "properties": {
            "alert": text, "record": text, "for": text, "labels": texts, "annotations": texts,
            "expr": {"x-kubernetes-int-or-string": true},
        },
    });
    let group = json!({
        "type": "object", "required": ["name"],
        "properties": {
            "name": text, "interval": text, "rules": {"type": "array", "items": rule},
        },
    });
    let spec = json!({
        "type": "object", "properties": {"groups": {"type": "array", "items": group}},
    });
    definition(
        "monitoring.coreos.com",
        "PrometheusRule",
        "prometheusrules",
        spec,
    )
}
