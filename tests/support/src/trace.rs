//! What happened, in the words of no one side: the truth from the apiserver's side, the requests
//! made upstream, and what each subscriber received. Validators read nothing else.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One committed write, as the apiserver saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The resourceVersion of the write (for a deletion, that of the deletion).
    pub version: u64,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid of the object written or deleted.
    pub uid: String,
    /// State before; `None` for a creation.
    pub previous: Option<Value>,
    /// State after; `None` for a deletion.
    pub current: Option<Value>,
}

/// The whole history of one resource, from its first write.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Plural name and group, for messages only, for example `pods` or `deployments.apps`.
    pub resource: String,
    /// All writes by ascending version.
    pub commits: Vec<Commit>,
}

impl Truth {
    /// The history as those may see it who read secrets: nothing of them stands in an annotation.
    #[must_use]
    pub fn without_last_applied(mut self) -> Self {
        for commit in &mut self.commits {
            for state in [&mut commit.previous, &mut commit.current] {
                let annotations = state.as_mut().and_then(|state| {
                    state
                        .get_mut("metadata")?
                        .get_mut("annotations")?
                        .as_object_mut()
                });
                if let Some(annotations) = annotations {
                    // The order of the others is part of the promise.
                    annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
                }
            }
        }
        self
    }
}

/// One request as it reached the apiserver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpstreamRequest {
    /// Plural name and group of the resource; empty for discovery and other paths.
    pub resource: String,
    /// `list`, `watch`, `get` or `other`.
    pub verb: String,
    /// Path and query.
    pub uri: String,
    /// Answered status.
    pub status: u16,
    /// When it arrived, since the start of the run.
    pub started: Duration,
    /// When its answer ended; `None` while it is open.
    pub ended: Option<Duration>,
}

/// What a subscriber asked for, as far as it decides what it must receive.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// Exact namespaces; empty means all.
    pub namespaces: Vec<String>,
    /// Exact names; empty means all.
    pub names: Vec<String>,
    /// Kubernetes label selector.
    pub label_selector: String,
    /// Kubernetes field selector over any path.
    pub field_selector: String,
    /// `ADDED`, `MODIFIED`, `DELETED`; empty means all.
    pub event_types: Vec<String>,
}

/// Where a subscription began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Start {
    /// With the current objects.
    Snapshot,
    /// With the next change.
    Now,
    /// After a resourceVersion.
    Version(u64),
    /// After the position of a token that this or another recorded stream received.
    Token(String),
}

/// One frame as it was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Frame {
    /// The stream is established.
    Started {
        /// `SNAPSHOT`, `RESUMED`, `RESYNCED` or `FROM_NOW`.
        outcome: String,
        /// The epoch.
        epoch: String,
    },
    /// An event.
    Event(Event),
    /// The snapshot is complete.
    SnapshotEnd {
        /// Its version.
        version: u64,
        /// Continues after it.
        token: String,
        /// How many objects it delivered.
        count: u64,
    },
    /// Nothing was missed up to here.
    Bookmark {
        /// The position.
        version: u64,
        /// Continues from it.
        token: String,
    },
    /// Forget everything.
    Reset {
        /// Why.
        reason: String,
        /// The epoch that begins.
        epoch: String,
    },
    /// Upstream became `HEALTHY` or `DEGRADED`.
    UpstreamState(String),
    /// The server is about to stop.
    Draining,
}

/// An event as it was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub kind: String,
    /// `CHANGE`, `SNAPSHOT`, `ENTERED`, `LEFT` or `RESYNC`.
    pub cause: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// The version of the change.
    pub version: u64,
    /// Continues after it; may be empty.
    pub token: String,
    /// The object's JSON text, byte for byte.
    pub object: String,
    /// The previous state's JSON text; empty unless asked for.
    pub old_object: String,
}

/// One stream from its request to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamTrace {
    /// Names the subscriber; several streams of one subscriber follow one another by token.
    pub subscriber: String,
    /// The filter asked for.
    pub filter: Filter,
    /// The start asked for.
    pub start: Start,
    /// Longest silence asked for.
    pub bookmark_interval: Duration,
    /// Frames with the time of their arrival since the start of the run.
    pub frames: Vec<(Duration, Frame)>,
    /// How the stream ended; `None` if the client left it.
    pub end: Option<End>,
    /// The planned length asked for; only such a stream may end with OK.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// When the stream ended or its recording stopped, since the start of the run; `None` if
    /// unknown. Silence after the last frame is measured up to here.
    #[serde(default)]
    pub ended: Option<Duration>,
}

/// The status that a server gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// gRPC code, for example `UNAVAILABLE`.
    pub code: String,
    /// `ErrorInfo.reason`.
    pub reason: String,
    /// The text.
    pub message: String,
}

/// Everything that one run recorded about one resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What really happened.
    pub truth: Truth,
    /// What was asked upstream; empty if the upstream keeps no record.
    pub requests: Vec<UpstreamRequest>,
    /// What was received.
    pub streams: Vec<StreamTrace>,
    /// Where the upstream is known to have broken the daemon's history.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// The histories that a rewind ended, oldest first; `truth` is the one in force at the end.
    #[serde(default)]
    pub rewound: Vec<Truth>,
    /// What subscribers may see, by their names, where a scenario says so.
    #[serde(default)]
    pub rights: BTreeMap<String, Rights>,
}

/// What a subscriber may see.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rights {
    /// These objects; event types mean nothing here.
    pub filter: Filter,
    /// The first write after the rights had ended for all to see, if they have.
    pub ended_at: Option<u64>,
}

/// A range in which the daemon may have had to compare two states instead of following the
/// history (upstream answered 410). A stream whose filter sees no difference between the two
/// states shows no trace of it, and what came and went inside is rightly absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The daemon's position before the break was at or after this version.
    pub from: u64,
    /// Its position after the break was at or before this version.
    pub to: u64,
}
