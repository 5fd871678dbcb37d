//! Writes to a cluster, of either kind, over its own API.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Request;
use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use serde_json::{Value, json};

/// A writer. Knows the paths of the resources that scenarios use.
#[derive(Clone)]
pub struct Kube {
    pub client: Client,
}

/// Collections by plural name.
pub fn collection(resource: &str, namespace: &str) -> String {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let root = match group {
        "" => "/api/v1".to_owned(),
        group => format!("/apis/{group}/v1"),
    };
    match namespace {
        "" => format!("{root}/{plural}"),
        namespace => format!("{root}/namespaces/{namespace}/{plural}"),
    }
}

impl Kube {
    /// Connects by a kubeconfig.
    pub async fn connect(kubeconfig: &std::path::Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("a usable kubeconfig");
        config.default_retry = false;
        Self {
            client: Client::try_from(config).expect("a client"),
        }
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Value, kube::Error> {
        self.client.request::<Value>(request).await
    }

    /// Creates an object.
    pub async fn create(&self, resource: &str, namespace: &str, object: Value) -> Value {
        self.try_create(resource, namespace, object)
            .await
            .expect("created")
    }

    /// Creates an object, or says why not.
    pub async fn try_create(
        &self,
        resource: &str,
        namespace: &str,
        object: Value,
    ) -> Result<Value, kube::Error> {
        let request = Request::post(collection(resource, namespace))
            .header("content-type", "application/json")
            .body(object.to_string().into_bytes())
            .expect("a request");
        self.send(request).await
    }

    /// Applies a merge patch.
    pub async fn patch(&self, resource: &str, namespace: &str, name: &str, patch: Value) -> Value {
        self.patch_at(
            &format!("{}/{name}", collection(resource, namespace)),
            patch,
        )
        .await
    }

    /// Applies a merge patch to the status.
    pub async fn patch_status(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Value {
        self.patch_at(
            &format!("{}/{name}/status", collection(resource, namespace)),
            patch,
        )
        .await
    }

    async fn patch_at(&self, path: &str, patch: Value) -> Value {
        let request = Request::patch(path)
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_string().into_bytes())
            .expect("a request");
        self.send(request).await.expect("patched")
    }

    /// Deletes an object at once.
    pub async fn delete(&self, resource: &str, namespace: &str, name: &str) -> Value {
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0});
        let request = Request::delete(format!("{}/{name}", collection(resource, namespace)))
            .header("content-type", "application/json")
            .body(options.to_string().into_bytes())
            .expect("a request");
        self.send(request).await.expect("deleted")
    }

    /// Posts a sub-document such as a pod's binding.
    pub async fn post(&self, path: &str, object: Value) -> Value {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(object.to_string().into_bytes())
            .expect("a request");
        self.send(request).await.expect("accepted")
    }

    /// Reads a path.
    pub async fn get(&self, path: &str) -> Value {
        self.try_get(path).await.expect("readable")
    }

    /// Reads a path, or says why not.
    pub async fn try_get(&self, path: &str) -> Result<Value, kube::Error> {
        let request = Request::get(path).body(Vec::new()).expect("a request");
        self.send(request).await
    }

    /// Makes a real cluster serve `widgets.example.com/v1`, which a simulated one has built in:
    /// a namespaced custom resource of any content, with `spec.color` and `spec.size` selectable.
    pub async fn ensure_widgets(&self) {
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let text = json!({"type": "string"});
        let schema = json!({
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": {
                "spec": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                    "properties": {"color": text, "size": text},
                },
                "status": anything,
            },
        });
        let fields = json!([{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}]);
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": schema},
                    "selectableFields": fields,
                }],
            },
        });
        let resource = "customresourcedefinitions.apiextensions.k8s.io";
        let created = self.try_create(resource, "", definition).await;
        let exists =
            |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == 409);
        assert!(created.as_ref().err().is_none_or(exists), "{created:?}");
        let path = collection("widgets.example.com", "");
        loop {
            let request = Request::get(&path).body(Vec::new()).expect("a request");
            if self.send(request).await.is_ok() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Makes a namespace with a name of its own.
    pub async fn namespace(&self, hint: &str) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let hint: String = hint.replace(['_', ':'], "-").chars().take(40).collect();
        let name = format!("{}-{}-{number}", hint.trim_matches('-'), std::process::id());
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.create("namespaces", "", object).await;
        name
    }
}

/// A config map.
pub fn config_map(name: &str, labels: Value, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": labels},
        "data": data,
    })
}

/// A pod that nothing runs.
pub fn pod(name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "example.com/main:1"}],
        },
    })
}

/// The resourceVersion of an object.
pub fn version(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no version in {object}"))
}
