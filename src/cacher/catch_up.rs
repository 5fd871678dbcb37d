//! Reaching further back than the feed's history: what the apiserver still knows.
//!
//! After a restart all clients come with positions from before it. One LIST at exactly the oldest
//! of them and one short watch from there make the history reach back that far, for all of them.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info};

use crate::{
    reflector::{FetchError, Fetcher},
    store::{Head, Located, Objects},
    subscription::{Feed, NoDifference, Position},
    view::Difference,
};

/// How a position was reached.
#[derive(Debug, Clone)]
pub(super) enum CaughtUp {
    /// The feed's history reaches back to it now.
    InHistory,
    /// The way from there to here is lost, the state there is not: this is the difference.
    Difference {
        /// The difference.
        difference: Arc<Difference>,
        /// Where it leads.
        head: Head,
    },
    /// The cluster has got there already; the watch will, too.
    Ahead,
    /// The cluster has not got there.
    Future,
    /// Nobody knows it any more.
    Expired,
    /// It is of another epoch than the feed, which may have been rewound meanwhile.
    Rewound,
    /// The daemon may not ask the apiserver.
    Forbidden,
    /// The apiserver can't be asked now.
    Unavailable,
}

#[derive(Debug)]
pub(super) struct Request {
    position: Position,
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
    pub(super) async fn reach(&self, position: Position) -> CaughtUp {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request { position, reply }).is_err() {
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
        if waiting.requests.is_empty() {
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

/// Requests that are waiting.
#[derive(Debug, Default)]
struct Waiting {
    /// In ascending order of their positions.
    requests: Vec<Request>,
    /// Where the cluster was when it was asked last.
    reached: Option<Position>,
}

impl Waiting {
    fn add(&mut self, request: Request) {
        let version = &request.position.version;
        let at = self
            .requests
            .partition_point(|waiting| version.is_after(&waiting.position.version));
        self.requests.insert(at, request);
    }

    /// Answers those whose answer is known by now.
    fn settle(&mut self, feed: &Feed) {
        let reached = self.reached.clone();
        let answer = |Position { epoch, version }: &Position| match feed.locate(version) {
            (_, current, _) if current != *epoch => Some(CaughtUp::Rewound),
            (Located::At(_), ..) => Some(CaughtUp::InHistory),
            (Located::Future, ..) => {
                let reached = reached
                    .as_ref()
                    .is_some_and(|r| r.epoch == *epoch && !version.is_after(&r.version));
                reached.then_some(CaughtUp::Ahead)
            }
            (Located::Expired, ..) => None,
        };
        for request in std::mem::take(&mut self.requests) {
            match answer(&request.position) {
                Some(answer) => {
                    let _ = request.reply.send(answer);
                }
                None if request.reply.is_closed() => {}
                None => self.requests.push(request),
            }
        }
    }

    /// Settles at least one request: tries the oldest position; whenever one is expired all older
    /// ones are, and the one in the middle of the rest is next. So a crowd of old positions costs
    /// the logarithm of its size.
    async fn work(&mut self, feed: &Feed, fetcher: &Fetcher) {
        let mut at = 0;
        while let Some(request) = self.requests.get(at) {
            let position = request.position.clone();
            let mut outcome = self.reach(&position, feed, fetcher).await;
            if feed.epoch() != position.epoch {
                outcome = CaughtUp::Rewound;
            }
            let version = &position.version;
            debug!(resource = %fetcher.source, %version, outcome = outcome.as_str(), "reached back");
            match outcome {
                CaughtUp::InHistory | CaughtUp::Ahead | CaughtUp::Rewound => {
                    return self.settle(feed);
                }
                CaughtUp::Difference { .. } | CaughtUp::Future => {
                    for request in self
                        .requests
                        .extract_if(.., |request| request.position == position)
                    {
                        let _ = request.reply.send(outcome.clone());
                    }
                    return;
                }
                CaughtUp::Expired => {
                    for request in self.requests.drain(..=at) {
                        let _ = request.reply.send(CaughtUp::Expired);
                    }
                    at = self.requests.len() / 2;
                }
                CaughtUp::Forbidden | CaughtUp::Unavailable => {
                    for request in self.requests.drain(..) {
                        let _ = request.reply.send(outcome.clone());
                    }
                    return;
                }
            }
        }
    }
}

impl Waiting {
    /// Tries to reach a position. The feed may be rewound meanwhile: then the outcome means nothing.
    async fn reach(&mut self, position: &Position, feed: &Feed, fetcher: &Fetcher) -> CaughtUp {
        let version = &position.version;
        if !version.is_ordered() {
            return CaughtUp::Expired;
        }
        if feed.locate(version).0 != Located::Future {
            return reach_back(position, feed, fetcher).await;
        }
        match fetcher.current_version().await {
            Ok(current) => {
                let future = version.is_after(&current);
                self.reached = Some(Position {
                    epoch: position.epoch,
                    version: current,
                });
                if future {
                    CaughtUp::Future
                } else {
                    CaughtUp::Ahead
                }
            }
            Err(error) => unavailable(fetcher, &error),
        }
    }
}

impl CaughtUp {
    fn as_str(&self) -> &'static str {
        match self {
            Self::InHistory => "in_history",
            Self::Difference { .. } => "difference",
            Self::Ahead => "ahead",
            Self::Future => "future",
            Self::Expired => "expired",
            Self::Rewound => "rewound",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }
}

async fn reach_back(position: &Position, feed: &Feed, fetcher: &Fetcher) -> CaughtUp {
    let version = &position.version;
    let (_, _, floor) = feed.locate(version);
    let objects = match fetcher.exact_list(version).await {
        Ok((objects, _)) => objects,
        Err(FetchError::Expired) => return CaughtUp::Expired,
        Err(error) => return unavailable(fetcher, &error),
    };
    match fetcher.replay(version, &floor).await {
        Ok(deltas) => {
            if feed.prepend(objects.clone(), deltas, position.clone(), &floor) {
                info!(resource = %fetcher.source, from = %version, to = %floor, "history extended");
                return CaughtUp::InHistory;
            }
            // The history has moved on or has no room; the state at `version` is as good as before.
        }
        // The state at `version` is at hand, so the difference can still be told.
        Err(error) => debug!(resource = %fetcher.source, %error, "the way from there is lost"),
    }
    let objects: Objects = objects.into_iter().map(|o| (o.key().clone(), o)).collect();
    match feed.difference_from(&objects, position.epoch) {
        Ok((difference, head)) => CaughtUp::Difference { difference, head },
        Err(NoDifference::Rewound) => CaughtUp::Rewound,
        // Whoever asks is better served by a snapshot, which others read too.
        Err(NoDifference::NoRoom) => CaughtUp::Expired,
    }
}

fn unavailable(fetcher: &Fetcher, error: &FetchError) -> CaughtUp {
    info!(resource = %fetcher.source, %error, "history can't be extended now");
    match error {
        FetchError::Forbidden => CaughtUp::Forbidden,
        FetchError::Expired | FetchError::Unavailable(_) => CaughtUp::Unavailable,
    }
}

#[cfg(test)]
mod tests;
