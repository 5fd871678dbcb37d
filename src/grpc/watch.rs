//! `WatchService.Watch`: a response body of shared, already encoded bytes.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, Streaming, body::Body, server::NamedService};
use tower::Service;

use super::{
    Counters, Offer,
    account::Account,
    audit::Call,
    counters::StartLabels,
    frames::{self, Echo},
    framing, offer,
    origin::Origin,
    status::{self, closed},
    validate,
};
use crate::{
    access::{Gate, Grant, Health, Scope, StreamSlot, Subscribe, Watcher},
    cacher::{Cachers, Lease},
    proto::{codec::StrictDecoder, v1},
    subscription::{Closed, Control, Item, Subscription},
    transport::Counted,
};

/// The one method here.
const WATCH: &str = "/informerd.v1.WatchService/Watch";

/// The watch service.
#[derive(Debug, Clone)]
pub(super) struct WatchApi {
    pub(super) gate: Gate,
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
            let opened = async {
                let mut call = Call::begins(request.extensions(), WATCH)?;
                match api.open(&mut call, request).await {
                    Ok(opened) => Ok(opened.stream(call.streams())),
                    Err(status) => {
                        call.failed(&status);
                        Err(status)
                    }
                }
            };
            Ok(opened.await.map_or_else(Status::into_http, respond))
        })
    }
}

impl WatchApi {
    /// Validates a request. What has to be waited for afterwards is waited for in the body, so that
    /// the client sees at once that it was understood.
    async fn open(self, call: &mut Call, request: Request<Body>) -> Result<Opened, Status> {
        let called = Instant::now();
        let slot = self.gate.enter(&call.origin().caller);
        let slot = slot.map_err(|refusal| call.refused(&refusal))?;
        let mut request = message(request).await?;
        let grant = self.grant(call, &mut request).await?;
        let reconnect = self.reconnect_spread.mul_f64(fastrand::f64());
        let watch = validate::watch(request, &grant, self.cachers.cluster(), called, reconnect)?;
        let echo = Echo {
            gvr: grant.info().gvr.clone(),
            query: watch.query(&grant),
            bookmark_interval: watch.bookmark_interval,
        };
        let watcher = grant.watcher();
        let cachers = self.cachers.clone();
        let attach = Box::pin(async move {
            let attached = cachers.attach(&grant, watch).await;
            attached.map_err(|why| (why.as_str(), closed(&why, reconnect)))
        });
        Ok(Opened {
            attach,
            watcher,
            reconnect,
            echo,
            slot,
            counters: self.counters,
        })
    }

    /// Asks whether the caller may, and only then whether there is such a resource.
    async fn grant(
        &self,
        call: &mut Call,
        request: &mut v1::WatchRequest,
    ) -> Result<Grant<Subscribe>, Status> {
        let resource = offer::named(request.resource.take())?;
        let membership = validate::membership(request.filter.get_or_insert_default())?;
        let scope = Scope {
            resource,
            membership,
        };
        let permit = self.gate.permit(&call.origin().caller, scope).await;
        let permit = permit.map_err(|refusal| call.refused(&refusal))?;
        let grant = self.offer.find(permit).await?;
        call.is_about(&grant.info().gvr, grant.membership());
        validate::namespaces(grant.info(), grant.membership())?;
        Ok(grant)
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
    response.extensions_mut().insert(Counted);
    response
}

/// What a stream is made of that was let in.
struct Opened {
    attach: Attach,
    watcher: Watcher,
    reconnect: Duration,
    echo: Echo,
    slot: StreamSlot,
    counters: Counters,
}

impl Opened {
    fn stream(self, origin: Origin) -> WatchBody {
        WatchBody {
            state: State::Attaching(self.attach),
            watcher: self.watcher,
            chunks: VecDeque::new(),
            waiting: 0,
            reconnect: self.reconnect,
            account: Account::open(self.counters, origin, self.echo, self.slot),
        }
    }
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
    watcher: Watcher,
    chunks: VecDeque<Bytes>,
    /// Their bytes.
    waiting: usize,
    /// When the client shall come back after a drain.
    reconnect: Duration,
    account: Account,
}

impl WatchBody {
    /// Queues a message with so many events.
    fn send(&mut self, slices: Vec<Bytes>, events: u64) {
        let length = slices.iter().map(Bytes::len).sum();
        self.account.counters.messages.inc();
        self.account.counters.bytes.inc_by(length as u64);
        let prefix = frames::prefix(length);
        self.account.message(prefix.len() + length, events);
        self.waiting += prefix.len() + length;
        self.chunks.push_back(prefix);
        self.chunks.extend(slices);
    }

    fn send_control(&mut self, control: Control) {
        if let Control::Started { outcome, .. } = control {
            let labels = StartLabels {
                outcome: frames::outcome_name(outcome),
            };
            self.account.counters.started.get_or_create(&labels).inc();
        }
        let message = frames::control(control, &self.account.echo);
        self.send(vec![message], 0);
    }

    fn end(&mut self, reason: &'static str, status: Status) -> Step {
        self.state = State::Ended;
        self.account.ends(reason);
        Step::Last(Some(Frame::trailers(status::trailers(status))))
    }

    /// Finds out what comes after the last whole message.
    fn step(&mut self, context: &mut Context<'_>) -> Step {
        let health = self.watcher.poll(context.waker());
        if let Health::Ended(refusal) = &health
            && !matches!(self.state, State::Ended)
        {
            return self.end(refusal.as_str(), status::refused(refusal));
        }
        match &mut self.state {
            State::Ended => Step::Last(None),
            State::Attaching(attach) => match attach.as_mut().poll(context) {
                Poll::Pending => Step::Wait,
                Poll::Ready(Ok((lease, subscription))) => {
                    self.state = State::Streaming {
                        subscription: Box::new(subscription),
                        _lease: lease,
                    };
                    Step::Again
                }
                Poll::Ready(Err((reason, status))) => self.end(reason, status),
            },
            State::Streaming { subscription, .. } => {
                let (now, waker) = (Instant::now(), context.waker());
                let polled = match health {
                    Health::Held => subscription.poll_held(now, waker),
                    _ => subscription.poll_next(now, waker),
                };
                self.take(polled)
            }
        }
    }

    fn take(&mut self, polled: Poll<Option<Result<Item, Closed>>>) -> Step {
        match polled {
            Poll::Pending => return Step::Wait,
            Poll::Ready(Some(Ok(Item::Events(slices)))) => {
                let events = frames::count(&slices);
                self.send(slices, events);
            }
            Poll::Ready(Some(Ok(Item::Control(control)))) => self.send_control(control),
            Poll::Ready(Some(Err(why))) => {
                return self.end(why.as_str(), closed(&why, self.reconnect));
            }
            Poll::Ready(None) => return Step::Last(None),
        }
        Step::Again
    }
}

/// What a body does next.
enum Step {
    /// Look again: something was queued, or has begun.
    Again,
    /// Nothing before the next wake.
    Wait,
    /// The end, with this if it is news.
    Last(Option<Frame<Bytes>>),
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
            match this.step(context) {
                Step::Again => {}
                Step::Wait => return Poll::Pending,
                Step::Last(frame) => return Poll::Ready(frame.map(Ok)),
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
