//! The Rust client: typed watches that continue by themselves, and reads.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use futures::StreamExt as _;
//! use informerd::client::{Client, Event};
//! use k8s_openapi::api::core::v1::Pod;
//!
//! let client = Client::connect("http://127.0.0.1:7300").await?;
//! let mut watch = client.watch::<Pod>().namespace("default").label_selector("app=web").open();
//! while let Some(event) = watch.next().await {
//!     match event? {
//!         Event::Added(pod) => println!("{} runs on {:?}", pod.name, pod.object.spec),
//!         Event::Deleted(pod) => println!("{} is gone", pod.name),
//!         Event::Reset(_) => println!("forget everything; a snapshot follows"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Types are those of `k8s_openapi`, those that `#[derive(CustomResource)]` makes, and
//! `PartialObjectMeta` of either; for resources that only the cluster knows there is
//! `DynamicObject`:
//!
//! ```no_run
//! # async fn example(client: informerd::client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use futures::StreamExt as _;
//! use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
//!
//! let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
//! let resource = ApiResource::from_gvk(&kind);
//! let mut watch = client.watch_with::<DynamicObject>(&resource).from_now().open();
//! let handle = watch.stop_handle();
//! tokio::spawn(async move {
//!     tokio::signal::ctrl_c().await.ok();
//!     handle.stop();
//! });
//! while let Some(event) = watch.next().await {
//!     if let Some((kind, change)) = event?.change() {
//!         println!("{kind} {}/{}", change.namespace, change.name);
//!     }
//! }
//! std::fs::write("position", watch.token().unwrap_or_default())?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Watch::reflect`] keeps the objects in a [`Store`]; [`Client::steps`] gives the protocol as it
//! is.
//!
//! # Coming from Python
//! What the `watch` module of the Python clients has, and its twin here:
//!
//! | Python | Rust |
//! |---|---|
//! | `Watch(return_type=T)` | [`client.watch::<T>()`](Client::watch); the type parameter is the return type |
//! | `stream(func, *args, **kwargs)` | the methods of [`WatchBuilder`], then [`open`](WatchBuilder::open): one builder, one watch |
//! | `namespace`, `label_selector`, `field_selector` | methods of the same names; field selectors take any path |
//! | `resource_version` | [`from_resource_version`](WatchBuilder::from_resource_version); better a token, which continues elsewhere too |
//! | `timeout_seconds` | [`timeout`](WatchBuilder::timeout); without it the watch continues for ever |
//! | `stop()`, `async with` | [`Watch::stop`] and [`StopHandle`], at once and not with the next event; dropping the watch |
//! | `Stream`, `__aiter__`, `__anext__` | `futures::Stream`, with `StreamExt::next` |
//! | `event['type']`, `event['object']` | the variants of [`Event`], or [`Event::change`]; [`Change::object`] |
//! | `'ADDED'`, `'MODIFIED'`, `'DELETED'`, `'BOOKMARK'` | [`Event::Added`], [`Event::Modified`], [`Event::Deleted`], [`Event::Bookmark`] |
//! | `'ERROR'` | [`WatchError`]; a position that is too old (410) is [`Event::Reset`], or after [`fail_on_expired`](WatchBuilder::fail_on_expired) an error |
//! | `event['raw_object']` | a watch of `DynamicObject`, or the bytes of [`Client::steps`] |
//! | `unmarshal_event(data, return_type)` | [`unmarshal_event`]; text that isn't JSON is an error, not an event |
//! | `Watch.resource_version` | [`Watch::token`], or [`Change::resource_version`] |
//! | `get_return_type(func)` | none: there it reads the type out of a function's documentation; here the program names it |
//! | `get_watch_argument_name(func)` | none: no function is called with `watch` or `follow`. Logs can't be followed here |
//! | `TYPE_LIST_SUFFIX` | none: it turns `PodList` into `Pod`; here no list type is ever named |

mod admin;
mod bearer;
mod builder;
mod connect;
mod decode;
mod error;
mod event;
mod mirror;
mod reflected;
mod resume;
mod step;
mod steps;
mod store;
mod unmarshal;
mod watch;
mod wire;

use tonic::{Code, transport::Channel};

use self::{bearer::Show, connect::Trouble, wire::Wire};
pub use self::{
    bearer::{Bearer, BearerError},
    builder::{Typed, WatchBuilder},
    connect::{ClientBuilder, ConnectError, TlsFailure},
    error::{CallError, ObjectError, Violation, WatchError},
    event::{Bookmark, Cause, Change, ChangeKind, Event, Notice, SnapshotEnd},
    reflected::Reflected,
    step::{ResetReason, Step},
    steps::Steps,
    store::{NeverReady, Store},
    unmarshal::{ApiStatus, UnmarshalError, unmarshal_event},
    watch::{StopHandle, Watch},
};
use crate::proto::v1::{
    self, object_service_client::ObjectServiceClient,
    resource_service_client::ResourceServiceClient, watch_service_client::WatchServiceClient,
};

/// The largest object of etcd (1.5 MiB by default) is far below; operators can raise that.
const MESSAGE_LIMIT: usize = 64 << 20;
/// Largest page that the daemon gives.
const PAGE_SIZE: u32 = 5_000;
/// How often a list begins anew because its state has expired between two pages.
const LIST_ATTEMPTS: usize = 3;

/// A connection to one daemon. Clones share it; it is made again when it breaks.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    bearer: Option<Bearer>,
    trouble: Trouble,
}

/// All objects of a list, of one consistent state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct List {
    /// The objects, by namespace and name.
    pub objects: Vec<v1::Object>,
    /// The state that was read.
    pub resource_version: String,
    /// Opens a watch with the same filter that continues after this state.
    pub resume_token: String,
}

impl Client {
    /// Connects now, within 5 s: to `http://host:port`, to `https://host:port` with the
    /// authorities that the machine trusts, or to `unix:/path`. `http://` may be left out of the
    /// address, and with it the port 7300. [`builder`](Self::builder) can say more.
    ///
    /// # Errors
    /// See [`ClientBuilder::connect`].
    pub async fn connect(address: &str) -> Result<Self, ConnectError> {
        Self::builder(address).connect().await
    }

    /// Connects with the first call. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The address can't be used.
    pub fn lazy(address: &str) -> Result<Self, ConnectError> {
        Self::builder(address).lazy()
    }

    /// Describes a connection: certificates to trust and to show, the token to show.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use informerd::client::{Bearer, Client};
    ///
    /// let client = Client::builder("https://informerd.tools.svc:7300")
    ///     .ca_file("/etc/informerd/ca.crt")
    ///     .bearer(Bearer::file("/var/run/secrets/informerd/token"))
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(address: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(address)
    }

    /// Uses a channel that the program has made itself, for example one through a proxy. A
    /// connection window of at least 16 MiB and HTTP/2 keepalive are advised.
    pub fn from_channel(channel: Channel) -> Self {
        Self {
            channel,
            bearer: None,
            trouble: Trouble::default(),
        }
    }

    /// The connection, for calls that have no method here: health, reflection, or clients of other
    /// generated code. It shows no token.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Describes a watch of the objects of a type: one of `k8s_openapi`, one that
    /// `#[derive(CustomResource)]` has made a resource, or `PartialObjectMeta` of either.
    pub fn watch<K>(&self) -> WatchBuilder<Typed<K>>
    where
        K: kube::Resource,
        K::DynamicType: Default,
    {
        self.watch_with(&K::DynamicType::default())
    }

    /// Describes a watch of the objects of a type that learns its resource at run time:
    /// [`DynamicObject`](kube::core::DynamicObject) with its
    /// [`ApiResource`](kube::core::ApiResource).
    pub fn watch_with<K: kube::Resource>(&self, kind: &K::DynamicType) -> WatchBuilder<Typed<K>> {
        WatchBuilder::typed(self.clone(), kind)
    }

    /// Watches step by step, as the protocol has it: objects stay bytes. Nothing is sent before
    /// the first poll.
    pub fn steps(&self, builder: WatchBuilder) -> Steps {
        let client = WatchServiceClient::new(self.wire()).max_decoding_message_size(MESSAGE_LIMIT);
        Steps::new(Network { client }, builder, fastrand::f64)
    }

    /// Reads one object; `NOT_FOUND` if there is none.
    pub async fn get(&self, request: v1::GetObjectRequest) -> Result<v1::Object, CallError> {
        let response = self.objects().get_object(request).await?.into_inner();
        response.object.ok_or_else(|| CallError {
            code: Code::Internal,
            ..CallError::unavailable("the answer holds no object")
        })
    }

    /// Reads all objects that match, over all pages. Begins anew, three times in all, when the
    /// state of the first page expires before the last. Page fields of the request are ignored.
    pub async fn list(&self, mut request: v1::ListObjectsRequest) -> Result<List, CallError> {
        request.page_size = PAGE_SIZE;
        let mut attempt = 1;
        loop {
            match self.list_once(request.clone()).await {
                Err(error) if error.reason == "RESOURCE_EXPIRED" && attempt < LIST_ATTEMPTS => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Lists what can be watched.
    pub async fn resources(&self) -> Result<Vec<v1::Resource>, CallError> {
        let mut client =
            ResourceServiceClient::new(self.wire()).max_decoding_message_size(MESSAGE_LIMIT);
        let response = client.list_resources(v1::ListResourcesRequest {}).await?;
        Ok(response.into_inner().resources)
    }

    async fn list_once(&self, mut request: v1::ListObjectsRequest) -> Result<List, CallError> {
        let mut client = self.objects();
        let mut list = List::default();
        request.page_token = String::new();
        loop {
            let page = client.list_objects(request.clone()).await?.into_inner();
            list.objects.extend(page.objects);
            list.resource_version = page.resource_version;
            list.resume_token = page.resume_token;
            if page.next_page_token.is_empty() {
                return Ok(list);
            }
            request.page_token = page.next_page_token;
            request.min_resource_version = String::new();
        }
    }

    fn wire(&self) -> Wire {
        let show = Show(self.bearer.clone());
        Wire::new(self.channel.clone(), show, self.trouble.clone())
    }

    fn objects(&self) -> ObjectServiceClient<Wire> {
        ObjectServiceClient::new(self.wire()).max_decoding_message_size(MESSAGE_LIMIT)
    }
}

struct Network {
    client: WatchServiceClient<Wire>,
}

impl steps::Transport for Network {
    type Messages = tonic::Streaming<v1::WatchResponse>;

    async fn open(&mut self, request: v1::WatchRequest) -> Result<Self::Messages, tonic::Status> {
        Ok(self.client.watch(request).await?.into_inner())
    }
}

#[cfg(test)]
mod tests;
