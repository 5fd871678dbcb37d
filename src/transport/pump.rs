//! Moves one response from its body into one HTTP/2 stream.
//!
//! The body is asked for more only after everything before it has been handed to `h2`, and `h2`
//! is handed bytes only within the window that the peer has opened. So a slow reader holds back
//! its own body and nothing else, and since no DATA waits for window, trailers can always follow.

use std::{
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tower::ServiceExt as _;

use super::{
    Counted, Fate, HttpService, Limits, Stats,
    patience::Patience,
    segments::Segments,
    waiting::{Wait, Waiting},
};

/// The gRPC specification's name for it is RESOURCE_EXHAUSTED.
const EXHAUSTED: Reason = Reason::ENHANCE_YOUR_CALM;

/// Bytes handed to `h2` in one step, and taken from a body unless its message is longer.
const STEP: usize = 64 * 1024;

/// Why a stream ended before its response was complete.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("the client has closed the stream")]
    Client,
    #[error("the client took nothing within the stall limit")]
    Stalled,
    #[error("too much waits for slow readers, and this one has been waited for the longest")]
    Crowded,
    #[error("the client has to show its certificate again")]
    Outdated,
    #[error("the response body failed: {0}")]
    Body(tonic::Status),
    #[error("http/2 refused the response: {0}")]
    Http(#[from] h2::Error),
}

/// What is to be answered.
pub(super) struct Call<S> {
    pub(super) service: S,
    pub(super) request: Request<Body>,
    /// When cancelled: end the response between two messages.
    pub(super) outdated: Option<CancellationToken>,
    /// Is told what becomes of the response, before its body or its call is dropped.
    pub(super) fate: Fate,
    /// What waits for the readers of all streams.
    pub(super) waiting: Arc<Waiting>,
}

/// Calls the service and sends its whole response. Stops at once, and drops the call or the body,
/// when the client resets the stream.
pub(super) async fn answer<S: HttpService>(
    Call {
        service,
        request,
        outdated,
        fate,
        waiting,
    }: Call<S>,
    respond: &mut SendResponse<Segments>,
    limits: &Limits,
    stats: &Stats,
) -> Result<(), Cut> {
    let response = call(service, request, respond, &fate).await?;
    let (head, body) = response.into_parts();
    let reader = Reader {
        counted: head.extensions.get::<Counted>().is_some(),
        waiting,
        stall: limits.stall,
        fate,
    };
    let head = Response::from_parts(head, ());
    let ended = body.is_end_stream();
    let begun = respond.send_response(head, ended);
    let mut send = begun.inspect_err(|_| reader.fate.left())?;
    if ended {
        return Ok(());
    }
    let mut step = Step::default();
    // In a box: most streams have none.
    let over = outdated.map(|outdated| Box::pin(outdated.cancelled_owned()));
    let sent = send_body(&mut send, (body, over), &mut step, &reader).await;
    match sent {
        Err(Cut::Stalled) => {
            stats.add_stalled();
            end_stalled(&mut send, step, &reader, limits).await?;
        }
        Err(Cut::Crowded) => {
            stats.add_crowded();
            end_crowded(&mut send, step, limits).await?;
        }
        Err(Cut::Outdated) => send.send_trailers((limits.outdated_trailers)())?,
        _ => {}
    }
    sent
}

async fn call<S: HttpService>(
    service: S,
    request: Request<Body>,
    respond: &mut SendResponse<Segments>,
    fate: &Fate,
) -> Result<Response<Body>, Cut> {
    let mut response = pin!(service.oneshot(request));
    poll_fn(|cx| {
        if respond.poll_reset(cx).is_ready() {
            fate.left();
            return Poll::Ready(Err(Cut::Client));
        }
        let Ok(response) = ready!(response.as_mut().poll(cx));
        Poll::Ready(Ok(response))
    })
    .await
}

/// When the peer may no longer be who it was.
type Over = Option<Pin<Box<WaitForCancellationFutureOwned>>>;

/// Whom a body is sent to, and for how long it is waited for.
struct Reader {
    fate: Fate,
    waiting: Arc<Waiting>,
    stall: Duration,
    /// Whether its bytes are bounded where they are made.
    counted: bool,
}

/// What was taken from a body together: it ends where a message ends.
#[derive(Debug, Default)]
struct Step {
    data: Segments,
    /// Bytes that are bounded nowhere else.
    own: usize,
    /// Whether a part has been sent, so that the peer holds an incomplete message.
    begun: bool,
    /// While it has to be waited for, if it has bytes of its own.
    wait: Option<Box<Wait>>,
}

impl Step {
    fn push(&mut self, bytes: Bytes, counted: bool) {
        if !counted {
            self.own += bytes.len();
        }
        self.data.push(bytes);
    }

    /// Ready when the reader has been waited for too long, by this or by others.
    fn poll_crowded(&mut self, cx: &mut Context<'_>, waiting: &Arc<Waiting>) -> Poll<()> {
        if self.own == 0 {
            return Poll::Pending;
        }
        let begin = || Box::new(waiting.begin(self.own));
        self.wait.get_or_insert_with(begin).poll_over(cx)
    }
}

/// Sends a body to its end. Takes it by value so that it is gone when this returns, whatever the
/// reason: that is how the producer learns that nobody listens any more. What is left in `step`
/// after a stall was taken from the body and not sent.
async fn send_body(
    send: &mut SendStream<Segments>,
    (body, over): (Body, Over),
    step: &mut Step,
    reader: &Reader,
) -> Result<(), Cut> {
    let mut body = pin!(body);
    let sent = send_steps(send, (body.as_mut(), over), step, reader).await;
    let fate = &reader.fate;
    match &sent {
        Ok(()) => {}
        Err(Cut::Client | Cut::Http(_)) => fate.left(),
        Err(Cut::Stalled) => fate.end("stalled"),
        Err(Cut::Crowded) => fate.end("crowded"),
        Err(Cut::Outdated) => fate.end("authorities_replaced"),
        Err(Cut::Body(_)) => fate.end("failed"),
    }
    sent
}

async fn send_steps(
    send: &mut SendStream<Segments>,
    (mut body, mut over): (Pin<&mut Body>, Over),
    step: &mut Step,
    reader: &Reader,
) -> Result<(), Cut> {
    loop {
        let (taken, end) = poll_fn(|cx| {
            // A step ends where a message does, so nothing is cut in two here.
            if let Some(over) = &mut over
                && over.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Err(Cut::Outdated));
            }
            poll_step(cx, send, body.as_mut(), reader.counted)
        })
        .await?;
        *step = taken;
        let last = matches!(end, End::Clean);
        let ended = send_step(send, (step, last), reader, reader.stall).await?;
        match end {
            End::Open => {}
            End::Clean if ended => return Ok(()),
            End::Clean => return Ok(send.send_data(Segments::default(), true)?),
            End::Trailers(trailers) => return Ok(send.send_trailers(trailers)?),
        }
    }
}

/// Sends a step as window allows; with `last` its final frame ends the stream. Says whether such
/// a frame was sent: not if the step is empty.
async fn send_step(
    send: &mut SendStream<Segments>,
    (step, last): (&mut Step, bool),
    reader: &Reader,
    stall: Duration,
) -> Result<bool, Cut> {
    let mut ended = false;
    let mut patience = Patience::new(stall, step.data.len());
    while !step.data.is_empty() {
        let room = capacity(send, step, reader, &mut patience).await?;
        patience.moved();
        let part = step.data.take_front(room);
        ended = last && step.data.is_empty();
        let bytes = part.len();
        send.send_data(part, ended)?;
        reader.fate.add_delivered(bytes);
        step.begun = true;
    }
    // Others need not wait for this one any more.
    step.wait = None;
    Ok(ended)
}

/// What follows the data of a step.
#[derive(Debug)]
enum End {
    Open,
    Clean,
    Trailers(HeaderMap),
}

/// Takes everything from the body that is ready now, up to the end of the message that exceeds
/// [`STEP`] bytes; fails once the client has reset the stream.
fn poll_step(
    cx: &mut Context<'_>,
    send: &mut SendStream<Segments>,
    body: Pin<&mut Body>,
    counted: bool,
) -> Poll<Result<(Step, End), Cut>> {
    let mut taken = Step::default();
    let step = poll_frames(cx, body, &mut taken, counted);
    // `h2` wakes whoever is registered when it grants capacity, even if asked by that very
    // stream. With data at hand the stream goes on anyway, so it registers nobody.
    let mut quiet = Context::from_waker(Waker::noop());
    let registered = if step.is_ready() { &mut quiet } else { cx };
    if send.poll_reset(registered).is_ready() {
        return Poll::Ready(Err(Cut::Client));
    }
    let end = ready!(step)?;
    Poll::Ready(Ok((taken, end)))
}

fn poll_frames(
    cx: &mut Context<'_>,
    mut body: Pin<&mut Body>,
    step: &mut Step,
    counted: bool,
) -> Poll<Result<End, Cut>> {
    loop {
        let frame = match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(Cut::Body(status))),
            Poll::Ready(None) => return Poll::Ready(Ok(End::Clean)),
            Poll::Pending if step.data.is_empty() => return Poll::Pending,
            Poll::Pending => return Poll::Ready(Ok(End::Open)),
        };
        match frame.into_data() {
            Ok(bytes) => step.push(bytes, counted),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return Poll::Ready(Ok(End::Trailers(trailers)));
            }
        }
        if body.is_end_stream() {
            return Poll::Ready(Ok(End::Clean));
        }
        if step.data.len() >= STEP && body.size_hint().lower() == 0 {
            return Poll::Ready(Ok(End::Open));
        }
    }
}

/// Waits for room for at least one byte of a step, as long as there is patience.
async fn capacity(
    send: &mut SendStream<Segments>,
    step: &mut Step,
    reader: &Reader,
    patience: &mut Patience,
) -> Result<usize, Cut> {
    send.reserve_capacity(step.data.len().min(STEP));
    poll_fn(|cx| {
        // Capacity first: `poll_capacity` reports only changes since it was last asked.
        let room = send.capacity();
        if room > 0 {
            return Poll::Ready(Ok(room));
        }
        if send.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Cut::Client));
        }
        match send.poll_capacity(cx) {
            Poll::Ready(Some(Ok(room))) => return Poll::Ready(Ok(room)),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
            Poll::Ready(None) => return Poll::Ready(Err(Cut::Client)),
            Poll::Pending => {}
        }
        if step.poll_crowded(cx, &reader.waiting).is_ready() {
            return Poll::Ready(Err(Cut::Crowded));
        }
        patience.poll_over(cx).map(|()| Err(Cut::Stalled))
    })
    .await
}

/// Ends a stalled stream: with the caller's trailers if the peer holds whole messages, else with a
/// reset, because no client looks for a status inside a message.
///
/// A message that the peer holds a part of is completed first if the peer opens its window in
/// time. Nothing waits for window before the trailers themselves; only a socket that takes no
/// bytes can hold them up, hence the reset after them.
async fn end_stalled(
    send: &mut SendStream<Segments>,
    mut step: Step,
    reader: &Reader,
    limits: &Limits,
) -> Result<(), Cut> {
    if step.begun {
        let rest = send_step(send, (&mut step, false), reader, limits.stall_finish);
        match timeout(limits.stall_finish, rest).await {
            Ok(Ok(_)) => {}
            Ok(Err(Cut::Stalled | Cut::Crowded)) | Err(_) => {
                send.send_reset(EXHAUSTED);
                return Ok(());
            }
            Ok(Err(cut)) => return Err(cut),
        }
    }
    drop(step);
    end_behind_message(send, limits).await
}

/// Ends a stream that has to make room at once: what is left of it is dropped.
async fn end_crowded(
    send: &mut SendStream<Segments>,
    step: Step,
    limits: &Limits,
) -> Result<(), Cut> {
    let begun = step.begun;
    drop(step);
    if begun {
        send.send_reset(EXHAUSTED);
        return Ok(());
    }
    end_behind_message(send, limits).await
}

async fn end_behind_message(send: &mut SendStream<Segments>, limits: &Limits) -> Result<(), Cut> {
    send.send_trailers(limits.stall_trailers.clone())?;
    let gone = poll_fn(|cx| send.poll_reset(cx));
    if timeout(limits.stall_linger, gone).await.is_err() {
        send.send_reset(Reason::CANCEL);
    }
    Ok(())
}
