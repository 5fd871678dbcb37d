//! The objects of the shop, as large and as nested as those of a real cluster.

use serde_json::{Value, json};

/// Names of the nodes.
pub(super) const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// Namespace, name, tier, image, replicas.
const DEPLOYMENTS: [(&str, &str, &str, &str, u64); 5] = [
    ("default", "hello", "edge", "ghcr.io/example/hello:1.0", 1),
    (
        "payments",
        "ledger",
        "backend",
        "ghcr.io/example/ledger:1.7",
        2,
    ),
    ("shop", "cart", "backend", "ghcr.io/example/cart:1.4", 2),
    (
        "shop",
        "search",
        "backend",
        "ghcr.io/example/search:1.12",
        2,
    ),
    ("shop", "web", "frontend", "ghcr.io/example/web:1.20", 3),
];

/// Everything that is there before the first step.
pub(super) fn first() -> Vec<(&'static str, Value)> {
    let mut list = Vec::new();
    for namespace in ["payments", "shop"] {
        list.push(("namespaces", json!({
            "metadata": { "name": namespace, "labels": { "kubernetes.io/metadata.name": namespace } },
            "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" },
        })));
    }
    list.extend(NODES.map(|name| ("nodes", node(name))));
    for (namespace, name, tier, image, replicas) in DEPLOYMENTS {
        list.push(("services", service(namespace, name)));
        list.push(("configmaps", config(namespace, name)));
        list.push((
            "deployments.apps",
            deployment((namespace, name), tier, image, replicas),
        ));
    }
    list.push((
        "widgets.example.com",
        json!({
            "metadata": { "name": "signpost", "namespace": "shop", "labels": { "app": "web" } },
            "spec": { "size": "M", "color": "green", "weight": 9_007_199_254_740_993_u64 },
        }),
    ));
    list
}

fn node(name: &str) -> Value {
    json!({
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
                "topology.kubernetes.io/zone": format!("zone-{}", &name[5..]),
            },
            "annotations": { "node.alpha.kubernetes.io/ttl": "0" },
        },
        "spec": { "podCIDR": "10.244.0.0/24", "providerID": format!("simulation://{name}") },
        "status": node_status(8_000_000, 0),
    })
}

/// The status of a node with so much memory free, in KiB, at its n-th heartbeat.
pub(super) fn node_status(free: u32, beat: u64) -> Value {
    json!({
        "capacity": { "cpu": "4", "memory": "8145212Ki", "pods": "110" },
        "allocatable": { "cpu": "3920m", "memory": format!("{free}Ki"), "pods": "110" },
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "KubeletReady",
            "message": format!("kubelet is posting ready status, heartbeat {beat}"),
        }],
        "nodeInfo": { "kubeletVersion": "v1.34.0", "osImage": "Simulated Linux", "architecture": "amd64" },
    })
}

fn service(namespace: &str, name: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
        "spec": {
            "type": "ClusterIP", "selector": { "app": name },
            "ports": [{ "name": "http", "port": 80, "targetPort": "http", "protocol": "TCP" }],
        },
        "status": { "loadBalancer": {} },
    })
}

fn config(namespace: &str, name: &str) -> Value {
    json!({
        "metadata": { "name": format!("{name}-config"), "namespace": namespace, "labels": { "app": name } },
        "data": {
            "revision": "0", "log_level": "info",
            "features.yaml": "checkout: true\nrecommendations: false\nmax_items: 100\n",
        },
    })
}

fn deployment((namespace, name): (&str, &str), tier: &str, image: &str, replicas: u64) -> Value {
    let labels = json!({ "app": name, "tier": tier });
    json!({
        "metadata": {
            "name": name, "namespace": namespace, "labels": labels,
            "annotations": { "example.com/owner": format!("team-{namespace}") },
        },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": labels }, "spec": pod_spec(name, image) },
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
            "revisionHistoryLimit": 2, "progressDeadlineSeconds": 600,
        },
    })
}

fn pod_spec(name: &str, image: &str) -> Value {
    let probe = |path: &str| {
        json!({
            "httpGet": { "path": path, "port": "http", "scheme": "HTTP" },
            "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        })
    };
    json!({
        "containers": [{
            "name": name, "image": image, "imagePullPolicy": "IfNotPresent",
            "ports": [{ "name": "http", "containerPort": 8080, "protocol": "TCP" }],
            "env": [
                { "name": "LOG_LEVEL", "valueFrom": { "configMapKeyRef": { "name": format!("{name}-config"), "key": "log_level" } } },
                { "name": "POD_NAME", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" } } },
            ],
            "resources": { "limits": { "memory": "256Mi" }, "requests": { "cpu": "100m", "memory": "128Mi" } },
            "volumeMounts": [{ "name": "config", "readOnly": true, "mountPath": "/etc/config" }],
            "livenessProbe": probe("/livez"), "readinessProbe": probe("/readyz"),
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        }],
        "volumes": [{ "name": "config", "configMap": { "name": format!("{name}-config"), "defaultMode": 420 } }],
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default", "schedulerName": "default-scheduler", "securityContext": {},
    })
}

fn owned_by(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

/// The set of a deployment for the template named `hash`.
pub(super) fn replica_set(deployment: &Value, hash: &str, replicas: u64) -> Value {
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = json!(hash);
    json!({
        "metadata": {
            "name": format!("{name}-{hash}"), "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"], "ownerReferences": owned_by(deployment),
        },
        "spec": { "replicas": replicas, "selector": selector, "template": template },
    })
}

/// A new pod of a set.
pub(super) fn pod(set: &Value) -> Value {
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    let mut spec = set["spec"]["template"]["spec"].clone();
    spec["tolerations"] = json!([
        { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
        { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
    ]);
    json!({
        "metadata": {
            "generateName": format!("{name}-"), "namespace": set["metadata"]["namespace"],
            "labels": set["spec"]["template"]["metadata"]["labels"], "ownerReferences": owned_by(set),
        },
        "spec": spec,
        "status": { "phase": "Pending", "qosClass": "Burstable" },
    })
}

fn conditions(ready: bool, now: &str) -> Value {
    let condition = |kind: &str, status: bool| {
        json!({
            "type": kind, "status": if status { "True" } else { "False" },
            "lastProbeTime": null, "lastTransitionTime": now,
        })
    };
    json!([
        condition("PodReadyToStartContainers", true),
        condition("Initialized", true),
        condition("Ready", ready),
        condition("ContainersReady", ready),
        condition("PodScheduled", true),
    ])
}

fn container_status(pod: &Value, ready: bool, restarts: u64, state: &Value) -> Value {
    let container = &pod["spec"]["containers"][0];
    json!([{
        "name": container["name"], "state": state, "lastState": {}, "ready": ready,
        "restartCount": restarts, "image": container["image"], "imageID": "", "started": ready,
    }])
}

/// The status of a pod whose container runs.
pub(super) fn running(pod: &Value, ip: &str, restarts: u64, now: &str) -> Value {
    let state = json!({ "running": { "startedAt": now } });
    json!({
        "phase": "Running", "conditions": conditions(true, now), "hostIP": "172.18.0.2",
        "podIP": ip, "podIPs": [{ "ip": ip }], "startTime": now,
        "containerStatuses": container_status(pod, true, restarts, &state), "qosClass": "Burstable",
    })
}

/// The status of a pod whose container has just crashed again.
pub(super) fn crashed(pod: &Value) -> Value {
    let now = pod["status"]["startTime"].as_str().unwrap_or_default();
    let restarts = pod["status"]["containerStatuses"][0]["restartCount"]
        .as_u64()
        .unwrap_or(0)
        + 1;
    let state = json!({ "waiting": {
        "reason": "CrashLoopBackOff",
        "message": "back-off 10s restarting failed container",
    } });
    json!({
        "conditions": conditions(false, now),
        "containerStatuses": container_status(pod, false, restarts, &state),
    })
}
