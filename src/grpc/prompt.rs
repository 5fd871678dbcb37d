//! Requests whose message does not come.
//!
//! A caller is recognised when its call begins. One that then keeps its message back would hold a
//! slot, and a place in time at which its credentials were good.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::{Code, Status, body::Body};

use super::status::refuse;

/// How long a request may take to arrive, from when somebody begins to read it.
const LIMIT: Duration = Duration::from_secs(10);

/// The body of a request of one message. It fails with a status if it is not there in time.
pub(super) fn prompt(body: Body) -> Body {
    within(body, LIMIT)
}

fn within(body: Body, limit: Duration) -> Body {
    Body::new(Prompt {
        body,
        limit,
        late: None,
    })
}

struct Prompt {
    body: Body,
    limit: Duration,
    /// Most requests are there at once and need no timer.
    late: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Prompt {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let limit = this.limit;
        let late = this.late.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(late.as_mut().poll(context));
        Poll::Ready(Some(Err(not_there(limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn not_there(limit: Duration) -> Status {
    let message = format!("the request has not arrived within {limit:?}; send it with the call");
    refuse(Code::DeadlineExceeded, "MESSAGE_LATE", message)
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    fn frames(count: usize) -> impl stream::Stream<Item = Result<Frame<Bytes>, Status>> {
        stream::iter((0..count).map(|_| Ok(Frame::data(Bytes::from_static(b"x")))))
    }

    #[tokio::test]
    async fn what_is_there_passes() {
        let body = within(Body::new(StreamBody::new(frames(2))), Duration::ZERO);
        let whole = body.collect().await.expect("in time").to_bytes();
        assert_eq!(whole, "xx");
    }

    #[tokio::test]
    async fn what_stays_away_is_refused_even_after_a_part() {
        for count in [0, 1] {
            let body = StreamBody::new(frames(count).chain(stream::pending()));
            let read = within(Body::new(body), Duration::from_millis(1)).collect();
            let status = read.await.expect_err("never whole");
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        }
    }
}
