//! Responses that end before their service ends them.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

use super::status::trailers;

/// Ends a response with a status, between two messages, as soon as `over` tells it. What `over`
/// holds is held until the response is gone.
pub(super) fn until(body: Body, over: impl Future<Output = Status> + Send + 'static) -> Body {
    Body::new(Bounded {
        body: Some(body),
        over: Box::pin(over),
    })
}

struct Bounded {
    /// `None` when it is over.
    body: Option<Body>,
    over: BoxFuture<'static, Status>,
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        // First what is at hand: a message must not lose its second half.
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let status = ready!(this.over.as_mut().poll(context));
        this.body = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers(status)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}
