//! The one map from what went wrong to status codes and details.
//!
//! Every error carries `google.rpc.ErrorInfo` of this domain; what the caller can mend adds
//! `BadRequest`, what time mends adds `RetryInfo`.

use std::time::Duration;

use http::{HeaderMap, header};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    access::Refusal,
    selector::FilterError,
    subscription::{Closed, TokenError},
};

/// `ErrorInfo.domain` of all errors.
const DOMAIN: &str = "informerd";
/// When to come back after reviews could not be had: the first moment and the time over which
/// callers spread, who were all refused at once.
const UNVERIFIED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));

/// An error with its machine-readable reason.
pub(super) fn refuse(code: Code, reason: &str, message: impl Into<String>) -> Status {
    with_details(code, reason, message, ErrorDetails::new())
}

/// An error that goes away by itself.
pub(super) fn retry(
    code: Code,
    reason: &str,
    message: impl Into<String>,
    after: Duration,
) -> Status {
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(after));
    with_details(code, reason, message, details)
}

/// INVALID_ARGUMENT about one field.
pub(super) fn invalid(field: &str, reason: &str, description: impl Into<String>) -> Status {
    let description = description.into();
    let message = format!("{field}: {description}");
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation(field, description);
    with_details(Code::InvalidArgument, reason, message, details)
}

/// INVALID_ARGUMENT about a filter.
pub(super) fn invalid_filter(error: &FilterError) -> Status {
    let description = match error.position {
        Some(position) => format!("{} (at byte {position})", error.message),
        None => error.message.clone(),
    };
    let selector = error.field.ends_with("selector");
    let reason = if selector {
        "INVALID_SELECTOR"
    } else {
        "INVALID_FILTER"
    };
    invalid(&error.field, reason, description)
}

/// INVALID_ARGUMENT about a token.
pub(super) fn invalid_token(field: &str, error: &TokenError) -> Status {
    let reason = match error {
        TokenError::Invalid => "TOKEN_INVALID",
        TokenError::OtherCluster | TokenError::OtherResource | TokenError::OtherFilter => {
            "TOKEN_MISMATCH"
        }
    };
    invalid(field, reason, error.to_string())
}

/// How a call ends; OK for a planned end. `reconnect`: when its caller shall come back after a drain.
pub(super) fn closed(closed: &Closed, reconnect: Duration) -> Status {
    let message = closed.to_string();
    match closed {
        Closed::Timeout => Status::ok(""),
        Closed::Expired { .. } => {
            let remedy = "; start with a snapshot, or ask for on_expired RESET";
            refuse(Code::OutOfRange, "RESOURCE_EXPIRED", message + remedy)
        }
        Closed::Rewound => {
            let remedy = "; start with a snapshot, or ask for on_expired RESET";
            refuse(Code::OutOfRange, "EPOCH_CHANGED", message + remedy)
        }
        Closed::Future { .. } => {
            let after = Duration::from_secs(1);
            retry(
                Code::OutOfRange,
                "RESOURCE_VERSION_TOO_LARGE",
                message,
                after,
            )
        }
        Closed::OutOfReach(_) => refuse(Code::PermissionDenied, "NAMESPACE_NOT_SERVED", message),
        Closed::Draining => retry(Code::Unavailable, "DRAINING", message, reconnect),
        Closed::NotSynced => retry(
            Code::Unavailable,
            "NOT_SYNCED",
            message,
            Duration::from_secs(2),
        ),
        Closed::UpstreamDown => retry(
            Code::Unavailable,
            "UPSTREAM_DOWN",
            message,
            Duration::from_secs(5),
        ),
        // It is tried again after half a minute at most.
        Closed::UpstreamForbidden { .. } => retry(
            Code::Unavailable,
            "UPSTREAM_FORBIDDEN",
            message,
            Duration::from_secs(15),
        ),
        Closed::NotServed => refuse(Code::NotFound, "RESOURCE_NOT_SERVED", message),
    }
}

/// How a call of somebody who is unknown, may not, or has too much ends.
pub(super) fn refused(refusal: &Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::Missing => refuse(Code::Unauthenticated, "CREDENTIALS_MISSING", message),
        Refusal::Invalid(_) => refuse(Code::Unauthenticated, "CREDENTIALS_INVALID", message),
        Refusal::Denied(_) => refuse(Code::PermissionDenied, "ACCESS_DENIED", message),
        Refusal::Unverified | Refusal::Unconfirmed => {
            let reason = "ACCESS_UNVERIFIED";
            let after = UNVERIFIED.0 + UNVERIFIED.1.mul_f64(fastrand::f64());
            retry(Code::Unavailable, reason, message, after)
        }
        Refusal::Exhausted { limit, after, .. } => {
            let mut details = ErrorDetails::new();
            details
                .set_retry_info(Some(*after))
                .add_quota_failure_violation(limit.subject(), message.clone());
            with_details(Code::ResourceExhausted, "QUOTA_EXCEEDED", message, details)
        }
    }
}

/// A status as the trailers of a response whose head was sent already.
pub(super) fn trailers(status: Status) -> HeaderMap {
    let mut headers = status.into_http::<()>().into_parts().0.headers;
    headers.remove(header::CONTENT_TYPE);
    headers
}

/// The reason of an error, for logs.
pub(super) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.to_lowercase());
    reason.unwrap_or_else(|| format!("{:?}", status.code()).to_lowercase())
}

/// Whether an error says more than its code and text.
pub(super) fn explained(status: &Status) -> bool {
    status.code() == Code::Ok || !status.details().is_empty()
}

fn with_details(
    code: Code,
    reason: &str,
    message: impl Into<String>,
    mut details: ErrorDetails,
) -> Status {
    details.set_error_info(reason, DOMAIN, []);
    Status::with_error_details(code, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Limit;

    #[test]
    fn a_planned_end_is_the_only_ok() {
        assert_eq!(closed(&Closed::Timeout, Duration::ZERO).code(), Code::Ok);
        for other in [Closed::Draining, Closed::NotSynced, Closed::UpstreamDown] {
            let status = closed(&other, Duration::from_millis(700));
            assert_eq!(status.code(), Code::Unavailable);
            assert!(status.get_error_details().retry_info().is_some());
        }
    }

    #[test]
    fn callers_who_could_not_be_checked_come_again_at_different_times() {
        let delays: Vec<Duration> = (0..100)
            .map(|_| {
                let details = refused(&Refusal::Unverified).get_error_details();
                let retry = details.retry_info().and_then(|info| info.retry_delay);
                retry.expect("a time")
            })
            .collect();
        let bounds = Duration::from_secs(1)..=Duration::from_secs(3);
        assert!(delays.iter().all(|delay| bounds.contains(delay)));
        let early = delays.iter().filter(|delay| delay.as_secs() < 2).count();
        assert!(
            (10..=90).contains(&early),
            "{early} of 100 in the first half"
        );
    }

    #[test]
    fn a_quota_says_which_and_when() {
        let exhausted = Refusal::Exhausted {
            limit: Limit::Streams,
            most: 7,
            after: Duration::from_secs(5),
        };
        let status = refused(&exhausted);
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = status.get_error_details();
        assert!(
            details
                .quota_failure()
                .is_some_and(|q| q.violations.len() == 1)
        );
        let retry = details.retry_info().and_then(|info| info.retry_delay);
        assert_eq!(retry, Some(Duration::from_secs(5)));
    }
}
