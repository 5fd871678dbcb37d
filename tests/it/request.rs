//! Short ways to say what a subscriber asks for.

use std::time::Duration;

use informerd::proto::v1::{self, watch_request::Start};
use informerd_support::trace;
use tonic::{Request, Status, service::Interceptor};

/// A watch of a resource such as `pods` or `deployments.apps`.
#[derive(Debug, Clone)]
pub struct Ask {
    pub message: v1::WatchRequest,
    /// What is shown with it, if anything is.
    pub shown: Option<String>,
}

impl Ask {
    /// Everything of the resource, from a snapshot on. Bookmarks come each second, so that a test
    /// learns soon that nothing more is coming.
    pub fn of(resource: &str) -> Self {
        Self {
            message: v1::WatchRequest {
                resource: Some(named(resource)),
                filter: Some(v1::Filter::default()),
                bookmark_interval: Some(duration(Duration::from_secs(1))),
                ..v1::WatchRequest::default()
            },
            shown: None,
        }
    }

    /// Shows a token.
    pub fn shown(mut self, token: &str) -> Self {
        self.shown = Some(token.to_owned());
        self
    }

    fn filter(&mut self) -> &mut v1::Filter {
        self.message.filter.get_or_insert_default()
    }

    pub fn namespace(mut self, namespace: &str) -> Self {
        self.filter().namespaces.push(namespace.to_owned());
        self
    }

    pub fn name(mut self, name: &str) -> Self {
        self.filter().names.push(name.to_owned());
        self
    }

    pub fn labels(mut self, selector: &str) -> Self {
        self.filter().label_selector = selector.to_owned();
        self
    }

    pub fn fields(mut self, selector: &str) -> Self {
        self.filter().field_selector = selector.to_owned();
        self
    }

    pub fn types(mut self, types: &[v1::EventType]) -> Self {
        self.filter().event_types = types.iter().map(|kind| i32::from(*kind)).collect();
        self
    }

    pub fn now(self) -> Self {
        self.start(Start::Now(v1::NowStart {}))
    }

    pub fn version(self, version: u64) -> Self {
        self.start(Start::ResourceVersion(version.to_string()))
    }

    pub fn token(self, token: &str) -> Self {
        self.start(Start::ResumeToken(token.to_owned()))
    }

    pub fn at_least(self, version: u64) -> Self {
        let min_resource_version = version.to_string();
        self.start(Start::Snapshot(v1::SnapshotStart {
            min_resource_version,
            allow_stale: false,
        }))
    }

    pub fn start(mut self, start: Start) -> Self {
        self.message.start = Some(start);
        self
    }

    pub fn or_fail(mut self) -> Self {
        self.message.on_expired = v1::OnExpired::Fail.into();
        self
    }

    pub fn bookmarks(mut self, interval: Duration) -> Self {
        self.message.bookmark_interval = Some(duration(interval));
        self
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.message.timeout = Some(duration(timeout));
        self
    }

    /// `pods`, `deployments.apps`.
    pub fn resource(&self) -> String {
        let resource = self.message.resource.clone().unwrap_or_default();
        match resource.group.as_str() {
            "" => resource.resource,
            group => format!("{}.{group}", resource.resource),
        }
    }

    /// What validators need to know of it.
    pub fn trace(&self) -> (trace::Filter, trace::Start, Duration) {
        let filter = self.message.filter.clone().unwrap_or_default();
        let event_types = filter
            .event_types()
            .map(|kind| text(kind.as_str_name()))
            .collect();
        let start = match self.message.start.clone() {
            None | Some(Start::Snapshot(_)) => trace::Start::Snapshot,
            Some(Start::Now(_)) => trace::Start::Now,
            Some(Start::ResourceVersion(version)) if version == "0" => trace::Start::Snapshot,
            Some(Start::ResourceVersion(version)) => {
                trace::Start::Version(version.parse().expect("a number"))
            }
            Some(Start::ResumeToken(token)) => trace::Start::Token(token),
        };
        let interval = self
            .message
            .bookmark_interval
            .and_then(|i| Duration::try_from(i).ok());
        let filter = trace::Filter {
            namespaces: filter.namespaces,
            names: filter.names,
            label_selector: filter.label_selector,
            field_selector: filter.field_selector,
            event_types,
        };
        (filter, start, interval.unwrap_or(Duration::from_secs(30)))
    }
}

/// The last word of an enum value's name: `ADDED` of `EVENT_TYPE_ADDED`.
fn text(name: &str) -> String {
    name.rsplit('_').next().unwrap_or(name).to_owned()
}

/// A resource by its usual name, in its preferred version.
pub fn named(resource: &str) -> v1::GroupVersionResource {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    v1::GroupVersionResource {
        group: group.to_owned(),
        version: String::new(),
        resource: plural.to_owned(),
    }
}

pub fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).expect("a short time")
}

/// Adds a token to calls.
#[derive(Clone)]
pub struct Bearer(Option<String>);

impl Bearer {
    /// None adds nothing.
    pub fn new(token: Option<String>) -> Self {
        Self(token)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}
