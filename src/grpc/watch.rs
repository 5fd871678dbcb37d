//! `WatchService.Watch`: a response body of shared, already encoded bytes.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, Streaming, body::Body, server::NamedService};
use tower::Service;

use super::{
    Counters, Offer,
    counters::{EndLabels, StartLabels},
    frames::{self, Echo},
    framing,
    status::{self, closed},
    validate,
};
use crate::{
    cacher::{Cachers, Lease},
    proto::{codec::StrictDecoder, v1},
    subscription::{Control, Item, Subscription},
};

/// The one method here.
const WATCH: &str = "/informerd.v1.WatchService/Watch";

/// The watch service.
#[derive(Debug, Clone)]
pub(super) struct WatchApi {
    pub(super) offer: Arc<Offer>,
    pub(super) cachers: Arc<Cachers>,
    pub(super) counters: Counters,
    /// Streams come back after a drain spread over this time.
    pub(super) reconnect_spread: Duration,
}

impl NamedService for WatchApi {
    const NAME: &'static str = "informerd.v1.WatchService";
}

impl Service<Request<Body>> for WatchApi {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let api = self.clone();
        Box::pin(async move {
            if request.uri().path() != WATCH {
                return Ok(Status::new(Code::Unimplemented, "no such method").into_http());
            }
            Ok(match api.open(request).await {
                Ok(body) => respond(body),
                Err(status) => status.into_http(),
            })
        })
    }
}

impl WatchApi {
    /// Validates a request. What has to be waited for afterwards is waited for in the body, so that
    /// the client sees at once that it was understood.
    async fn open(self, request: Request<Body>) -> Result<WatchBody, Status> {
        let called = Instant::now();
        let request = message(request).await?;
        let info = self.offer.find(request.resource.as_ref()).await?;
        let reconnect = self.reconnect_spread.mul_f64(fastrand::f64());
        let watch = validate::watch(request, info, self.cachers.cluster(), called, reconnect)?;
        let echo = Echo {
            gvr: watch.info.gvr.clone(),
            query: watch.query.clone(),
            bookmark_interval: watch.bookmark_interval,
        };
        self.counters.open.inc();
        let cachers = self.cachers.clone();
        let attach = Box::pin(async move {
            let attached = cachers.attach(watch).await;
            attached.map_err(|why| (why.as_str(), closed(&why, reconnect)))
        });
        Ok(WatchBody {
            state: State::Attaching(attach),
            chunks: VecDeque::new(),
            waiting: 0,
            echo,
            reconnect,
            ended: EndGuard {
                counters: self.counters,
                reason: None,
            },
        })
    }
}

/// Reads the one message of the request.
async fn message(request: Request<Body>) -> Result<v1::WatchRequest, Status> {
    let decoder = StrictDecoder::<v1::WatchRequest>::default();
    let mut stream = Streaming::new_request(
        decoder,
        request.into_body(),
        None,
        Some(framing::REQUEST_BYTES),
    );
    stream.message().await?.ok_or_else(framing::incomplete)
}

fn respond(body: WatchBody) -> Response<Body> {
    let mut response = Response::new(Body::new(body));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}

type Attach = BoxFuture<'static, Result<(Lease, Subscription), (&'static str, Status)>>;

enum State {
    Attaching(Attach),
    Streaming {
        /// Boxed, as it is much larger than what comes before it.
        subscription: Box<Subscription>,
        _lease: Lease,
    },
    Ended,
}

/// One stream's response. Holds nothing that grows: chunks are those of one message.
struct WatchBody {
    state: State,
    chunks: VecDeque<Bytes>,
    /// Their bytes.
    waiting: usize,
    echo: Echo,
    /// When the client shall come back after a drain.
    reconnect: Duration,
    ended: EndGuard,
}

impl WatchBody {
    /// Queues a message.
    fn send(&mut self, slices: Vec<Bytes>) {
        let length = slices.iter().map(Bytes::len).sum();
        self.ended.counters.messages.inc();
        self.ended.counters.bytes.inc_by(length as u64);
        let prefix = frames::prefix(length);
        self.waiting += prefix.len() + length;
        self.chunks.push_back(prefix);
        self.chunks.extend(slices);
    }

    fn send_control(&mut self, control: Control) {
        if let Control::Started { outcome, .. } = control {
            let labels = StartLabels {
                outcome: frames::outcome_name(outcome),
            };
            self.ended.counters.started.get_or_create(&labels).inc();
        }
        let message = frames::control(control, &self.echo);
        self.send(vec![message]);
    }

    fn end(&mut self, reason: &'static str, status: Status) -> HeaderMap {
        self.state = State::Ended;
        self.ended.reason = Some(reason);
        status::trailers(status)
    }
}

impl http_body::Body for WatchBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            if let Some(chunk) = this.chunks.pop_front() {
                this.waiting -= chunk.len();
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Attaching(attach) => match ready!(attach.as_mut().poll(context)) {
                    Ok((lease, subscription)) => {
                        this.state = State::Streaming {
                            subscription: Box::new(subscription),
                            _lease: lease,
                        };
                    }
                    Err((reason, status)) => {
                        let trailers = this.end(reason, status);
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                },
                State::Streaming { subscription, .. } => {
                    match ready!(subscription.poll_next(Instant::now(), context.waker())) {
                        Some(Ok(Item::Events(slices))) => this.send(slices),
                        Some(Ok(Item::Control(control))) => this.send_control(control),
                        Some(Err(why)) => {
                            let trailers = this.end(why.as_str(), closed(&why, this.reconnect));
                            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                        }
                        None => return Poll::Ready(None),
                    }
                }
            }
        }
    }

    /// How much is left of a message that was begun.
    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.waiting as u64);
        hint
    }
}

/// Counts the end of a stream, however it ends.
struct EndGuard {
    counters: Counters,
    reason: Option<&'static str>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.counters.open.dec();
        let labels = EndLabels {
            reason: self.reason.unwrap_or("client"),
        };
        self.counters.ended.get_or_create(&labels).inc();
    }
}
