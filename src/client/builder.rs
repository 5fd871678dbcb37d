//! Describes a watch before it is opened.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::de::DeserializeOwned;

use super::{Client, Watch};
use crate::proto::v1::{self, watch_request::Start};

/// What to watch, and where to start. Without further words: the current objects of the
/// resource in all namespaces, then their changes, until dropped.
///
/// [`Client::watch`] begins one for the objects of a Rust type, which [`open`](Self::open)s it;
/// [`WatchBuilder::new`] begins one for any resource, which [`Client::steps`] takes.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchBuilder<T = ()> {
    pub(crate) request: v1::WatchRequest,
    pub(crate) fail_fast: bool,
    target: T,
}

/// Of a [`WatchBuilder`]: the watch is one of objects of the type `K`, through a client.
pub struct Typed<K> {
    client: Client,
    object: PhantomData<fn() -> K>,
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
}

impl<K: kube::Resource> WatchBuilder<Typed<K>> {
    pub(crate) fn typed(client: Client, kind: &K::DynamicType) -> Self {
        let resource = WatchBuilder::new(K::group(kind), K::version(kind), K::plural(kind));
        let object = PhantomData;
        Self {
            request: resource.request,
            fail_fast: false,
            target: Typed { client, object },
        }
    }

    /// Puts the protocol's own words in place of everything said before, for what the methods
    /// don't cover. The resource of the type stays; that of the request is ignored.
    #[must_use]
    pub fn request(mut self, request: v1::WatchRequest) -> Self {
        let resource = self.request.resource.take();
        self.request = v1::WatchRequest {
            resource,
            ..request
        };
        self
    }
}

impl<K: DeserializeOwned> WatchBuilder<Typed<K>> {
    /// Makes the watch. Nothing is sent before its first poll.
    pub fn open(self) -> Watch<K> {
        let untyped = WatchBuilder {
            request: self.request,
            fail_fast: self.fail_fast,
            target: (),
        };
        Watch::new(self.target.client.steps(untyped))
    }
}

impl<T> WatchBuilder<T> {
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

    /// Sets the label selector, for example `app in (web,api),!canary`.
    #[must_use]
    pub fn label_selector(mut self, selector: impl Into<String>) -> Self {
        self.filter_mut().label_selector = selector.into();
        self
    }

    /// Sets the field selector, over any path: `spec.nodeName=node-1,status.phase!=Running`.
    #[must_use]
    pub fn field_selector(mut self, selector: impl Into<String>) -> Self {
        self.filter_mut().field_selector = selector.into();
        self
    }

    /// Starts with a snapshot that is at least as new as this resourceVersion of the resource,
    /// for example that of an own write.
    #[must_use]
    pub fn min_resource_version(self, version: impl Into<String>) -> Self {
        self.snapshot(|snapshot| snapshot.min_resource_version = version.into())
    }

    /// Starts with a snapshot also while the daemon can't tell how old it is.
    #[must_use]
    pub fn allow_stale(self) -> Self {
        self.snapshot(|snapshot| snapshot.allow_stale = true)
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

    /// Continues after a token that [`Watch::token`] or [`Steps::token`](super::Steps::token)
    /// gave. The filter must be the same as then.
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
    /// [`Reset`](super::Event::Reset). A break where the stream can't be continued (see
    /// [`Interrupted`](super::ResetReason::Interrupted)) then ends the watch too, with the
    /// error of the break.
    #[must_use]
    pub fn fail_on_expired(mut self) -> Self {
        self.request.on_expired = v1::OnExpired::Fail.into();
        self
    }

    /// Longest silence of the daemon, 1 s to 5 min: after it a bookmark comes, and the position
    /// with it. 30 s unless set.
    #[must_use]
    pub fn bookmark_interval(mut self, interval: Duration) -> Self {
        self.request.bookmark_interval = Some(proto_duration(interval));
        self
    }

    /// Ends the watch in good order after this long (at most 24 h), breaks included; with the
    /// last error if it could not begin by then.
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

    /// Changes the snapshot at the start, which takes the place of any other start.
    fn snapshot(mut self, change: impl FnOnce(&mut v1::SnapshotStart)) -> Self {
        let mut snapshot = match self.request.start.take() {
            Some(Start::Snapshot(snapshot)) => snapshot,
            _ => v1::SnapshotStart::default(),
        };
        change(&mut snapshot);
        self.request.start = Some(Start::Snapshot(snapshot));
        self
    }
}

/// The protocol's own words, for what the methods don't cover.
impl From<v1::WatchRequest> for WatchBuilder {
    fn from(request: v1::WatchRequest) -> Self {
        Self {
            request,
            fail_fast: false,
            target: (),
        }
    }
}

// Written out: what `K` can do has nothing to do with it.
impl<K> Clone for Typed<K> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            object: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Typed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typed<{}>", std::any::type_name::<K>())
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
