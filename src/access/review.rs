//! The two reviews, as the apiserver is asked and as its answers are judged.

mod body;

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::{Bearer, Identity, ask::Question};

/// How long an answer may take, the wait for a turn included.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// Longest answer that is read: an echo of the question and its status.
const MAX_ANSWER: usize = 1 << 20;

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// Why there is no answer. Never the caller's fault, and nothing that it is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ReviewError {
    /// This daemon may not ask.
    #[error(
        "this daemon may not create {0}: bind its account to the ClusterRole system:auth-delegator"
    )]
    Forbidden(&'static str),
    /// The apiserver answers with an error.
    #[error("the apiserver answers a review with status {0}")]
    Status(u16),
    /// There is no answer in time, or no connection.
    #[error("no answer to a review: {0}")]
    NoAnswer(String),
    /// It says no, and is not known to be ready to say anything.
    #[error("the apiserver says no before it is ready, when it does not know who may what")]
    Unconfirmed,
    /// Too many others wait for one.
    #[error("too many reviews wait for their turn")]
    Crowded,
    /// Whoever asked has left before the turn came.
    #[error("nobody waits for the review")]
    Unwanted,
    /// The answer is none that can be understood.
    #[error("the answer to a review can't be used: {0}")]
    Unusable(&'static str),
}

/// Who answers reviews.
pub(super) trait Reviewer: Send + Sync + 'static {
    /// Who a token is, if anybody, for any of these audiences; for the apiserver's own if there
    /// are none.
    fn token(
        &self,
        bearer: &Bearer,
        audiences: &[String],
    ) -> BoxFuture<'static, Result<Option<Identity>, ReviewError>>;

    /// Whether the apiserver knows all that it decides by.
    fn ready(&self) -> BoxFuture<'static, Result<bool, ReviewError>>;

    /// Whether a user may.
    fn access(
        &self,
        identity: &Identity,
        question: &Question,
    ) -> BoxFuture<'static, Result<bool, ReviewError>>;
}

/// The apiserver.
#[derive(Clone)]
pub(super) struct Apiserver(pub(super) kube::Client);

impl Reviewer for Apiserver {
    fn token(
        &self,
        bearer: &Bearer,
        audiences: &[String],
    ) -> BoxFuture<'static, Result<Option<Identity>, ReviewError>> {
        let review = body::token_review(bearer, audiences);
        let (client, audiences) = (self.0.clone(), audiences.to_vec());
        Box::pin(async move {
            let status = create(client, TOKEN_REVIEWS, "tokenreviews", review).await?;
            judge_token(status, &audiences)
        })
    }

    /// Everybody may ask by default (`system:public-info-viewer`). Where that was taken away there
    /// is nothing to go by.
    fn ready(&self) -> BoxFuture<'static, Result<bool, ReviewError>> {
        let client = self.0.clone();
        let request = Request::get("/readyz").body(Body::empty());
        let request = request.expect("the path is a constant");
        Box::pin(async move {
            let response = client.send(request).await.map_err(no_answer)?;
            Ok(!response.status().is_server_error())
        })
    }

    fn access(
        &self,
        identity: &Identity,
        question: &Question,
    ) -> BoxFuture<'static, Result<bool, ReviewError>> {
        let review = body::access_review(&access_spec(identity, question));
        let client = self.0.clone();
        Box::pin(async move {
            let status = create(client, ACCESS_REVIEWS, "subjectaccessreviews", review).await?;
            judge_access(status)
        })
    }
}

/// The spec of a SubjectAccessReview.
pub(super) fn access_spec<'a>(
    identity: &'a Identity,
    question: &'a Question,
) -> impl Serialize + 'a {
    #[derive(Serialize)]
    struct Spec<'a> {
        #[serde(flatten)]
        question: &'a Question,
        user: &'a str,
        uid: &'a str,
        groups: &'a [String],
        extra: &'a std::collections::BTreeMap<String, Vec<String>>,
    }
    Spec {
        question,
        user: &identity.username,
        uid: &identity.uid,
        groups: &identity.groups,
        extra: &identity.extra,
    }
}

/// Posts a review; gives the status of the answer.
async fn create(
    client: kube::Client,
    path: &str,
    resource: &'static str,
    review: Bytes,
) -> Result<Value, ReviewError> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        status: Value,
    }
    let request = Request::post(path)
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(review))
        .expect("path and headers are constants");
    let response = client.send(request).await.map_err(no_answer)?;
    match response.status() {
        status if status.is_success() => {}
        StatusCode::FORBIDDEN => return Err(ReviewError::Forbidden(resource)),
        status => return Err(ReviewError::Status(status.as_u16())),
    }
    let body = Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await;
    let body = body.map_err(|_| ReviewError::NoAnswer("it broke off".to_owned()))?;
    // Only that, never serde's words: they repeat the input, and the answer holds the token.
    let answer: Answer = serde_json::from_slice(&body.to_bytes())
        .map_err(|_| ReviewError::Unusable("it is not the JSON of a review"))?;
    Ok(answer.status)
}

/// The innermost cause: those around it name the address.
fn no_answer(error: kube::Error) -> ReviewError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    ReviewError::NoAnswer(cause.to_string())
}

/// Who a TokenReview's status says a token is.
fn judge_token(status: Value, audiences: &[String]) -> Result<Option<Identity>, ReviewError> {
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        authenticated: bool,
        user: Option<Identity>,
        #[serde(default)]
        audiences: Vec<String>,
    }
    if !status.is_object() {
        return Err(ReviewError::Unusable("a TokenReview has no status"));
    }
    // The first question, so that the user of a token that is not valid is not even read.
    if status["authenticated"] != Value::Bool(true) {
        return match &status["authenticated"] {
            Value::Null | Value::Bool(_) => Ok(None),
            _ => Err(ReviewError::Unusable("`authenticated` is no boolean")),
        };
    }
    let status: Status = serde_json::from_value(status)
        .map_err(|_| ReviewError::Unusable("the status of a TokenReview has another form"))?;
    debug_assert!(status.authenticated);
    // A server that knows no audiences leaves them out: it has not looked for whom the token is.
    if !audiences.is_empty() && !audiences.iter().any(|ours| status.audiences.contains(ours)) {
        return Ok(None);
    }
    match status.user {
        Some(user) if !user.username.is_empty() => Ok(Some(user)),
        _ => Err(ReviewError::Unusable("a TokenReview authenticates nobody")),
    }
}

/// What a SubjectAccessReview's status says. A server that contradicts itself has said no; one that
/// could not decide has not answered.
fn judge_access(status: Value) -> Result<bool, ReviewError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        allowed: bool,
        #[serde(default)]
        denied: bool,
        #[serde(default)]
        evaluation_error: String,
    }
    let status: Status = serde_json::from_value(status).map_err(|_| {
        ReviewError::Unusable("the status of a SubjectAccessReview has another form")
    })?;
    match (status.allowed, status.denied) {
        (_, true) => Ok(false),
        (true, false) => Ok(true),
        (false, false) if status.evaluation_error.is_empty() => Ok(false),
        (false, false) => Err(ReviewError::Unusable("the authorizer reports an error")),
    }
}

impl fmt::Debug for Apiserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Apiserver")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        access::{List, testing::matching},
        selector::FilterSpec,
    };

    fn audiences() -> Vec<String> {
        vec!["informerd".to_owned()]
    }

    fn user(status: Value) -> Result<Option<String>, ReviewError> {
        judge_token(status, &audiences()).map(|user| user.map(|user| user.username))
    }

    #[test]
    fn a_token_counts_for_its_audience_only() {
        let status = |audiences: Value| json!({"authenticated": true, "user": {"username": "jane"}, "audiences": audiences});
        assert_eq!(
            user(status(json!(["x", "informerd"]))),
            Ok(Some("jane".into()))
        );
        assert_eq!(user(status(json!(["x"]))), Ok(None));
        assert_eq!(user(status(json!([]))), Ok(None));
        let unaware = json!({"authenticated": true, "user": {"username": "jane"}});
        assert_eq!(user(unaware.clone()), Ok(None));
        let any = judge_token(unaware, &[]);
        assert_eq!(any.map(|user| user.is_some()), Ok(true));
    }

    #[test]
    fn lies_authenticate_nobody() {
        let named = json!({"username": "jane", "groups": ["system:masters"]});
        let lie = json!({"authenticated": false, "user": named, "audiences": ["informerd"]});
        assert_eq!(user(lie), Ok(None));
        assert_eq!(
            user(json!({"user": named, "audiences": ["informerd"]})),
            Ok(None)
        );
        for unusable in [
            json!({"authenticated": true, "audiences": ["informerd"]}),
            json!({"authenticated": true, "audiences": ["informerd"], "user": {"username": ""}}),
            json!({"authenticated": "true", "audiences": ["informerd"], "user": named}),
            json!({"authenticated": true, "audiences": "informerd", "user": named}),
            json!({"authenticated": true, "audiences": ["informerd"], "user": {"username": 7}}),
            json!(null),
            json!([]),
        ] {
            assert!(user(unusable.clone()).is_err(), "{unusable}");
        }
    }

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        let judge = judge_access;
        assert_eq!(judge(json!({"allowed": true})), Ok(true));
        assert_eq!(
            judge(json!({"allowed": true, "evaluationError": "x"})),
            Ok(true)
        );
        assert_eq!(judge(json!({"allowed": true, "denied": true})), Ok(false));
        assert_eq!(
            judge(json!({"allowed": false, "denied": true, "evaluationError": "x"})),
            Ok(false)
        );
        assert_eq!(judge(json!({"allowed": false})), Ok(false));
        for unusable in [
            json!({"allowed": false, "evaluationError": "webhook down"}),
            json!({"allowed": "true"}),
            json!({"denied": false}),
            json!({}),
            json!(null),
        ] {
            assert!(judge(unusable.clone()).is_err(), "{unusable}");
        }
    }

    #[test]
    fn everything_known_of_a_user_is_passed_on() {
        let identity = Identity {
            username: "jane".into(),
            uid: "7".into(),
            groups: vec!["dev".into()],
            extra: [("scopes".to_owned(), vec!["a".to_owned()])].into(),
        };
        let question = Question::Path {
            path: "/informerd/admin".into(),
            verb: "get",
        };
        let body = body::access_review(&access_spec(&identity, &question));
        assert_eq!(
            serde_json::from_slice::<Value>(&body).expect("JSON"),
            json!({
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {
                    "nonResourceAttributes": {"path": "/informerd/admin", "verb": "get"},
                    "user": "jane", "uid": "7", "groups": ["dev"], "extra": {"scopes": ["a"]},
                },
            })
        );
    }

    #[test]
    fn selectors_are_sent_as_they_were_written_for_all_namespaces() {
        let namespaces = ["a".to_owned(), "b".to_owned()];
        let scope = matching(
            "pods",
            FilterSpec {
                namespaces: &namespaces,
                label_selector: "app in (x,y)",
                field_selector: "spec.nodeName=n",
                ..FilterSpec::default()
            },
        );
        let questions = Question::all::<List>(&scope);
        let sent = |question| {
            let body = body::access_review(&access_spec(&Identity::default(), question));
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            body["spec"]["resourceAttributes"].clone()
        };
        let expected = |namespace| {
            json!({
                "verb": "list", "group": "", "version": "v1", "resource": "pods",
                "namespace": namespace,
                "fieldSelector": {"requirements": [
                    {"key": "spec.nodeName", "operator": "In", "values": ["n"]},
                ]},
                "labelSelector": {"requirements": [
                    {"key": "app", "operator": "In", "values": ["x", "y"]},
                ]},
            })
        };
        let sent: Vec<_> = questions.iter().map(sent).collect();
        assert_eq!(sent, [expected("a"), expected("b")]);
    }
}
