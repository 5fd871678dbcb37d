//! Reaching further back than the feed's history: what the apiserver still knows.
//!
//! After a restart all clients come with positions from before it. One LIST at exactly the oldest
//! of them and one short watch from there make the history reach back that far, for all of them.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info};

use crate::{
    reflector::{FetchError, Fetcher},
    resource::ResourceVersion,
    store::{Change, Head, Located, Objects},
    subscription::Feed,
};

/// How a position was reached.
#[derive(Debug, Clone)]
pub(super) enum CaughtUp {
    /// The feed's history reaches back to it now.
    InHistory,
    /// The way from there to here is lost, the state there is not: this is the difference.
    Difference {
        /// One group of changes.
        changes: Vec<Arc<Change>>,
        /// Where it leads.
        head: Head,
        /// The epoch it was made in.
        epoch: u32,
    },
    /// Nobody knows it any more.
    Expired,
    /// The apiserver can't be asked now.
    Unavailable,
}

#[derive(Debug)]
pub(super) struct Request {
    version: ResourceVersion,
    reply: oneshot::Sender<CaughtUp>,
}

/// Requests on their way to the cacher's task.
pub(super) type Requests = mpsc::UnboundedReceiver<Request>;

/// Asks the cacher's task to reach back.
#[derive(Debug, Clone)]
pub(super) struct CatchUp {
    requests: mpsc::UnboundedSender<Request>,
}

impl CatchUp {
    pub(super) fn new() -> (Self, Requests) {
        let (requests, receiver) = mpsc::unbounded_channel();
        (Self { requests }, receiver)
    }

    /// Makes a position reachable, if it can be done. Cancel safe.
    pub(super) async fn reach(&self, version: ResourceVersion) -> CaughtUp {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request { version, reply }).is_err() {
            return CaughtUp::Unavailable;
        }
        answer.await.unwrap_or(CaughtUp::Unavailable)
    }
}

/// Serves requests one after the other, the oldest position first. Cancel safe: requests that were
/// taken up and not answered are answered with [`CaughtUp::Unavailable`].
pub(super) async fn serve(requests: &mut Requests, feed: &Feed, fetcher: &Fetcher) {
    let mut waiting = Waiting::default();
    loop {
        if waiting.0.is_empty() {
            match requests.recv().await {
                Some(request) => waiting.add(request),
                None => return std::future::pending().await,
            }
        }
        while let Ok(request) = requests.try_recv() {
            waiting.add(request);
        }
        waiting.settle(feed);
        waiting.work(feed, fetcher).await;
    }
}

/// Requests in ascending order of their positions.
#[derive(Debug, Default)]
struct Waiting(Vec<Request>);

impl Waiting {
    fn add(&mut self, request: Request) {
        let at = self
            .0
            .partition_point(|waiting| request.version.is_after(&waiting.version));
        self.0.insert(at, request);
    }

    /// Answers those that the history covers by now.
    fn settle(&mut self, feed: &Feed) {
        let covered = |request: &Request| {
            request.reply.is_closed() || matches!(feed.locate(&request.version).0, Located::At(_))
        };
        for request in self.0.extract_if(.., |request| covered(request)) {
            let _ = request.reply.send(CaughtUp::InHistory);
        }
    }

    /// Settles at least one request: tries the oldest position; whenever one is expired all older
    /// ones are, and the one in the middle of the rest is next. So a crowd of old positions costs
    /// the logarithm of its size.
    async fn work(&mut self, feed: &Feed, fetcher: &Fetcher) {
        let mut at = 0;
        while let Some(request) = self.0.get(at) {
            let version = request.version.clone();
            let outcome = reach(&version, feed, fetcher).await;
            debug!(resource = %feed.gvr(), %version, outcome = outcome.as_str(), "reached back");
            match outcome {
                CaughtUp::InHistory => return self.settle(feed),
                CaughtUp::Difference { .. } => {
                    for request in self.0.extract_if(.., |request| request.version == version) {
                        let _ = request.reply.send(outcome.clone());
                    }
                    return;
                }
                CaughtUp::Expired => {
                    for request in self.0.drain(..=at) {
                        let _ = request.reply.send(CaughtUp::Expired);
                    }
                    at = self.0.len() / 2;
                }
                CaughtUp::Unavailable => {
                    for request in self.0.drain(..) {
                        let _ = request.reply.send(CaughtUp::Unavailable);
                    }
                    return;
                }
            }
        }
    }
}

impl CaughtUp {
    fn as_str(&self) -> &'static str {
        match self {
            Self::InHistory => "in_history",
            Self::Difference { .. } => "difference",
            Self::Expired => "expired",
            Self::Unavailable => "unavailable",
        }
    }
}

async fn reach(version: &ResourceVersion, feed: &Feed, fetcher: &Fetcher) -> CaughtUp {
    if !version.is_ordered() {
        return CaughtUp::Expired;
    }
    let (_, epoch, floor) = feed.locate(version);
    let objects = match fetcher.exact_list(version).await {
        Ok((objects, _)) => objects,
        Err(FetchError::Expired) => return CaughtUp::Expired,
        Err(error) => return unavailable(feed, &error),
    };
    match fetcher.replay(version, &floor).await {
        Ok(deltas) => {
            info!(resource = %feed.gvr(), from = %version, to = %floor, "history extended");
            if feed.prepend(objects.clone(), deltas, version.clone(), &floor) {
                return CaughtUp::InHistory;
            }
            // The history has moved on meanwhile; the state at `version` is as good as before.
        }
        Err(FetchError::Expired) => {}
        Err(error) => return unavailable(feed, &error),
    }
    let objects: Objects = objects.into_iter().map(|o| (o.key().clone(), o)).collect();
    let (changes, head) = feed.difference_from(&objects);
    CaughtUp::Difference {
        changes,
        head,
        epoch,
    }
}

fn unavailable(feed: &Feed, error: &FetchError) -> CaughtUp {
    info!(resource = %feed.gvr(), %error, "history can't be extended now");
    CaughtUp::Unavailable
}
