//! The channel under all stubs: it shows the token, and says why a connection broke.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use tonic::{
    Status,
    body::Body,
    service::interceptor::InterceptedService,
    transport::{self, Channel},
};
use tower::Service;

use super::{bearer::Show, connect::Trouble};

/// A connection on which a token is shown, if there is one.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    channel: InterceptedService<Channel, Show>,
    trouble: Trouble,
}

impl Wire {
    pub(super) fn new(channel: Channel, show: Show, trouble: Trouble) -> Self {
        Self {
            channel: InterceptedService::new(channel, show),
            trouble,
        }
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let ready = self.channel.poll_ready(cx);
        ready.map_err(|error| explained(error, &self.trouble))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let trouble = self.trouble.clone();
        let answer = self.channel.call(request);
        let answer = answer.map(move |answer| match answer {
            Ok(response) => Ok(response.map(Body::new)),
            Err(error) => Err(explained(error, &trouble)),
        });
        answer.boxed()
    }
}

/// A call that finds its connection closed isn't told why; whoever read from it was.
fn explained(error: transport::Error, trouble: &Trouble) -> Status {
    match trouble.last() {
        Some(failure) => {
            let mut status = Status::unavailable(failure.to_string());
            status.set_source(Arc::new(failure));
            status
        }
        None => Status::from_error(error.into()),
    }
}
