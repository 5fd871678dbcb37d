//! The custom resources that the chart may use, as far as it uses them: the fields and their types
//! are those of cert-manager's and of the Prometheus operator's own definitions, so that an
//! apiserver with strict validation refuses what these would refuse.

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
