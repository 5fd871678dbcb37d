//! The errors of an apiserver: every one is a `Status` object with a code and a reason, whether it
//! travels as an HTTP answer or as an ERROR event inside a watch.

use serde_json::{Value, json};

/// A refused request, told as the `Status` that kube-apiserver would send
/// (apimachinery `pkg/api/errors/errors.go`).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, for example `NotFound`.
    pub reason: String,
    /// Text for people.
    pub message: String,
    /// `details` of the Status; null for none.
    pub details: Box<Value>,
    /// Where a list may go on inconsistently after its token expired; empty otherwise.
    pub continue_token: String,
}

impl Refusal {
    /// Any refusal.
    #[must_use]
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            details: Box::new(Value::Null),
            continue_token: String::new(),
        }
    }

    fn about(mut self, resource: &str, name: &str) -> Self {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let mut details = json!({ "name": name });
        if !group.is_empty() {
            details["group"] = json!(group);
        }
        details["kind"] = json!(plural);
        self.details = Box::new(details);
        self
    }

    /// 404 for one object.
    #[must_use]
    pub fn not_found(resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} \"{name}\" not found")).about(resource, name)
    }

    /// 409 for a name that is taken.
    #[must_use]
    pub fn already_exists(resource: &str, name: &str) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{resource} \"{name}\" already exists"),
        )
        .about(resource, name)
    }

    /// 409 for a precondition that does not hold.
    #[must_use]
    pub fn conflict(resource: &str, name: &str, why: &str) -> Self {
        let text = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Self::new(409, "Conflict", text).about(resource, name)
    }

    /// 400.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 422, as list option validation answers.
    #[must_use]
    pub fn invalid(field: &str, why: &str) -> Self {
        let mut refusal = Self::new(
            422,
            "Invalid",
            format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}"),
        );
        refusal.details = Box::new(json!({
            "group": "meta.k8s.io", "kind": "ListOptions",
            "causes": [{ "reason": "FieldValueForbidden", "message": why, "field": field }],
        }));
        refusal
    }

    /// 410 for a watch from before the window.
    #[must_use]
    pub fn watch_expired(asked: u64, floor: u64) -> Self {
        Self::new(
            410,
            "Expired",
            format!("too old resource version: {asked} ({floor})"),
        )
    }

    /// 410 for an exact list below the compaction.
    #[must_use]
    pub fn list_expired() -> Self {
        Self::new(
            410,
            "Expired",
            "The resourceVersion for the provided list is too old.",
        )
    }

    /// 410 for a continue token below the compaction; `token` goes on at the newest state.
    #[must_use]
    pub fn continue_expired(token: String) -> Self {
        let text = "The provided continue parameter is too old to display a consistent list \
                    result. You can start a new list without the continue parameter, or use the \
                    continue token in this response to retrieve the remainder of the results.";
        Self {
            continue_token: token,
            ..Self::new(410, "Expired", text)
        }
    }

    /// 504 for a resourceVersion that has not been reached.
    #[must_use]
    pub fn too_large(asked: u64, current: u64) -> Self {
        let text = format!("Too large resource version: {asked}, current: {current}");
        let mut refusal = Self::new(504, "Timeout", format!("Timeout: {text}"));
        refusal.details = Box::new(json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        }));
        refusal
    }

    /// 405.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    /// The `Status` object.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason,
        });
        if !self.continue_token.is_empty() {
            status["metadata"]["continue"] = json!(self.continue_token);
        }
        if !self.details.is_null() {
            status["details"] = self.details.as_ref().clone();
        }
        status["code"] = json!(self.code);
        status
    }
}
