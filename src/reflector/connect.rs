//! From a kubeconfig, or from inside a pod, to a client that leaves retries to the reflector.

use std::{path::PathBuf, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::request::{JSON, RequestError, get_all};

/// Where the cluster is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// This file; `None`: `KUBECONFIG`, then `~/.kube/config`, then the pod that this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// This context of the kubeconfig; `None`: its current one.
    pub context: Option<String>,
    /// How long a TCP and TLS connection may take.
    pub connect_timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// A cluster and the way to it.
#[derive(Clone)]
pub struct Upstream {
    /// Client without retries and without a read timeout.
    pub client: Client,
    /// Address of the apiserver. For the operator's eyes only.
    pub server: String,
    /// How it was found, for people: `context kind-dev`, `in-cluster`.
    pub origin: String,
}

/// Why there is no way to a cluster. Each says what to do, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing was named and nothing was found.
    #[error(
        "no cluster found: there is no kubeconfig and this is not a pod; \
         name a kubeconfig, or set KUBECONFIG"
    )]
    NoCluster,
    /// The kubeconfig can't be read.
    #[error("the kubeconfig {path} can't be read ({problem}); name one that exists")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system says.
        problem: String,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig has no context {context:?}; it has {known}")]
    NoContext {
        /// What was asked for.
        context: String,
        /// The names there are.
        known: String,
    },
    /// The kubeconfig names no current context.
    #[error("the kubeconfig has no current context; name one of {known}")]
    NoCurrentContext {
        /// The names there are.
        known: String,
    },
    /// The kubeconfig is contradictory or incomplete.
    #[error("the kubeconfig can't be used: {0}; try it with kubectl")]
    Unusable(String),
    /// The pod's service account can't be used.
    #[error("the pod's service account can't be used: {0}; check automountServiceAccountToken")]
    InCluster(String),
    /// The server doesn't answer.
    #[error("the apiserver at {server} can't be reached ({problem}); is the cluster running?")]
    Unreachable {
        /// Its address.
        server: String,
        /// What went wrong.
        problem: String,
    },
}

/// Makes a client. Opens no connection: see [`Upstream::probe`].
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(options: &ConnectOptions) -> Result<Upstream, ConnectError> {
    let (mut config, origin) = configure(options).await?;
    config.default_retry = false;
    config.read_timeout = None;
    config.connect_timeout = Some(options.connect_timeout);
    let server = config.cluster_url.to_string();
    let client =
        Client::try_from(config).map_err(|error| ConnectError::Unusable(error.to_string()))?;
    Ok(Upstream {
        client,
        server,
        origin,
    })
}

impl Upstream {
    /// Asks the server for its version, for a start that fails early and says why. Any answer will
    /// do, a refusal too.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] if there is none within `limit`.
    pub async fn probe(&self, limit: Duration) -> Result<(), ConnectError> {
        let answer = get_all(&self.client, "/version", JSON, limit).await;
        answer.map(drop).map_err(|error| ConnectError::Unreachable {
            server: self.server.clone(),
            problem: root_cause(&error),
        })
    }
}

/// The last of a chain of errors says it in the plainest words.
fn root_cause(error: &RequestError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

async fn configure(options: &ConnectOptions) -> Result<(Config, String), ConnectError> {
    let Some(kubeconfig) = read_kubeconfig(options)? else {
        let config = Config::incluster().map_err(|e| ConnectError::InCluster(e.to_string()))?;
        return Ok((config, "in-cluster".to_owned()));
    };
    let known: Vec<_> = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
    let wanted = options.context.clone();
    let Some(context) = wanted.or_else(|| kubeconfig.current_context.clone()) else {
        return Err(ConnectError::NoCurrentContext {
            known: names(&known),
        });
    };
    if !known.contains(&context) {
        return Err(ConnectError::NoContext {
            context,
            known: names(&known),
        });
    }
    let choice = KubeConfigOptions {
        context: Some(context.clone()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &choice)
        .await
        .map_err(unusable)?;
    Ok((config, format!("context {context}")))
}

/// The kubeconfig, or `None` for the pod that this runs in.
fn read_kubeconfig(options: &ConnectOptions) -> Result<Option<Kubeconfig>, ConnectError> {
    if let Some(path) = &options.kubeconfig {
        return Kubeconfig::read_from(path).map(Some).map_err(unreadable);
    }
    let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    match Kubeconfig::read() {
        Ok(kubeconfig) => Ok(Some(kubeconfig)),
        // Only a file that was named must exist.
        Err(error) if std::env::var_os("KUBECONFIG").is_some() => Err(unreadable(error)),
        Err(KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath) if in_cluster => Ok(None),
        Err(KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath) => {
            Err(ConnectError::NoCluster)
        }
        Err(error) => Err(unreadable(error)),
    }
}

fn unreadable(error: KubeconfigError) -> ConnectError {
    match error {
        KubeconfigError::ReadConfig(problem, path) => ConnectError::Unreadable {
            path: path.display().to_string(),
            problem: problem.to_string(),
        },
        error => unusable(error),
    }
}

/// The first line only: those behind it quote the kubeconfig, which holds secrets.
fn unusable(error: KubeconfigError) -> ConnectError {
    let text = error.to_string();
    ConnectError::Unusable(text.lines().next().unwrap_or_default().to_owned())
}

fn names(known: &[String]) -> String {
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("server", &self.server)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: c, user: u}}]
"#;

    fn options(text: &str, context: Option<&str>) -> (tempfile::NamedTempFile, ConnectOptions) {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("written");
        let options = ConnectOptions {
            kubeconfig: Some(file.path().to_owned()),
            context: context.map(str::to_owned),
            ..ConnectOptions::default()
        };
        (file, options)
    }

    async fn message(text: &str, context: Option<&str>) -> String {
        let (_file, options) = options(text, context);
        connect(&options).await.expect_err("no client").to_string()
    }

    #[tokio::test]
    async fn finds_the_context_and_fails_to_reach_it() {
        let (_file, options) = options(KUBECONFIG, Some("two"));
        let upstream = connect(&options).await.expect("a client");
        assert_eq!(upstream.origin, "context two");
        let error = upstream.probe(Duration::from_secs(10)).await;
        let error = error.expect_err("port 1 is closed").to_string();
        assert!(
            error.starts_with("the apiserver at http://127.0.0.1:1/ can't be reached ("),
            "{error}"
        );
    }

    #[tokio::test]
    async fn errors_say_what_to_do() {
        assert_eq!(
            message(KUBECONFIG, Some("three")).await,
            "the kubeconfig has no context \"three\"; it has one, two"
        );
        let without = KUBECONFIG.replace("current-context: one", "");
        assert_eq!(
            message(&without, None).await,
            "the kubeconfig has no current context; name one of one, two"
        );
        let error = message("a: b\ntoken: [top secret", None).await;
        assert!(
            !error.contains("secret") && !error.contains('\n'),
            "{error}"
        );
        assert!(
            error.starts_with("the kubeconfig can't be used: "),
            "{error}"
        );
        let missing = ConnectOptions {
            kubeconfig: Some("/nonexistent/config".into()),
            ..ConnectOptions::default()
        };
        let error = connect(&missing).await.expect_err("no file").to_string();
        assert!(
            error.starts_with("the kubeconfig /nonexistent/config can't be read ("),
            "{error}"
        );
    }
}
