//! What a call that failed has to say, read once out of a gRPC status.

use std::{error::Error as _, fmt, io, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Cause, ChangeKind};

/// A call or a stream that ended with an error.
///
/// The text of `Display` is one lowercase sentence for people; programs decide by
/// [`code`](Self::code) and [`reason`](Self::reason).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The gRPC status code.
    pub code: Code,
    /// `ErrorInfo.reason`, for example `RESOURCE_EXPIRED`. Empty when the daemon said nothing:
    /// then the error comes from the connection or from a proxy.
    pub reason: String,
    /// What was wrong.
    pub message: String,
    /// Which fields of the request were wrong; only with `INVALID_ARGUMENT`.
    pub violations: Vec<Violation>,
    /// How long the daemon asks to wait before the next attempt.
    pub retry_after: Option<Duration>,
}

/// What a [`Watch`](super::Watch) says instead of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The watch is over.
    #[error(transparent)]
    Call(#[from] CallError),
    /// One object could not be read. The watch goes on.
    #[error(transparent)]
    Object(#[from] Box<ObjectError>),
}

impl WatchError {
    /// Whether nothing follows.
    pub fn ends_watch(&self) -> bool {
        matches!(self, Self::Call(_))
    }
}

/// An event whose object is not of the type that the watch was opened for: another version of
/// the resource, or a Rust type that is stricter than the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {}: {}", self.subject(), self.why())]
pub struct ObjectError {
    /// What the event says of the object.
    pub kind: ChangeKind,
    /// Why the event came.
    pub cause: Cause,
    /// The object's namespace; empty for cluster-scoped resources.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// The resourceVersion of the change.
    pub resource_version: String,
    /// Where in the object, for example `spec.containers[0].image`; `.` is the whole. Below a
    /// flattened field it is the path of what holds it.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

impl ObjectError {
    fn subject(&self) -> String {
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        format!(
            "{}{slash}{} at resourceVersion {}",
            self.namespace, self.name, self.resource_version
        )
    }

    fn why(&self) -> String {
        match &*self.path {
            "." => self.reason.clone(),
            path => format!("{path}: {}", self.reason),
        }
    }
}

/// One field of a request that the daemon refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, for example `filter.label_selector`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl CallError {
    /// An error of the connection, not of the daemon.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self {
            code: Code::Unavailable,
            reason: String::new(),
            message: message.into(),
            violations: Vec::new(),
            retry_after: None,
        }
    }

    /// Whether the daemon was not reached, or can't serve at the moment.
    pub fn is_unavailable(&self) -> bool {
        self.code == Code::Unavailable
    }

    /// Whether the position can't be continued: only a new start with a snapshot leads on. (A
    /// token is of another cluster, or of another resource or filter, too.)
    pub fn must_start_anew(&self) -> bool {
        matches!(
            &*self.reason,
            "RESOURCE_EXPIRED" | "EPOCH_CHANGED" | "TOKEN_MISMATCH"
        )
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let reason = details
            .error_info()
            .map_or_else(String::new, |info| info.reason.clone());
        let violations = details.bad_request().map_or_else(Vec::new, |request| {
            let fields = request.field_violations.iter();
            fields
                .map(|violation| Violation {
                    field: violation.field.clone(),
                    description: violation.description.clone(),
                })
                .collect()
        });
        let message = match status.source() {
            // The words of the transport name its layers; the cause is at the bottom.
            Some(source) if reason.is_empty() => root_cause(source),
            _ => status.message().to_owned(),
        };
        Self {
            code: status.code(),
            reason,
            message,
            violations,
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            write!(f, "the call failed: {}", self.code.description())?;
        } else {
            f.write_str(&self.message)?;
        }
        for violation in &self.violations {
            if !self.message.contains(&violation.description) {
                write!(f, "; {}: {}", violation.field, violation.description)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}

/// The words of the innermost error: `connection refused` instead of `transport error`.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut root = error;
    loop {
        let io = root.downcast_ref::<io::Error>();
        let inner = io.and_then(io::Error::get_ref);
        match inner.map(|inner| inner as &(dyn std::error::Error + 'static)) {
            // `source` of an io::Error leaves out what it was made of.
            Some(inner) => root = inner,
            None => match root.source() {
                Some(source) => root = source,
                None => break,
            },
        }
    }
    match root.downcast_ref::<io::Error>().map(io::Error::kind) {
        None | Some(io::ErrorKind::Other) => root.to_string(),
        Some(kind) => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    #[test]
    fn reads_everything_that_a_status_carries() {
        let mut details = ErrorDetails::new();
        details
            .set_error_info("INVALID_SELECTOR", "informerd", [])
            .set_bad_request(vec![FieldViolation::new(
                "filter.label_selector",
                "expected a value at 3",
            )])
            .set_retry_info(Some(Duration::from_secs(2)));
        let status = Status::with_error_details(Code::InvalidArgument, "bad request", details);
        let error = CallError::from(status);
        assert_eq!(error.reason, "INVALID_SELECTOR");
        assert_eq!(error.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(
            error.to_string(),
            "bad request; filter.label_selector: expected a value at 3"
        );
    }

    #[test]
    fn tells_positions_that_lead_nowhere() {
        let error = |reason: &str| CallError {
            reason: reason.into(),
            ..CallError::unavailable("too old")
        };
        for reason in ["RESOURCE_EXPIRED", "EPOCH_CHANGED", "TOKEN_MISMATCH"] {
            assert!(error(reason).must_start_anew(), "{reason}");
        }
        for reason in ["", "DRAINING", "RESOURCE_VERSION_TOO_LARGE"] {
            assert!(!error(reason).must_start_anew(), "{reason}");
        }
    }

    #[test]
    fn says_a_description_once() {
        let error = CallError {
            code: Code::InvalidArgument,
            violations: vec![Violation {
                field: "filter".into(),
                description: "too long".into(),
            }],
            ..CallError::unavailable("filter is too long")
        };
        assert_eq!(error.to_string(), "filter is too long");
    }

    #[test]
    fn names_the_cause_below_the_layers() {
        let mut status = Status::unavailable("transport error");
        status.set_source(std::sync::Arc::new(io::Error::from(
            io::ErrorKind::ConnectionRefused,
        )));
        assert_eq!(CallError::from(status).to_string(), "connection refused");
        let silent = CallError::from(Status::unknown(""));
        assert!(silent.to_string().starts_with("the call failed: "));
    }
}
