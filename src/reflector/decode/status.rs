//! `metav1.Status`, from an error response or an ERROR event.

use std::time::Duration;

use serde::Deserialize;

use super::DecodeError;
use crate::resource::Status;

/// Longest text that is taken from an answer that isn't a Status, in characters.
const EXCERPT: usize = 200;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    kind: Option<String>,
    code: Option<i64>,
    reason: Option<String>,
    message: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: Option<i64>,
    causes: Option<Vec<Cause>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cause {
    reason: Option<String>,
    message: Option<String>,
}

/// The status of an HTTP error response. `code` is the response's own and stands above what the
/// body says; `retry_after` is the header's text. A body of any other shape (a proxy's page)
/// gives its first characters as the message.
pub fn status(code: u16, retry_after: Option<&str>, body: &[u8]) -> Status {
    let parsed = serde_json::from_slice::<Body>(body)
        .ok()
        .filter(|body| body.kind.as_deref() == Some("Status"));
    let mut status = parsed.map_or_else(
        || Status {
            message: excerpt(body),
            ..Status::default()
        },
        Status::from,
    );
    status.code = code;
    if let Some(seconds) = retry_after.and_then(seconds) {
        status.retry_after = Some(seconds);
    }
    status
}

/// The status of an ERROR event. An object of another kind gives an empty one: something failed.
pub(super) fn in_stream(object: &str) -> Result<Status, DecodeError> {
    // Well-formed JSON of an unexpected shape is still an error event.
    serde_json::from_str::<serde::de::IgnoredAny>(object)?;
    let body: Body = serde_json::from_str(object).unwrap_or_default();
    if body.kind.as_deref() == Some("Status") {
        Ok(body.into())
    } else {
        Ok(Status::default())
    }
}

impl From<Body> for Status {
    fn from(body: Body) -> Self {
        let details = body.details.unwrap_or_default();
        let causes = details.causes.unwrap_or_default();
        Self {
            code: body
                .code
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or(0),
            reason: body.reason.unwrap_or_default(),
            message: body.message.unwrap_or_default(),
            // Older servers put "Too large resource version" into the message of the cause only
            // (client-go tools/cache/reflector.go isTooLargeResourceVersionError).
            causes: causes
                .into_iter()
                .flat_map(|cause| [cause.reason, cause.message])
                .flatten()
                .collect(),
            retry_after: details
                .retry_after_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
        }
    }
}

/// Whole seconds. A number too large to hold is a very long time; dates and junk are nothing.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * EXCERPT)]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(EXCERPT).collect()
}
