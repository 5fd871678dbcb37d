//! A pod without a kubelet: its volumes as files, its containers as processes that see them where
//! the pod spec says.
//!
//! A container gets a mount namespace of its own, in which `/run` (and so `/var/run`) and
//! `/etc/hosts` are the pod's. It therefore runs with exactly the arguments and the environment of
//! its spec. All that is missing is the image around the binary and the network around the pod: the
//! cluster's Service is named in `/etc/hosts`, and the apiserver is on loopback.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::manifest::list;
use crate::{kube::Kube, sandbox};

/// The binary of the image: the one that ships, if `hack/test.sh` has built it.
pub fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let built = env!("CARGO_BIN_EXE_informerd");
        PathBuf::from(env::var_os("INFORMERD_STATIC").unwrap_or_else(|| built.into()))
    });
    &BINARY
}

/// A pod whose volumes are there.
pub(super) struct Pod {
    spec: Value,
    namespace: String,
    directory: TempDir,
    apiserver_port: String,
}

impl Pod {
    /// Does what a kubelet does before it starts containers. `hosts` are names of this machine.
    pub(super) async fn prepare(
        kube: &Kube,
        namespace: &str,
        spec: &Value,
        apiserver: &str,
        hosts: &[String],
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let names = hosts.iter().map(|host| format!("127.0.0.1 {host}\n"));
        let names: String = std::iter::once("127.0.0.1 localhost\n".to_owned())
            .chain(names)
            .collect();
        fs::write(directory.path().join("hosts"), names).expect("writable");
        let port = apiserver.rsplit(':').next().expect("a port");
        let pod = Self {
            spec: spec.clone(),
            namespace: namespace.to_owned(),
            directory,
            apiserver_port: port.to_owned(),
        };
        pod.refresh(kube).await;
        pod
    }

    /// Brings the volumes up to date, as the kubelet does from time to time.
    pub(super) async fn refresh(&self, kube: &Kube) {
        let run = self.directory.path().join("run");
        let account = self.spec["serviceAccountName"].as_str();
        let account = account.expect("an account");
        let volumes = list(&self.spec["volumes"]);
        for container in self.containers() {
            for mount in list(&container["volumeMounts"]) {
                let path = mount["mountPath"].as_str().expect("a path");
                let below = path.strip_prefix("/var").unwrap_or(path);
                let below = below.strip_prefix("/run/");
                let below = below.unwrap_or_else(|| panic!("{path} is not below /run"));
                let volume = volumes.iter().find(|v| v["name"] == mount["name"]);
                let volume = volume.unwrap_or_else(|| panic!("no volume for {mount}"));
                fs::create_dir_all(run.join(below)).expect("writable");
                for (name, content) in files(kube, &self.namespace, account, volume).await {
                    let file = run.join(below).join(name);
                    fs::create_dir_all(file.parent().expect("a parent")).expect("writable");
                    // Nobody sees half a file.
                    let new = file.with_extension("new");
                    fs::write(&new, content).expect("writable");
                    fs::rename(new, file).expect("writable");
                }
            }
        }
    }

    fn containers(&self) -> impl Iterator<Item = &Value> {
        let all = ["initContainers", "containers"];
        all.into_iter().flat_map(|of| list(&self.spec[of]))
    }

    /// A file below `/run` as the containers see it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("run").join(name)
    }

    /// The process of a container, by name, not yet started: the daemon's binary with its arguments.
    pub(super) fn container(&self, name: &str) -> Command {
        self.program(name, &[binary()])
    }

    /// The same with another image, which is a program and its first arguments.
    pub(super) fn program(&self, name: &str, program: &[impl AsRef<OsStr>]) -> Command {
        let container = self.containers().find(|c| c["name"] == name);
        let container = container.unwrap_or_else(|| panic!("no container {name}"));
        let mut command = sandbox::unshare();
        command
            .args(["sh", "-c", SCRIPT])
            .arg(self.directory.path())
            .args(program)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            // What the kubelet adds to every container.
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", &self.apiserver_port)
            .stdin(Stdio::null());
        for argument in list(&container["args"]) {
            command.arg(argument.as_str().expect("a text"));
        }
        for variable in list(&container["env"]) {
            let value = variable["value"].as_str().expect("a plain value");
            command.env(variable["name"].as_str().expect("a name"), value);
        }
        command
    }
}

/// `$0` is the pod's directory; the rest is the command. `/var/run` is a link to `/run` on nearly
/// all systems.
const SCRIPT: &str = r#"
mount --bind "$0/run" /run &&
{ [ -L /var/run ] || mount --bind "$0/run" /var/run; } &&
mount --bind "$0/hosts" /etc/hosts &&
exec "$@"
"#;

/// What a volume holds, by the paths in it.
async fn files(
    kube: &Kube,
    namespace: &str,
    account: &str,
    volume: &Value,
) -> Vec<(String, Vec<u8>)> {
    if volume["emptyDir"].is_object() {
        return Vec::new();
    }
    if volume["projected"].is_object() {
        let mut all = Vec::new();
        for source in list(&volume["projected"]["sources"]) {
            all.extend(projected(kube, namespace, account, source).await);
        }
        return all;
    }
    if let Some(name) = volume["secret"]["secretName"].as_str() {
        return chosen(kube, namespace, "secrets", name, &volume["secret"]).await;
    }
    if let Some(name) = volume["configMap"]["name"].as_str() {
        return chosen(kube, namespace, "configmaps", name, &volume["configMap"]).await;
    }
    panic!("no kubelet of ours knows {volume}");
}

async fn projected(
    kube: &Kube,
    namespace: &str,
    account: &str,
    source: &Value,
) -> Vec<(String, Vec<u8>)> {
    let token = &source["serviceAccountToken"];
    if token.is_object() {
        let minted = token_for(kube, namespace, account, token).await;
        let path = token["path"].as_str().expect("a path");
        return vec![(path.to_owned(), minted.into_bytes())];
    }
    let map = &source["configMap"];
    if map.is_object() {
        let name = map["name"].as_str().expect("a name");
        return chosen(kube, namespace, "configmaps", name, map).await;
    }
    let items = list(&source["downwardAPI"]["items"]);
    assert_eq!(items.len(), 1, "{source}");
    assert_eq!(items[0]["fieldRef"]["fieldPath"], "metadata.namespace");
    let path = items[0]["path"].as_str().expect("a path");
    vec![(path.to_owned(), namespace.as_bytes().to_vec())]
}

/// The keys of a Secret or ConfigMap that a volume takes, under the names that it gives them.
async fn chosen(
    kube: &Kube,
    namespace: &str,
    resource: &str,
    name: &str,
    volume: &Value,
) -> Vec<(String, Vec<u8>)> {
    let path = format!("/api/v1/namespaces/{namespace}/{resource}/{name}");
    let object = kube.get(&path).await;
    let data = object["data"].as_object().expect("data");
    if volume["items"].is_array() {
        let text = |item: &Value, name: &str| item[name].as_str().expect("a text").to_owned();
        return list(&volume["items"])
            .iter()
            .map(|item| {
                (
                    text(item, "path"),
                    content(resource, &data[&text(item, "key")]),
                )
            })
            .collect();
    }
    data.iter()
        .map(|(key, value)| (key.clone(), content(resource, value)))
        .collect()
}

fn content(resource: &str, value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a text");
    if resource == "secrets" {
        STANDARD.decode(text).expect("base64")
    } else {
        text.as_bytes().to_vec()
    }
}

/// A token as a projection of a volume asks for it.
pub(super) async fn token_for(
    kube: &Kube,
    namespace: &str,
    account: &str,
    projection: &Value,
) -> String {
    let mut spec = json!({"expirationSeconds": projection["expirationSeconds"]});
    if let Some(audience) = projection["audience"].as_str() {
        spec["audiences"] = json!([audience]);
    }
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec,
    });
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let answer = kube.post(&path, request).await;
    answer["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}
