//! Moves one response from its body into one HTTP/2 stream.
//!
//! The body is asked for more only after everything before it has been handed to `h2`, and `h2`
//! is handed bytes only within the window that the peer has opened. So a slow reader holds back
//! its own body and nothing else, and since no DATA waits for window, trailers can always follow.

use std::{
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tower::ServiceExt as _;

use super::{Fate, HttpService, Limits, Stats, segments::Segments};

/// Bytes handed to `h2` in one step, and taken from a body unless its message is longer.
const STEP: usize = 64 * 1024;

/// Why a stream ended before its response was complete.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("the client has closed the stream")]
    Client,
    #[error("the client took nothing within the stall limit")]
    Stalled,
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
}

/// Calls the service and sends its whole response. Stops at once, and drops the call or the body,
/// when the client resets the stream.
pub(super) async fn answer<S: HttpService>(
    Call {
        service,
        request,
        outdated,
        fate,
    }: Call<S>,
    respond: &mut SendResponse<Segments>,
    limits: &Limits,
    stats: &Stats,
) -> Result<(), Cut> {
    let response = call(service, request, respond, &fate).await?;
    let (head, body) = response.into_parts();
    let head = Response::from_parts(head, ());
    let ended = body.is_end_stream();
    let begun = respond.send_response(head, ended);
    let mut send = begun.inspect_err(|_| fate.left())?;
    if ended {
        return Ok(());
    }
    let mut step = Step::default();
    // In a box: most streams have none.
    let over = outdated.map(|outdated| Box::pin(outdated.cancelled_owned()));
    let sent = send_body(&mut send, (body, over, &fate), &mut step, limits.stall).await;
    match sent {
        Err(Cut::Stalled) => {
            stats.add_stalled();
            end_stalled(&mut send, step, &fate, limits).await?;
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

/// What was taken from a body together: it ends where a message ends.
#[derive(Debug, Default)]
struct Step {
    data: Segments,
    /// Whether a part has been sent, so that the peer holds an incomplete message.
    begun: bool,
}

/// Sends a body to its end. Takes it by value so that it is gone when this returns, whatever the
/// reason: that is how the producer learns that nobody listens any more. What is left in `step`
/// after a stall was taken from the body and not sent.
async fn send_body(
    send: &mut SendStream<Segments>,
    (body, over, fate): (Body, Over, &Fate),
    step: &mut Step,
    stall: Duration,
) -> Result<(), Cut> {
    let mut body = pin!(body);
    let sent = send_steps(send, (body.as_mut(), over, fate), step, stall).await;
    match &sent {
        Ok(()) => {}
        Err(Cut::Client | Cut::Http(_)) => fate.left(),
        Err(Cut::Stalled) => fate.end("stalled"),
        Err(Cut::Outdated) => fate.end("authorities_replaced"),
        Err(Cut::Body(_)) => fate.end("failed"),
    }
    sent
}

async fn send_steps(
    send: &mut SendStream<Segments>,
    (mut body, mut over, fate): (Pin<&mut Body>, Over, &Fate),
    step: &mut Step,
    stall: Duration,
) -> Result<(), Cut> {
    loop {
        let (data, end) = poll_fn(|cx| {
            // A step ends where a message does, so nothing is cut in two here.
            if let Some(over) = &mut over
                && over.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Err(Cut::Outdated));
            }
            poll_step(cx, send, body.as_mut())
        })
        .await?;
        *step = Step { data, begun: false };
        let last = matches!(end, End::Clean);
        let ended = send_step(send, (step, last), fate, stall).await?;
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
    fate: &Fate,
    stall: Duration,
) -> Result<bool, Cut> {
    let mut ended = false;
    while !step.data.is_empty() {
        let room = capacity(send, step.data.len().min(STEP), stall).await?;
        let part = step.data.take_front(room);
        ended = last && step.data.is_empty();
        let bytes = part.len();
        send.send_data(part, ended)?;
        fate.add_delivered(bytes);
        step.begun = true;
    }
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
    mut body: Pin<&mut Body>,
) -> Poll<Result<(Segments, End), Cut>> {
    let mut data = Segments::default();
    let step = poll_frames(cx, body.as_mut(), &mut data);
    // `h2` wakes whoever is registered when it grants capacity, even if asked by that very
    // stream. With data at hand the stream goes on anyway, so it registers nobody.
    let mut quiet = Context::from_waker(Waker::noop());
    let registered = if step.is_ready() { &mut quiet } else { cx };
    if send.poll_reset(registered).is_ready() {
        return Poll::Ready(Err(Cut::Client));
    }
    let end = ready!(step)?;
    Poll::Ready(Ok((data, end)))
}

fn poll_frames(
    cx: &mut Context<'_>,
    mut body: Pin<&mut Body>,
    data: &mut Segments,
) -> Poll<Result<End, Cut>> {
    loop {
        let frame = match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(Cut::Body(status))),
            Poll::Ready(None) => return Poll::Ready(Ok(End::Clean)),
            Poll::Pending if data.is_empty() => return Poll::Pending,
            Poll::Pending => return Poll::Ready(Ok(End::Open)),
        };
        match frame.into_data() {
            Ok(bytes) => data.push(bytes),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return Poll::Ready(Ok(End::Trailers(trailers)));
            }
        }
        if body.is_end_stream() {
            return Poll::Ready(Ok(End::Clean));
        }
        if data.len() >= STEP && body.size_hint().lower() == 0 {
            return Poll::Ready(Ok(End::Open));
        }
    }
}

/// Waits for room for at least one byte, at most for `stall`; asks for `want` bytes.
async fn capacity(
    send: &mut SendStream<Segments>,
    want: usize,
    stall: Duration,
) -> Result<usize, Cut> {
    send.reserve_capacity(want);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
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
        let timer = timer.get_or_insert_with(|| Box::pin(sleep(stall)));
        timer.as_mut().poll(cx).map(|()| Err(Cut::Stalled))
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
    fate: &Fate,
    limits: &Limits,
) -> Result<(), Cut> {
    if step.begun {
        let rest = send_step(send, (&mut step, false), fate, limits.stall_finish);
        match timeout(limits.stall_finish, rest).await {
            Ok(Ok(_)) => {}
            Ok(Err(Cut::Stalled)) | Err(_) => {
                // The gRPC specification's name for it is RESOURCE_EXHAUSTED.
                send.send_reset(Reason::ENHANCE_YOUR_CALM);
                return Ok(());
            }
            Ok(Err(cut)) => return Err(cut),
        }
    }
    drop(step);
    send.send_trailers(limits.stall_trailers.clone())?;
    let gone = poll_fn(|cx| send.poll_reset(cx));
    if timeout(limits.stall_linger, gone).await.is_err() {
        send.send_reset(Reason::CANCEL);
    }
    Ok(())
}
