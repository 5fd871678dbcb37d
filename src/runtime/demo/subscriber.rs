//! One subscriber of the demo: its stream, and a careful count of what came.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::SocketAddr,
    time::Duration,
};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use informerd_support::trace::Filter;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{CallError, Client, Step, Steps, WatchBuilder},
    proto::v1,
    runtime::simulate::HISTORY,
};

/// A change as it was received, or as it should have been.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) version: u64,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub(super) kind: String,
    /// `namespace/name`.
    pub(super) key: String,
}

/// What came from a subscriber's stream: its index, the step, and the position after it.
pub(super) type Arrival = (usize, Result<Step, CallError>, Option<String>);

/// A subscriber and all it has received, over all its streams.
#[derive(Debug, Default)]
pub(super) struct Subscriber {
    pub(super) name: &'static str,
    pub(super) label_selector: &'static str,
    pub(super) field_selector: &'static str,
    /// Streams that it has opened.
    pub(super) streams: usize,
    /// Objects of its snapshots.
    pub(super) snapshot: u64,
    /// Events after its snapshots.
    pub(super) changes: u64,
    /// The version of its snapshot; `None` before the end of that.
    pub(super) began: Option<u64>,
    /// Everything up to here was delivered or filtered out.
    pub(super) position: u64,
    /// Continues its stream.
    pub(super) token: String,
    /// Whether an event came twice, or before its turn.
    pub(super) disordered: bool,
    /// The last changes, as many as the cluster remembers.
    pub(super) seen: VecDeque<Seen>,
    /// A digest of all changes in their order.
    pub(super) digest: u64,
    /// Ends its stream.
    leave: CancellationToken,
}

impl Subscriber {
    /// A subscriber of pods in all namespaces.
    pub(super) fn new(
        name: &'static str,
        label_selector: &'static str,
        field_selector: &'static str,
    ) -> Self {
        Self {
            name,
            label_selector,
            field_selector,
            ..Self::default()
        }
    }

    /// Its filter, as one types it.
    pub(super) fn words(&self) -> String {
        match (self.label_selector, self.field_selector) {
            ("", "") => "-A".to_owned(),
            (labels, "") => format!("-A -l {labels}"),
            (_, fields) => format!("-A --field-selector {fields}"),
        }
    }

    /// Its filter, for the judge.
    pub(super) fn filter(&self) -> Filter {
        Filter {
            label_selector: self.label_selector.to_owned(),
            field_selector: self.field_selector.to_owned(),
            ..Filter::default()
        }
    }

    /// Opens its stream on a client, where it left off if it has been here before. The stream
    /// holds the client: with the last of them the connection closes.
    pub(super) fn open(&mut self, index: usize, client: Client) -> BoxStream<'static, Arrival> {
        let mut builder = WatchBuilder::new("", "v1", "pods")
            // Shows within a second that nothing is under way.
            .bookmark_interval(Duration::from_secs(1))
            .label_selector(self.label_selector)
            .field_selector(self.field_selector)
            .fail_on_expired()
            .fail_fast();
        if !self.token.is_empty() {
            builder = builder.from_token(&self.token);
        }
        self.streams += 1;
        self.leave = CancellationToken::new();
        let watch = client.steps(builder);
        let steps = stream::unfold((index, watch, client), next);
        steps
            .take_until(self.leave.clone().cancelled_owned())
            .boxed()
    }

    /// Drops its stream; the token stays.
    pub(super) fn leave(&self) {
        self.leave.cancel();
    }

    /// Counts a step.
    pub(super) fn take(&mut self, step: &Step, token: Option<String>) {
        match step {
            Step::Event(event) if event.cause() == v1::EventCause::Snapshot => self.snapshot += 1,
            Step::Event(event) => self.change(event),
            Step::SnapshotEnd(end) => {
                self.position = number(&end.resource_version);
                self.began = Some(self.position);
            }
            Step::Bookmark(bookmark) => {
                let position = number(&bookmark.resource_version);
                self.disordered |= position < self.position;
                self.position = position;
            }
            _ => {}
        }
        self.token = token.unwrap_or_default();
    }

    fn change(&mut self, event: &v1::Event) {
        let seen = seen(event);
        self.disordered |= seen.version <= self.position;
        self.position = seen.version;
        self.changes += 1;
        let mut hasher = DefaultHasher::new();
        (self.digest, &seen).hash(&mut hasher);
        self.digest = hasher.finish();
        self.seen.push_back(seen);
        if self.seen.len() > HISTORY {
            self.seen.pop_front();
        }
    }

    /// What it has received above `after`.
    pub(super) fn seen_after(&self, after: u64) -> Vec<Seen> {
        let newer = self.seen.iter().filter(|seen| seen.version > after);
        newer.cloned().collect()
    }
}

async fn next(
    (index, mut watch, client): (usize, Steps, Client),
) -> Option<(Arrival, (usize, Steps, Client))> {
    let step = watch.next().await?;
    let token = watch.token().map(str::to_owned);
    Some(((index, step, token), (index, watch, client)))
}

/// Connects to the daemon.
///
/// # Errors
/// When nothing answers.
pub(super) async fn connect(daemon: SocketAddr) -> anyhow::Result<Client> {
    Ok(Client::connect(&format!("http://{daemon}")).await?)
}

/// A change in the words that are compared.
pub(super) fn seen(event: &v1::Event) -> Seen {
    let kind = event.r#type().as_str_name();
    Seen {
        version: number(&event.resource_version),
        kind: kind.trim_start_matches("EVENT_TYPE_").to_owned(),
        key: format!("{}/{}", event.namespace, event.name),
    }
}

/// The simulated cluster counts, so its versions may be compared as numbers.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: &str) -> Step {
        Step::Event(v1::Event {
            r#type: v1::EventType::Added.into(),
            cause: v1::EventCause::Change.into(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            resource_version: version.to_owned(),
            ..Default::default()
        })
    }

    fn bookmark(version: &str) -> Step {
        Step::Bookmark(v1::Bookmark {
            resource_version: version.to_owned(),
            ..Default::default()
        })
    }

    fn after(steps: &[Step]) -> Subscriber {
        let mut subscriber = Subscriber::new("all", "", "");
        for step in steps {
            subscriber.take(step, None);
        }
        subscriber
    }

    #[test]
    fn notices_what_comes_twice_or_too_early() {
        let table = [
            (vec![change("4"), change("5"), bookmark("9")], false),
            (vec![change("4"), change("4")], true),
            (vec![change("5"), change("4")], true),
            (vec![bookmark("6"), change("6")], true),
            (vec![change("5"), bookmark("4")], true),
            // As numbers, not as words.
            (vec![change("9"), change("10")], false),
        ];
        for (steps, disordered) in table {
            assert_eq!(after(&steps).disordered, disordered, "{steps:?}");
        }
    }

    #[test]
    fn equal_digests_mean_equal_changes() {
        let one = after(&[change("4"), bookmark("5"), change("6")]);
        let same = after(&[change("4"), change("6"), bookmark("9")]);
        let other = after(&[change("4"), change("7")]);
        assert_eq!(one.digest, same.digest);
        assert_ne!(one.digest, other.digest);
        assert_eq!(one.seen_after(4).len(), 1);
    }
}
