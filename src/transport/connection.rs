//! One connection, one task: reads frames, runs its requests, writes once per wake.
//!
//! Every request is a future inside this task, not a task of its own. So whatever wakes many
//! streams of a connection wakes one task, and all their frames leave in one write. A wake polls
//! only the streams that were woken.

use std::{
    any::Any,
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use h2::{Reason, RecvStream, server::SendResponse};
use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::unconstrained,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;

use super::{
    HttpService, Limits, Peer, Stats,
    cork::{self, Cork},
    ended::Ended,
    fate::{Ending, Fate},
    idle::Idle,
    keepalive::Keepalive,
    linger::linger,
    opening::Opening,
    pump::{self, Cut},
    request::RequestBody,
    segments::Segments,
    waiting::Waiting,
};

/// What all connections of a server share.
#[derive(Debug, Clone)]
pub struct Context {
    /// The limits of each connection.
    pub limits: Arc<Limits>,
    /// The counters that each connection adds to.
    pub stats: Arc<Stats>,
    /// When cancelled: tell the client to open no more streams (GOAWAY), let the open ones end,
    /// then close.
    pub drain: CancellationToken,
    /// What waits for the readers of all of them.
    pub(super) waiting: Arc<Waiting>,
}

impl Context {
    /// Of a server with these limits.
    pub fn new(limits: Limits, stats: Arc<Stats>, drain: CancellationToken) -> Self {
        Self {
            waiting: Waiting::new(limits.max_waiting),
            limits: Arc::new(limits),
            stats,
            drain,
        }
    }
}

/// Serves one connection from its first byte of HTTP/2 until it is closed. A broken peer is the
/// normal case: the error is for logs and counters.
///
/// `io` is the socket, or a TLS stream over it. With the peer comes what is cancelled when that
/// what is known of it no longer holds: its streams are ended with trailers then, and the
/// connection after them. Dropping the future closes the connection and
/// drops all its requests.
pub(super) async fn drive<IO, S>(
    io: IO,
    (peer, outdated): (Peer, Option<CancellationToken>),
    service: S,
    context: Context,
    opening: Opening,
) -> Result<(), Ended>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService,
{
    let linger = context.limits.outdated_linger;
    let mut driver = Driver::handshake(io, peer, service, context, opening).await?;
    driver.outdated.clone_from(&outdated);
    let ended = driver.run(outdated, linger).await;
    // Before the streams are dropped, so that they can tell.
    driver.ending.conclude(&ended);
    ended
}

struct Driver<IO, S> {
    h2: h2::server::Connection<Cork<IO>, Segments>,
    socket: cork::Handle<IO>,
    streams: FuturesUnordered<BoxFuture<'static, ()>>,
    keepalive: Keepalive,
    idle: Idle,
    /// `None` once the drain has begun.
    drain: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Ends the streams of a peer that may no longer be who it was.
    outdated: Option<CancellationToken>,
    service: S,
    peer: Peer,
    limits: Arc<Limits>,
    stats: Arc<Stats>,
    flooded: bool,
    /// Tells the streams why the connection is over.
    ending: Ending,
    waiting: Arc<Waiting>,
}

impl<IO, S> Driver<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService,
{
    async fn handshake(
        io: IO,
        peer: Peer,
        service: S,
        context: Context,
        mut opening: Opening,
    ) -> Result<Self, Ended> {
        let Context {
            limits,
            stats,
            drain,
            waiting,
        } = context;
        let (io, socket) = cork::cork(io, limits.allowance());
        let mut handshake = limits.builder().handshake::<_, Segments>(io);
        // Our SETTINGS leave before the client has said anything: it knows at once that it was
        // let in, and one that speaks something else sees what is spoken here.
        let spoken = poll_fn(|cx| {
            let done = handshake.poll_unpin(cx);
            let _ = socket.poll_flush(cx);
            done
        });
        let mut h2 = match opening.step(spoken, &drain).await? {
            Ok(h2) => h2,
            Err(error) => {
                drop((handshake, opening));
                if let Some((io, last)) = socket.into_io() {
                    linger(io, &last).await;
                }
                return Err(Ended::Preface(error));
            }
        };
        drop(opening);
        let pings = h2.ping_pong().expect("the ping handle is taken only here");
        let keepalive = Keepalive::new(pings, limits.keepalive_interval, limits.keepalive_timeout);
        Ok(Self {
            h2,
            socket,
            streams: FuturesUnordered::new(),
            keepalive,
            idle: Idle::new(limits.idle),
            // A child, so that the wakes of many connections don't meet at one lock.
            drain: Some(Box::pin(drain.child_token().cancelled_owned())),
            outdated: None,
            service,
            peer,
            limits,
            stats,
            flooded: false,
            ending: Ending::default(),
            waiting,
        })
    }

    /// Runs the connection to its end; once `outdated` is cancelled, for `linger` at most.
    async fn run(
        &mut self,
        outdated: Option<CancellationToken>,
        linger: Duration,
    ) -> Result<(), Ended> {
        let Some(outdated) = outdated else {
            return poll_fn(|cx| self.poll(cx)).await;
        };
        tokio::select! {
            biased;
            ended = poll_fn(|cx| self.poll(cx)) => return ended,
            () = outdated.cancelled() => self.h2.graceful_shutdown(),
        }
        let ended = timeout(linger, poll_fn(|cx| self.poll(cx))).await;
        ended.unwrap_or(Err(Ended::Outdated))
    }

    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Ended>> {
        if let Some(drain) = &mut self.drain
            && drain.as_mut().poll(cx).is_ready()
        {
            self.drain = None;
            self.h2.graceful_shutdown();
        }
        loop {
            // Streams before the connection: what they say now is written in this very wake.
            while let Poll::Ready(Some(())) = self.poll_streams(cx) {}
            match self.poll_requests(cx) {
                Poll::Ready(Ok(Progress::Accepted)) => {}
                Poll::Ready(_) if self.flooded => return Poll::Ready(Err(Ended::Flood)),
                Poll::Ready(Ok(Progress::Closed)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending if self.ends_flood() || self.ends_idle(cx) => {}
                Poll::Pending => break,
            }
        }
        // After the reads, so that a process that was held up doesn't blame its clients.
        if self.keepalive.poll_dead(cx, self.socket.reads()).is_ready() {
            return Poll::Ready(Err(Ended::Dead));
        }
        if let Poll::Ready(Err(error)) = self.socket.poll_flush(cx) {
            return Poll::Ready(Err(error.into()));
        }
        Poll::Pending
    }

    /// Tells a client that floods to go; true when that has just begun.
    fn ends_flood(&mut self) -> bool {
        if self.flooded || !self.socket.flooded() {
            return false;
        }
        self.flooded = true;
        self.ending.conclude(&Err(Ended::Flood));
        self.h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        true
    }

    /// Tells a client that has called nothing for long to go; true when that has just begun.
    fn ends_idle(&mut self, cx: &mut task::Context<'_>) -> bool {
        let over = self.idle.poll_over(cx, self.streams.is_empty()).is_ready();
        if over {
            self.stats.add_idle();
            self.h2.graceful_shutdown();
        }
        over
    }

    /// Polls the streams that were woken. What they do is bounded by their send capacity; they
    /// must not use up the task's cooperative budget, or the socket's turn would never come.
    fn poll_streams(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<()>> {
        pin!(unconstrained(self.streams.next())).poll(cx)
    }

    /// Moves frames in both directions and starts the requests that have come in.
    fn poll_requests(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<Progress, h2::Error>> {
        let mut accepted = false;
        loop {
            match self.h2.poll_accept(cx)? {
                Poll::Ready(Some((request, respond))) => {
                    accepted = true;
                    self.streams.push(self.request(request, respond));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(Progress::Closed)),
                Poll::Pending if accepted => return Poll::Ready(Ok(Progress::Accepted)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The future of one request. A panic inside it resets its stream and ends nothing else.
    fn request(
        &self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Segments>,
    ) -> BoxFuture<'static, ()> {
        let mut request = request.map(|body| Body::new(RequestBody::new(body)));
        let fate = Fate::on(self.ending.clone());
        request.extensions_mut().insert(self.peer.clone());
        request.extensions_mut().insert(fate.clone());
        let service = self.service.clone();
        let (limits, stats) = (Arc::clone(&self.limits), Arc::clone(&self.stats));
        let outdated = self.outdated.clone();
        let waiting = Arc::clone(&self.waiting);
        let open = stats.hold_stream();
        Box::pin(async move {
            let _open = open;
            let call = pump::Call {
                service,
                request,
                outdated,
                fate,
                waiting,
            };
            let answer = pump::answer(call, &mut respond, &limits, &stats);
            match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(cut)) => {
                    tracing::debug!(reason = %cut, "stream cut");
                    if matches!(cut, Cut::Body(_) | Cut::Http(_)) {
                        respond.send_reset(Reason::INTERNAL_ERROR);
                    }
                }
                Err(panic) => {
                    stats.add_panic();
                    tracing::error!(
                        panic = panic_text(&*panic),
                        "request panicked, stream reset"
                    );
                    respond.send_reset(Reason::INTERNAL_ERROR);
                }
            }
        })
    }
}

enum Progress {
    /// Requests were started and want their first poll.
    Accepted,
    /// The connection is at its end, everything written.
    Closed,
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
