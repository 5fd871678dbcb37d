//! Watches: initial events, then the log from a cursor on, each event judged by the selector on
//! both sides of the change as kube-apiserver's cacher does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::faults::{Action, Disruption, FaultId, error_line};
use super::object::{Entry, Object, event_line};
use super::output::{Gone, Output};
use super::query::{WatchQuery, WatchStart};
use super::refusal::Refusal;
use super::resources::ResourceSpec;

/// How many events one look at the state takes along.
const BATCH: usize = 128;
/// A bookmark is sent this long before the end of a watch (cacher `bookmarkHeartbeat`).
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// One watch request, checked.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) cluster: Cluster,
    pub(super) spec: ResourceSpec,
    /// Empty for all.
    pub(super) namespace: String,
    pub(super) query: WatchQuery,
    /// A fault that concerns the end of the initial events.
    pub(super) fault: Option<(FaultId, Action)>,
}

/// Where a running watch stands.
#[derive(Debug)]
struct Cursor {
    /// Everything up to here was sent or filtered out.
    position: u64,
    timeline: u64,
    bookmarks_asked: u64,
    breaks: usize,
    /// Events to send before the initial events may be marked as complete; `None` once they are.
    mark_after: Option<usize>,
    last_bookmark: Instant,
    deadline: Instant,
    last_call: bool,
}

/// A watch that has taken its position.
#[derive(Debug)]
pub(super) struct Begun(Result<Started, Refusal>);

type Started = (Cursor, Vec<Arc<Object>>, watch::Receiver<()>);

/// What there is to do.
#[derive(Debug, Default)]
struct Turn {
    entries: Vec<Arc<Entry>>,
    /// The version up to which nothing is left to send.
    caught_up: Option<u64>,
    bookmark: bool,
    breaks: Vec<Disruption>,
    ended: bool,
    refused: Option<Refusal>,
}

impl Watch {
    /// Runs until the reader goes, the time is up, or the resource does.
    pub(super) async fn run(self, begun: Begun, mut output: Output) {
        // Every end is told by the end of the body.
        let _ = self.serve(begun, &mut output).await;
    }

    async fn serve(&self, begun: Begun, output: &mut Output) -> Result<(), Gone> {
        let resource = self.spec.id();
        let (mut cursor, initial, mut signal) = match begun.0 {
            Ok(begun) => begun,
            Err(refused) => return refuse(output, &refused).await,
        };
        for object in initial {
            output.event(object.added()).await?;
        }
        // The end of the initial events is counted from here.
        cursor.mark_after = cursor.mark_after.map(|events| events + output.sent());
        loop {
            let turn = self.turn(&resource, &mut cursor);
            for entry in &turn.entries {
                cursor.position = entry.version;
                if let Some(line) = self.line(entry) {
                    output.event(line).await?;
                }
            }
            if turn.ended {
                return Err(Gone);
            }
            if let Some(refused) = turn.refused {
                return refuse(output, &refused).await;
            }
            let Some(version) = turn.caught_up else {
                continue;
            };
            self.mark(output, &mut cursor, version).await?;
            self.bookmark(output, &mut cursor, version, turn.bookmark)
                .await?;
            output.settle().await?;
            for disruption in turn.breaks {
                let torn = self.bookmark_line(version, None);
                output.break_now(disruption, torn).await?;
            }
            self.wait(output, &cursor, &mut signal).await?;
        }
    }

    /// Takes the position and the initial objects, before anything is answered. A refusal is
    /// told inside the stream, as upstream.
    pub(super) async fn begin(&self) -> Begun {
        Begun(self.start().await)
    }

    async fn start(&self) -> Result<Started, Refusal> {
        let resource = self.spec.id();
        if let WatchStart::Initial(version) = self.query.start {
            self.cluster.fresh(version).await?;
        }
        self.cluster.read(|state| {
            let table = state.table(&resource)?;
            let visible = state.visible();
            let (position, initial) = match self.query.start {
                WatchStart::Initial(_) => {
                    let mut objects = state.objects_at(table, visible, "")?;
                    objects.retain(|object| self.selects(object));
                    (visible, objects)
                }
                WatchStart::Now => (visible, Vec::new()),
                WatchStart::After(version) if version < table.floor => {
                    return Err(Refusal::watch_expired(version, table.floor));
                }
                WatchStart::After(version) => (version, Vec::new()),
            };
            let now = Instant::now();
            // Upstream chooses between 30 and 60 minutes at random; the position varies enough.
            let seconds = self.query.timeout.unwrap_or(1800 + position % 1800);
            let cursor = Cursor {
                position,
                timeline: state.timeline,
                bookmarks_asked: table.bookmarks_asked,
                breaks: table.breaks.len(),
                mark_after: self.marks_end(),
                last_bookmark: now,
                deadline: now + Duration::from_secs(seconds),
                last_call: false,
            };
            Ok((cursor, initial, table.signal.subscribe()))
        })
    }

    /// After how many events beyond the initial ones their end is marked, if at all.
    fn marks_end(&self) -> Option<usize> {
        let events = match self.fault {
            Some((_, Action::EventsBeforeEnd(events))) => events,
            _ => 0,
        };
        (self.query.marked && self.query.bookmarks).then_some(events)
    }

    fn turn(&self, resource: &str, cursor: &mut Cursor) -> Turn {
        self.cluster.read(|state| {
            let Some(table) = state.tables.get(resource) else {
                return Turn {
                    ended: true,
                    ..Turn::default()
                };
            };
            if state.timeline != cursor.timeline {
                return Turn {
                    ended: true,
                    ..Turn::default()
                };
            }
            if cursor.position < table.dropped {
                let refused = Some(Refusal::watch_expired(cursor.position, table.dropped));
                return Turn {
                    refused,
                    ..Turn::default()
                };
            }
            let visible = state.visible();
            let entries: Vec<_> = table
                .entries(cursor.position, visible)
                .take(BATCH)
                .cloned()
                .collect();
            if entries.len() == BATCH {
                return Turn {
                    entries,
                    ..Turn::default()
                };
            }
            let breaks = table.breaks[cursor.breaks..].to_vec();
            cursor.breaks = table.breaks.len();
            let bookmark = table.bookmarks_asked > cursor.bookmarks_asked;
            cursor.bookmarks_asked = table.bookmarks_asked;
            let (ended, caught_up) = (!table.served, Some(visible));
            Turn {
                entries,
                caught_up,
                bookmark,
                breaks,
                ended,
                refused: None,
            }
        })
    }

    fn selects(&self, object: &Object) -> bool {
        (self.namespace.is_empty() || object.metadata("namespace") == self.namespace)
            && self.query.selector.matches(&object.value)
    }

    /// What this watcher sees of a write (cacher `convertToWatchEvent`).
    fn line(&self, entry: &Entry) -> Option<Bytes> {
        let selected = |object: &Option<Arc<Object>>| {
            object
                .as_ref()
                .filter(|object| self.selects(object))
                .cloned()
        };
        match (selected(&entry.previous), selected(&entry.current)) {
            (None, Some(object)) => Some(object.added()),
            (Some(_), Some(object)) => Some(object.modified()),
            (Some(_), None) => Some(entry.deleted()),
            (None, None) => None,
        }
    }

    /// Sends the initial-events-end bookmark when it is due.
    async fn mark(
        &self,
        output: &mut Output,
        cursor: &mut Cursor,
        version: u64,
    ) -> Result<(), Gone> {
        if cursor
            .mark_after
            .is_none_or(|events| output.sent() < events)
        {
            return Ok(());
        }
        cursor.mark_after = None;
        cursor.last_bookmark = Instant::now();
        if let Some((fault, _)) = self.fault {
            output.bite(fault);
        }
        let value = match self.fault {
            Some((_, Action::NoBookmark)) => return Ok(()),
            Some((_, Action::BookmarkFalse)) => "false",
            _ => "true",
        };
        output.raw(self.bookmark_line(version, Some(value))).await
    }

    async fn bookmark(
        &self,
        output: &mut Output,
        cursor: &mut Cursor,
        version: u64,
        asked: bool,
    ) -> Result<(), Gone> {
        let now = Instant::now();
        if now >= cursor.deadline && cursor.last_call {
            return Err(Gone);
        }
        let last = now + LAST_BOOKMARK >= cursor.deadline && !cursor.last_call;
        cursor.last_call |= last;
        let due = asked || last || now >= self.next_bookmark(cursor);
        // Before the initial events are complete, and on a watch that begins in the future, a
        // bookmark would say what is not true.
        let true_one = cursor.mark_after.is_none() && version >= cursor.position;
        if due && true_one && self.query.bookmarks {
            cursor.last_bookmark = now;
            cursor.position = version;
            output.raw(self.bookmark_line(version, None)).await?;
        }
        if now >= cursor.deadline {
            Err(Gone)
        } else {
            Ok(())
        }
    }

    fn next_bookmark(&self, cursor: &Cursor) -> Instant {
        cursor.last_bookmark + self.cluster.options().bookmark_interval
    }

    async fn wait(
        &self,
        output: &Output,
        cursor: &Cursor,
        signal: &mut watch::Receiver<()>,
    ) -> Result<(), Gone> {
        let mut wake = cursor.deadline;
        if !cursor.last_call {
            wake -= LAST_BOOKMARK.min(wake.saturating_duration_since(Instant::now()));
        }
        if self.query.bookmarks && cursor.mark_after.is_none() {
            wake = wake.min(
                self.next_bookmark(cursor)
                    .max(Instant::now() + Duration::from_millis(1)),
            );
        }
        tokio::select! {
            () = output.closed() => Err(Gone),
            changed = signal.changed() => changed.map_err(|_| Gone),
            () = tokio::time::sleep_until(wake) => Ok(()),
        }
    }

    fn bookmark_line(&self, version: u64, end: Option<&str>) -> Bytes {
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if let Some(value) = end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": value });
        }
        event_line("BOOKMARK", &blank(&self.spec, metadata).to_string().into())
    }
}

/// An object of zero values, as bookmarks carry it: compiled-in types show what their encoding
/// doesn't omit, so a pod has `containers: null` (seen on 1.37).
fn blank(spec: &ResourceSpec, metadata: Value) -> Value {
    let mut object = json!({
        "kind": spec.kind, "apiVersion": spec.api_version(), "metadata": metadata,
    });
    let template = json!({ "metadata": {}, "spec": { "containers": null } });
    let (inner, status) = match spec.id().as_str() {
        "pods" => (json!({ "containers": null }), json!({})),
        "namespaces" => (json!({}), json!({})),
        "services" => (json!({}), json!({ "loadBalancer": {} })),
        "nodes" => {
            let endpoints = json!({ "kubeletEndpoint": { "Port": 0 } });
            let info = json!({ "machineID": "", "kubeletVersion": "", "osImage": "" });
            (
                json!({}),
                json!({ "daemonEndpoints": endpoints, "nodeInfo": info }),
            )
        }
        "deployments.apps" => (
            json!({ "replicas": 0, "selector": null, "template": template, "strategy": {} }),
            json!({}),
        ),
        "replicasets.apps" => (
            json!({ "replicas": 0, "selector": null, "template": template }),
            json!({ "replicas": 0 }),
        ),
        _ => return object,
    };
    object["spec"] = inner;
    object["status"] = status;
    object
}

async fn refuse(output: &mut Output, refused: &Refusal) -> Result<(), Gone> {
    output.raw(error_line(refused)).await?;
    output.raw(Bytes::from_static(b"\n")).await?;
    Err(Gone)
}
