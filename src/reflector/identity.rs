//! Which cluster this is: what resume tokens are bound to.

use std::time::Duration;

use serde::Deserialize;

use super::request::{JSON, RequestError, describe, get_all};

/// How long the answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Why the identity of the cluster can't be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// 403. Says what to allow, or what to say instead.
    #[error(
        "the daemon may not get the namespace kube-system, whose uid identifies the cluster in \
         resume tokens: allow its service account the verb get on namespaces with the resource \
         name kube-system, or pass that uid with --cluster-id"
    )]
    Forbidden,
    /// The server could not be asked or its answer not be read.
    #[error("the namespace kube-system, which identifies the cluster, can't be read: {0}")]
    Unavailable(String),
}

impl From<RequestError> for IdentityError {
    fn from(error: RequestError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The identity of a cluster: the uid of its namespace `kube-system`, which outlives everything.
/// Answers within ten seconds.
///
/// Cancel safe.
///
/// # Errors
/// See [`IdentityError`].
pub async fn cluster_id(client: &kube::Client) -> Result<String, IdentityError> {
    #[derive(Deserialize)]
    struct Namespace {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        uid: String,
    }
    let uri = "/api/v1/namespaces/kube-system";
    let body = match get_all(client, uri, JSON, LIMIT).await? {
        Ok(body) => body,
        Err(status) if status.code == 403 => return Err(IdentityError::Forbidden),
        Err(status) => return Err(IdentityError::Unavailable(describe(&status))),
    };
    let namespace = serde_json::from_slice::<Namespace>(&body)
        .map_err(|_| IdentityError::Unavailable("it has no uid".to_owned()))?;
    Ok(namespace.metadata.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reflector::testing::{Server, answer, status};

    #[tokio::test]
    async fn the_cluster_is_known_by_kube_system() {
        let body = r#"{"kind":"Namespace","metadata":{"name":"kube-system","uid":"abc"}}"#;
        let mut server = Server::answering(vec![answer(200, body)]).await;
        assert_eq!(cluster_id(&server.client).await, Ok("abc".into()));
        assert_eq!(server.request().await, "/api/v1/namespaces/kube-system");
    }

    #[tokio::test]
    async fn a_refusal_names_the_right_that_is_missing() {
        let answers = vec![
            answer(403, status(403, "Forbidden")),
            answer(500, status(500, "InternalError")),
        ];
        let server = Server::answering(answers).await;
        let error = cluster_id(&server.client).await.expect_err("forbidden");
        assert_eq!(error, IdentityError::Forbidden);
        for word in ["get", "namespaces", "kube-system", "--cluster-id"] {
            assert!(error.to_string().contains(word), "{error}");
        }
        let error = cluster_id(&server.client).await.expect_err("broken");
        assert!(
            error.to_string().ends_with("status 500 InternalError"),
            "{error}"
        );
    }
}
