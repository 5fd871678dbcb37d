//! Moves one response from its body into one HTTP/2 stream.
//!
//! The body is asked for more only after everything before it has been handed to `h2`, and `h2`
//! is handed bytes only within the window that the peer has opened. So a slow reader holds back
//! its own body and nothing else, and since no DATA waits for window, trailers can always follow.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use tokio::time::{Sleep, sleep, timeout};
use tonic::body::Body;
use tower::ServiceExt as _;

use super::{HttpService, Limits, Stats, segments::Segments};

/// Bytes taken from a body, or handed to `h2`, in one step.
const STEP: usize = 64 * 1024;

/// Why a stream ended before its response was complete.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("the client has closed the stream")]
    Client,
    #[error("the client took nothing within the stall limit")]
    Stalled,
    #[error("the response body failed: {0}")]
    Body(tonic::Status),
    #[error("http/2 refused the response: {0}")]
    Http(#[from] h2::Error),
}

/// Calls the service and sends its whole response. Stops at once, and drops the call or the body,
/// when the client resets the stream.
pub(super) async fn answer<S: HttpService>(
    service: S,
    request: Request<Body>,
    respond: &mut SendResponse<Segments>,
    limits: &Limits,
    stats: &Stats,
) -> Result<(), Cut> {
    let response = call(service, request, respond).await?;
    let (head, body) = response.into_parts();
    let head = Response::from_parts(head, ());
    if body.is_end_stream() {
        respond.send_response(head, true)?;
        return Ok(());
    }
    let mut send = respond.send_response(head, false)?;
    let sent = send_body(&mut send, body, limits.stall).await;
    if let Err(Cut::Stalled) = sent {
        stats.add_stalled();
        end_stalled(&mut send, limits).await?;
    }
    sent
}

async fn call<S: HttpService>(
    service: S,
    request: Request<Body>,
    respond: &mut SendResponse<Segments>,
) -> Result<Response<Body>, Cut> {
    let mut response = pin!(service.oneshot(request));
    poll_fn(|cx| {
        if respond.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Cut::Client));
        }
        let Ok(response) = ready!(response.as_mut().poll(cx));
        Poll::Ready(Ok(response))
    })
    .await
}

/// Sends a body to its end. Takes it by value so that it is gone when this returns, whatever the
/// reason: that is how the producer learns that nobody listens any more.
async fn send_body(
    send: &mut SendStream<Segments>,
    body: Body,
    stall: Duration,
) -> Result<(), Cut> {
    let mut body = pin!(body);
    loop {
        let (mut data, end) = poll_fn(|cx| poll_step(cx, send, body.as_mut())).await?;
        let last = matches!(end, End::Clean);
        while !data.is_empty() {
            let room = capacity(send, data.len().min(STEP), stall).await?;
            let part = data.take_front(room);
            let end_stream = last && data.is_empty();
            send.send_data(part, end_stream)?;
            if end_stream {
                return Ok(());
            }
        }
        match end {
            End::Open => {}
            End::Clean => return Ok(send.send_data(data, true)?),
            End::Trailers(trailers) => return Ok(send.send_trailers(trailers)?),
        }
    }
}

/// What follows the data of a step.
#[derive(Debug)]
enum End {
    Open,
    Clean,
    Trailers(HeaderMap),
}

/// Takes everything from the body that is ready now, up to [`STEP`] bytes; fails once the client
/// has reset the stream.
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
        if data.len() >= STEP {
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

/// Ends a stalled stream with the caller's trailers. They overtake nothing, but nothing waits for
/// window before them; only a socket that takes no bytes can hold them up, hence the reset after.
async fn end_stalled(send: &mut SendStream<Segments>, limits: &Limits) -> Result<(), Cut> {
    send.send_trailers(limits.stall_trailers.clone())?;
    let gone = poll_fn(|cx| send.poll_reset(cx));
    if timeout(limits.stall_linger, gone).await.is_err() {
        send.send_reset(Reason::CANCEL);
    }
    Ok(())
}
