//! The truth from a real apiserver: a list and a watch of its own, read as plain JSON, beside and
//! independent of the daemon's.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{AsyncBufReadExt, TryStreamExt};
use kube::Client;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::evaluate::object_key;
use crate::trace::{Commit, Truth};

/// Why the truth could not be recorded. The run is then worthless: there is nothing to judge by.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// A request failed.
    #[error("the list or watch for the truth failed: {0}")]
    Request(#[from] kube::Error),
    /// The watch broke off.
    #[error("the watch for the truth broke off after version {after}: {why}")]
    Broken {
        /// The last version seen.
        after: u64,
        /// What ended it.
        why: String,
    },
    /// An answer was not what the Kubernetes API promises.
    #[error("the apiserver's answer lacks {0}; check the path of the resource")]
    Malformed(&'static str),
    /// The recording task panicked or was cancelled.
    #[error("the recording of the truth died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// How long an apiserver may be away from a [`TruthWatcher::lasting`].
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);

/// Records the history of one resource of a real apiserver.
#[derive(Debug)]
pub struct TruthWatcher {
    until: watch::Sender<Option<u64>>,
    reopened: Arc<AtomicU64>,
    present: Present,
    task: JoinHandle<Result<Truth, TruthError>>,
}

/// The versions of the objects that a [`TruthWatcher`] knows of, by key.
type Known = Arc<Mutex<HashMap<String, u64>>>;

/// Compares what was recorded so far with the apiserver.
#[derive(Clone)]
pub struct Present {
    client: Client,
    path: String,
    resource: String,
    known: Known,
}

impl Present {
    /// Whether everything that is written now has been recorded.
    ///
    /// # Errors
    /// If the list fails.
    pub async fn is_recorded(&self) -> Result<bool, TruthError> {
        let state = list(&self.client, &self.path, &self.resource).await?;
        let listed = state.known.lock();
        Ok(*listed == *self.known.lock())
    }
}

impl std::fmt::Debug for Present {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Present").field("path", &self.path).finish()
    }
}

impl TruthWatcher {
    /// Lists `path` (for example `/api/v1/namespaces/x/configmaps`) and watches it from there.
    /// Objects that exist already become creations at their own resourceVersion; writes after
    /// the return are recorded one by one. `resource` names it in messages.
    ///
    /// # Errors
    /// If the list or the opening of the watch fails.
    pub async fn start(client: Client, path: &str, resource: &str) -> Result<Self, TruthError> {
        let mut recording = list(&client, path, resource).await?;
        let lines = open(&client, path, recording.seen).await?;
        let (until, mut target) = watch::channel(None);
        let present = recording.present(&client, path);
        let task = tokio::spawn(async move {
            follow(&mut recording, lines, &mut target).await?;
            Ok(recording.truth)
        });
        let reopened = Arc::default();
        Ok(Self {
            until,
            reopened,
            present,
            task,
        })
    }

    /// The same for an apiserver that the test stops and starts: when the watch breaks, the state
    /// afterwards must be the one that is known, and the recording goes on from there. So nothing
    /// may be written from the stop until [`reopened`](Self::reopened) has counted it, and the
    /// stop must wait until the [`present`](Self::present) is recorded.
    ///
    /// # Errors
    /// If the list or the opening of the watch fails.
    pub async fn lasting(client: Client, path: &str, resource: &str) -> Result<Self, TruthError> {
        let mut recording = list(&client, path, resource).await?;
        let mut lines = open(&client, path, recording.seen).await?;
        let (until, mut target) = watch::channel(None);
        let present = recording.present(&client, path);
        let (path, resource) = (path.to_owned(), resource.to_owned());
        let reopened = Arc::new(AtomicU64::new(0));
        let counted = reopened.clone();
        let task = tokio::spawn(async move {
            while let Err(error) = follow(&mut recording, lines, &mut target).await {
                let again = async {
                    loop {
                        if let Ok(state) = list(&client, &path, &resource).await
                            && let Ok(lines) = open(&client, &path, state.seen).await
                        {
                            return (state, lines);
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                };
                let (state, again) = tokio::time::timeout(PATIENCE, again)
                    .await
                    .map_err(|_| error)?;
                if state.objects != recording.objects {
                    return Err(recording.broken("something was written while it was broken"));
                }
                recording.seen = state.seen;
                lines = again;
                counted.fetch_add(1, Ordering::AcqRel);
            }
            Ok(recording.truth)
        });
        Ok(Self {
            until,
            reopened,
            present,
            task,
        })
    }

    /// Tells whether the recording is behind.
    #[must_use]
    pub fn present(&self) -> Present {
        self.present.clone()
    }

    /// How often the watch broke and was opened again.
    #[must_use]
    pub fn reopened(&self) -> u64 {
        self.reopened.load(Ordering::Acquire)
    }

    /// Ends the recording once everything up to `version` was seen, and returns the history.
    /// Write something last and give its version: without it nothing may ever arrive.
    ///
    /// # Errors
    /// If the watch broke at any time before.
    pub async fn stop_at(self, version: u64) -> Result<Truth, TruthError> {
        self.until.send_replace(Some(version));
        self.task.await?
    }
}

fn request(uri: &str) -> http::Request<Vec<u8>> {
    http::Request::get(uri)
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::ACCEPT_ENCODING, "identity")
        .body(Vec::new())
        .expect("the path of a resource is a valid uri")
}

/// Opens the watch after `version`.
async fn open(
    client: &Client,
    path: &str,
    version: u64,
) -> Result<impl futures::Stream<Item = std::io::Result<String>> + Unpin + use<>, TruthError> {
    let uri = format!(
        "{path}?watch=1&allowWatchBookmarks=true&timeoutSeconds=86400&resourceVersion={version}"
    );
    Ok(client.request_stream(request(&uri)).await?.lines())
}

struct Recording {
    truth: Truth,
    objects: HashMap<String, Value>,
    known: Known,
    /// The version up to which everything is known.
    seen: u64,
}

async fn list(client: &Client, path: &str, resource: &str) -> Result<Recording, TruthError> {
    let text = client.request_text(request(path)).await?;
    let mut list: Value =
        serde_json::from_str(&text).map_err(|_| TruthError::Malformed("a JSON body"))?;
    let seen = version_of(&list)?;
    let api_version = list["apiVersion"].clone();
    let kind = list["kind"]
        .as_str()
        .and_then(|kind| kind.strip_suffix("List"));
    let kind = Value::from(kind.ok_or(TruthError::Malformed("a kind that ends in List"))?);
    let truth = Truth {
        resource: resource.to_owned(),
        commits: Vec::new(),
    };
    let mut recording = Recording {
        truth,
        objects: HashMap::new(),
        known: Known::default(),
        seen,
    };
    // The items of an empty list may be null.
    let items = list["items"]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_default();
    for mut item in items {
        // Items of a list lack what is the same for all of them.
        for (field, value) in [("apiVersion", &api_version), ("kind", &kind)] {
            let fields = item
                .as_object_mut()
                .ok_or(TruthError::Malformed("objects as items"))?;
            fields.entry(field).or_insert_with(|| value.clone());
        }
        recording.record(item, false)?;
    }
    recording.truth.commits.sort_by_key(|commit| commit.version);
    recording.seen = seen;
    Ok(recording)
}

impl Recording {
    fn present(&self, client: &Client, path: &str) -> Present {
        Present {
            client: client.clone(),
            path: path.to_owned(),
            resource: self.truth.resource.clone(),
            known: self.known.clone(),
        }
    }

    /// Records a write; `object` is the state after it, or the last one before a deletion.
    fn record(&mut self, object: Value, deleted: bool) -> Result<(), TruthError> {
        let version = version_of(&object)?;
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or("").to_owned();
        let (namespace, name, uid) = (text("namespace"), text("name"), text("uid"));
        if name.is_empty() {
            return Err(TruthError::Malformed("metadata.name"));
        }
        let key = object_key(&namespace, &name);
        let previous = self.objects.remove(&key);
        let current = if deleted { None } else { Some(object) };
        match &current {
            Some(value) => {
                self.known.lock().insert(key.clone(), version);
                self.objects.insert(key, value.clone());
            }
            None => drop(self.known.lock().remove(&key)),
        }
        self.truth.commits.push(Commit {
            version,
            namespace,
            name,
            uid,
            previous,
            current,
        });
        self.seen = self.seen.max(version);
        Ok(())
    }

    /// Takes one line of the watch.
    fn line(&mut self, line: &str) -> Result<(), TruthError> {
        let mut event: Value =
            serde_json::from_str(line).map_err(|error| self.broken(&error.to_string()))?;
        let object = event["object"].take();
        match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => self.record(object, false),
            Some("DELETED") => self.record(object, true),
            Some("BOOKMARK") => {
                self.seen = self.seen.max(version_of(&object)?);
                Ok(())
            }
            _ => Err(self.broken(line)),
        }
    }

    fn broken(&self, why: &str) -> TruthError {
        TruthError::Broken {
            after: self.seen,
            why: why.to_owned(),
        }
    }
}

fn version_of(object: &Value) -> Result<u64, TruthError> {
    let version = object["metadata"]["resourceVersion"].as_str();
    version
        .and_then(|text| text.parse().ok())
        .ok_or(TruthError::Malformed("a resourceVersion"))
}

async fn follow<L>(
    recording: &mut Recording,
    mut lines: L,
    target: &mut watch::Receiver<Option<u64>>,
) -> Result<(), TruthError>
where
    L: futures::Stream<Item = std::io::Result<String>> + Unpin,
{
    loop {
        if target
            .borrow_and_update()
            .is_some_and(|version| recording.seen >= version)
        {
            return Ok(());
        }
        tokio::select! {
            line = lines.try_next() => match line {
                Ok(Some(line)) => recording.line(&line)?,
                Ok(None) => return Err(recording.broken("the apiserver closed it")),
                Err(error) => return Err(recording.broken(&error.to_string())),
            },
            changed = target.changed() => {
                if changed.is_err() {
                    return Err(recording.broken("its owner dropped it"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
