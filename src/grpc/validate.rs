//! From messages to validated questions.
//!
//! Every refusal names the field, what is wrong with it, and what to write instead.

use std::time::{Duration, Instant};

use tonic::Status;

use super::status::{invalid, invalid_filter, invalid_token};
use crate::{
    access::{Grant, Subscribe},
    cacher::{StartAt, Watch},
    proto::v1::{self, watch_request::Start},
    resource::{ResourceInfo, ResourceVersion},
    selector::{EventType, EventTypes, FilterSpec, Membership, echo},
    subscription::{OnExpired, Position, Scope},
};

const BOOKMARK_DEFAULT: Duration = Duration::from_secs(30);
const BOOKMARK_MIN: Duration = Duration::from_secs(1);
const BOOKMARK_MAX: Duration = Duration::from_secs(300);
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Reads a `WatchRequest` that is granted. `called` is when the call came; `reconnect_delay` is what
/// the stream is told if the server drains.
pub(super) fn watch(
    request: v1::WatchRequest,
    grant: &Grant<Subscribe>,
    cluster: [u8; 8],
    called: Instant,
    reconnect_delay: Duration,
) -> Result<Watch, Status> {
    let filter = request.filter.unwrap_or_default();
    let include_old = payload(request.payload.as_ref())?;
    let event_types = event_types(&filter.event_types)?;
    let scope = scope(grant, cluster);
    Ok(Watch {
        start: start(request.start, &scope)?,
        on_expired: on_expired(request.on_expired)?,
        bookmark_interval: bookmark_interval(request.bookmark_interval)?,
        deadline: timeout(request.timeout)?.map(|timeout| called + timeout),
        event_types,
        include_old,
        reconnect_delay,
    })
}

/// What tokens of a granted request are bound to.
pub(super) fn scope<R>(grant: &Grant<R>, cluster: [u8; 8]) -> Scope {
    Scope {
        cluster,
        gvr: grant.info().gvr.clone(),
        filter: grant.membership().fingerprint(),
    }
}

/// Whether the namespaces of a filter make sense for its resource.
pub(super) fn namespaces(info: &ResourceInfo, membership: &Membership) -> Result<(), Status> {
    if !info.namespaced && !membership.namespaces().is_empty() {
        let description = format!("{} is cluster-scoped, leave namespaces empty", info.gvr);
        return Err(invalid("filter.namespaces", "INVALID_FILTER", description));
    }
    Ok(())
}

/// Reads the conditions that decide membership.
pub(super) fn membership(filter: &v1::Filter) -> Result<Membership, Status> {
    let spec = FilterSpec {
        namespaces: &filter.namespaces,
        names: &filter.names,
        label_selector: &filter.label_selector,
        field_selector: &filter.field_selector,
    };
    Membership::new(spec).map_err(|error| invalid_filter(&error))
}

/// Reads a position that a state must have reached; empty means any.
pub(super) fn min_version(field: &str, text: &str) -> Result<Option<ResourceVersion>, Status> {
    match text {
        "" | "0" => Ok(None),
        text => version(field, text).map(Some),
    }
}

pub(super) fn event_types(numbers: &[i32]) -> Result<EventTypes, Status> {
    let mut types = Vec::with_capacity(numbers.len());
    for (at, number) in numbers.iter().enumerate() {
        types.push(match v1::EventType::try_from(*number) {
            Ok(v1::EventType::Added) => EventType::Added,
            Ok(v1::EventType::Modified) => EventType::Modified,
            Ok(v1::EventType::Deleted) => EventType::Deleted,
            Ok(v1::EventType::Unspecified) | Err(_) => {
                let description =
                    format!("{number} is no event type; use ADDED, MODIFIED or DELETED");
                let field = format!("filter.event_types[{at}]");
                return Err(invalid(&field, "INVALID_FILTER", description));
            }
        });
    }
    Ok(types.into_iter().collect())
}

fn payload(payload: Option<&v1::Payload>) -> Result<bool, Status> {
    let Some(payload) = payload else {
        return Ok(false);
    };
    match v1::PayloadView::try_from(payload.view) {
        Ok(v1::PayloadView::Unspecified | v1::PayloadView::Full) => Ok(payload.include_old_object),
        Err(_) => {
            let description = format!("{} is no view; use FULL", payload.view);
            Err(invalid("payload.view", "INVALID_PAYLOAD", description))
        }
    }
}

fn start(start: Option<Start>, scope: &Scope) -> Result<StartAt, Status> {
    match start {
        None => Ok(StartAt::Snapshot {
            min: None,
            allow_stale: false,
        }),
        Some(Start::Snapshot(v1::SnapshotStart {
            min_resource_version,
            allow_stale,
        })) => {
            let min = min_version("snapshot.min_resource_version", &min_resource_version)?;
            Ok(StartAt::Snapshot { min, allow_stale })
        }
        Some(Start::Now(v1::NowStart {})) => Ok(StartAt::Now),
        Some(Start::ResourceVersion(text)) if text == "0" => Ok(StartAt::Snapshot {
            min: None,
            allow_stale: true,
        }),
        Some(Start::ResourceVersion(text)) => {
            Ok(StartAt::Version(version("resource_version", &text)?))
        }
        Some(Start::ResumeToken(token)) => Ok(StartAt::Token(position(&token, scope)?)),
    }
}

fn position(token: &str, scope: &Scope) -> Result<Position, Status> {
    scope
        .position(token)
        .map_err(|error| invalid_token("resume_token", &error))
}

fn version(field: &str, text: &str) -> Result<ResourceVersion, Status> {
    let version = ResourceVersion::new(text);
    if version.is_ordered() && text.parse::<u64>().is_ok() {
        return Ok(version);
    }
    let description = format!(
        "{} is no resource version; pass a number as an object or a frame showed it",
        echo(text)
    );
    Err(invalid(field, "INVALID_RESOURCE_VERSION", description))
}

fn on_expired(number: i32) -> Result<OnExpired, Status> {
    match v1::OnExpired::try_from(number) {
        Ok(v1::OnExpired::Unspecified | v1::OnExpired::Reset) => Ok(OnExpired::Reset),
        Ok(v1::OnExpired::Fail) => Ok(OnExpired::Fail),
        Err(_) => {
            let description = format!("{number} is unknown; use RESET or FAIL");
            Err(invalid("on_expired", "INVALID_OPTION", description))
        }
    }
}

fn bookmark_interval(interval: Option<prost_types::Duration>) -> Result<Duration, Status> {
    let Some(interval) = interval else {
        return Ok(BOOKMARK_DEFAULT);
    };
    match time(interval) {
        Some(Duration::ZERO) => Ok(BOOKMARK_DEFAULT),
        Some(interval) if (BOOKMARK_MIN..=BOOKMARK_MAX).contains(&interval) => Ok(interval),
        _ => {
            let description = "must be from 1 s to 5 min, or absent for 30 s";
            Err(invalid("bookmark_interval", "INVALID_OPTION", description))
        }
    }
}

fn timeout(timeout: Option<prost_types::Duration>) -> Result<Option<Duration>, Status> {
    let Some(timeout) = timeout else {
        return Ok(None);
    };
    match time(timeout) {
        Some(Duration::ZERO) => Ok(None),
        Some(timeout) if timeout <= TIMEOUT_MAX => Ok(Some(timeout)),
        _ => {
            let description = "must not be negative nor longer than 24 h; leave it out for no end";
            Err(invalid("timeout", "INVALID_OPTION", description))
        }
    }
}

/// A time that is not negative. `prost_types` can't negate the smallest number of seconds.
fn time(time: prost_types::Duration) -> Option<Duration> {
    if time.seconds < 0 || time.nanos < 0 {
        return None;
    }
    Duration::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_too_strange_to_be_refused() {
        let read = |seconds, nanos| time(prost_types::Duration { seconds, nanos });
        assert_eq!(read(0, 0), Some(Duration::ZERO));
        assert_eq!(read(1, 5), Some(Duration::new(1, 5)));
        assert_eq!(read(0, 1_000_000_000), Some(Duration::from_secs(1)));
        assert!(read(i64::MAX, i32::MAX).is_some());
        let negative = [
            (-1, 0),
            (0, -1),
            (1, -1),
            (i64::MIN, i32::MIN),
            (i64::MIN, 0),
        ];
        for (seconds, nanos) in negative {
            assert_eq!(read(seconds, nanos), None, "{seconds} s {nanos} ns");
        }
    }
}
