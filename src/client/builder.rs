//! Describes a watch before it is opened.

use std::time::Duration;

use crate::proto::v1::{self, watch_request::Start};

/// What to watch, and where to start. Without further words: the current objects of the
/// resource in all namespaces, then their changes, until dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchBuilder {
    pub(crate) request: v1::WatchRequest,
    pub(crate) fail_fast: bool,
}

impl WatchBuilder {
    /// Watches a resource by group (empty for core), version (empty for the preferred one) and
    /// plural name.
    pub fn new(
        group: impl Into<String>,
        version: impl Into<String>,
        resource: impl Into<String>,
    ) -> Self {
        Self::from(v1::WatchRequest {
            resource: Some(v1::GroupVersionResource {
                group: group.into(),
                version: version.into(),
                resource: resource.into(),
            }),
            ..Default::default()
        })
    }

    /// Selects the objects by the whole filter, in place of what was said before.
    #[must_use]
    pub fn filter(mut self, filter: v1::Filter) -> Self {
        self.request.filter = Some(filter);
        self
    }

    /// Adds a namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.filter_mut().namespaces.push(namespace.into());
        self
    }

    /// Adds an object name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.filter_mut().names.push(name.into());
        self
    }

    /// Sets the label selector.
    #[must_use]
    pub fn label_selector(mut self, selector: impl Into<String>) -> Self {
        self.filter_mut().label_selector = selector.into();
        self
    }

    /// Sets the field selector.
    #[must_use]
    pub fn field_selector(mut self, selector: impl Into<String>) -> Self {
        self.filter_mut().field_selector = selector.into();
        self
    }

    /// Starts with changes only.
    #[must_use]
    pub fn from_now(mut self) -> Self {
        self.request.start = Some(Start::Now(v1::NowStart {}));
        self
    }

    /// Starts after a resourceVersion of the resource.
    #[must_use]
    pub fn from_resource_version(mut self, version: impl Into<String>) -> Self {
        self.request.start = Some(Start::ResourceVersion(version.into()));
        self
    }

    /// Continues after a token that [`Watch::token`](super::Watch::token) gave.
    #[must_use]
    pub fn from_token(mut self, token: impl Into<String>) -> Self {
        self.request.start = Some(Start::ResumeToken(token.into()));
        self
    }

    /// Delivers the previous state beside the new one in MODIFIED events.
    #[must_use]
    pub fn include_old_object(mut self) -> Self {
        let payload = self.request.payload.get_or_insert_default();
        payload.include_old_object = true;
        self
    }

    /// Ends the watch with `OUT_OF_RANGE` where it would begin anew with a
    /// [`Reset`](super::Step::Reset). A break where the stream can't be continued (see
    /// [`Interrupted`](super::ResetReason::Interrupted)) then ends the watch too, with the
    /// error of the break.
    #[must_use]
    pub fn fail_on_expired(mut self) -> Self {
        self.request.on_expired = v1::OnExpired::Fail.into();
        self
    }

    /// Ends the watch in good order after this long (at most 24 h), breaks included.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = Some(proto_duration(timeout));
        self
    }

    /// Returns every error that comes before the first stream is established, in place of
    /// trying again.
    #[must_use]
    pub fn fail_fast(mut self) -> Self {
        self.fail_fast = true;
        self
    }

    fn filter_mut(&mut self) -> &mut v1::Filter {
        self.request.filter.get_or_insert_default()
    }
}

/// The protocol's own words, for what the methods don't cover.
impl From<v1::WatchRequest> for WatchBuilder {
    fn from(request: v1::WatchRequest) -> Self {
        Self {
            request,
            fail_fast: false,
        }
    }
}

/// Durations on the wire; far beyond its range they are cut to the longest.
pub(crate) fn proto_duration(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or(prost_types::Duration {
        seconds: i64::MAX,
        nanos: 0,
    })
}

/// Durations off the wire; negative ones count as none.
pub(crate) fn std_duration(duration: prost_types::Duration) -> Option<Duration> {
    duration.try_into().ok()
}
