//! Reads of old positions, for readers that resume from before the watch cache's history.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Delta, ReflectorOptions, ReflectorStats,
    connection::{Connection, Ears},
    decode::Decoder,
    machine::{Input, Line},
    request::{Answer, JSON, ListQuery, RequestError, describe, get, get_all, list_uri, watch_uri},
    run::decode_page,
    sink::Silent,
};
use crate::resource::{Object, ResourceVersion, Source, Status, UpstreamEvent};

/// `timeoutSeconds` of a replay. Servers send a bookmark two seconds before the end, which proves
/// that nothing is missing when no event does.
const REPLAY: Duration = Duration::from_secs(5);

/// A replay with more to tell than fits into `REPLAY` is given up after this time.
const REPLAY_LIMIT: Duration = Duration::from_secs(20);

/// Reads states and changes of the past of one resource.
#[derive(Clone)]
pub struct Fetcher {
    /// Client without retries of its own.
    pub client: kube::Client,
    /// The resource, in the whole cluster or in one namespace.
    pub source: Source,
    /// Limits and times; the same as the reflector's.
    pub options: ReflectorOptions,
}

/// Why a read of the past failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The position is not (or no longer) in the server's history.
    #[error("the position is not in the apiserver's history")]
    Expired,
    /// 403: the daemon may not list or watch the resource.
    #[error("the daemon may not list and watch the resource")]
    Forbidden,
    /// The server could not be asked or its answer not be read; worth another try later.
    #[error("the apiserver can't be asked: {0}")]
    Unavailable(String),
}

impl From<RequestError> for FetchError {
    fn from(error: RequestError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Status> for FetchError {
    fn from(status: Status) -> Self {
        // A version in the server's future can't be listed either: the cluster was replaced.
        if status.is_expired() || super::machine::is_too_large(&status) {
            return Self::Expired;
        }
        if status.code == 403 {
            return Self::Forbidden;
        }
        Self::Unavailable(describe(&status))
    }
}

impl Fetcher {
    /// The complete state at exactly `version` (`resourceVersionMatch=Exact`), sorted by key.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`FetchError::Expired`] if that state can't be had any more.
    pub async fn exact_list(
        &self,
        version: &ResourceVersion,
    ) -> Result<(Vec<Arc<Object>>, ResourceVersion), FetchError> {
        let decoder = self.decoder();
        let mut objects = Vec::new();
        let mut continue_token: Option<String> = None;
        loop {
            let uri = list_uri(
                &self.source,
                &ListQuery {
                    limit: Some(self.options.page_limit),
                    continue_token: continue_token.as_deref(),
                    exact: continue_token.is_none().then_some(version),
                },
            );
            let limit = self.options.response_timeout;
            let body = get_all(&self.client, &uri, JSON, limit).await??;
            let page = decode_page(&decoder, body)
                .await
                .map_err(|error| FetchError::Unavailable(error.to_string()))?;
            if page.version != *version {
                // The server took the version for a hint; this is not the state asked for.
                return Err(FetchError::Expired);
            }
            objects.extend(page.objects);
            continue_token = page.continue_token;
            if continue_token.is_none() {
                objects.sort_by(|a, b| a.key().cmp(b.key()));
                return Ok((objects, page.version));
            }
        }
    }

    /// The version that the cluster's store is at now, by a list of one object.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`FetchError::Unavailable`] if the server can't be asked.
    pub async fn current_version(&self) -> Result<ResourceVersion, FetchError> {
        let query = ListQuery {
            limit: Some(1),
            ..ListQuery::default()
        };
        let uri = list_uri(&self.source, &query);
        let body = get_all(&self.client, &uri, JSON, self.options.response_timeout).await??;
        let page = decode_page(&self.decoder(), body)
            .await
            .map_err(|error| FetchError::Unavailable(error.to_string()))?;
        Ok(page.version)
    }

    /// The changes after `from` up to and including `until`, in order, without bookmarks.
    ///
    /// Returns as soon as an event or a bookmark at or above `until` has come: at once if `until`
    /// is the version of an event, else within seconds, with the server's bookmark. Versions must
    /// be ordered. Cancel safe.
    ///
    /// A busy apiserver closes watches whose reader falls behind (`cacheWatcher` in apiserver's
    /// `pkg/storage/cacher`); what had come is whole, and another watch goes on after it.
    ///
    /// # Errors
    /// [`FetchError::Expired`] if `from` is no longer in the history; `Unavailable` if a watch
    /// ended before `until` without any event: what came is not told, for it may not be all.
    pub async fn replay(
        &self,
        from: &ResourceVersion,
        until: &ResourceVersion,
    ) -> Result<Vec<Delta>, FetchError> {
        if !until.is_after(from) {
            return Ok(Vec::new());
        }
        let mut replay = Replay::new(from, until);
        let deadline = Instant::now() + REPLAY_LIMIT;
        loop {
            let had = replay.deltas.len();
            if self.go_on(&mut replay, deadline).await? {
                return Ok(replay.deltas);
            }
            if replay.deltas.len() == had {
                return Err(FetchError::Unavailable("the replay ended early".to_owned()));
            }
        }
    }

    /// One watch of a replay; false if it ended before the replay was complete.
    async fn go_on(&self, replay: &mut Replay<'_>, deadline: Instant) -> Result<bool, FetchError> {
        let uri = watch_uri(&self.source, Some(replay.position()), REPLAY);
        let limit = self.options.response_timeout;
        let response = match get(&self.client, &uri, JSON, limit).await? {
            Answer::Accepted(response) => response,
            Answer::Refused(status) => return Err(status.into()),
        };
        let (decoder, stats) = (self.decoder(), ReflectorStats::default());
        let ears = Ears {
            decoder: &decoder,
            options: &self.options,
            sink: &Silent,
            stats: &stats,
        };
        let mut connection = Connection::new(response.into_body(), self.options.max_line);
        loop {
            let input = tokio::time::timeout_at(deadline, connection.read(false, &ears)).await;
            let Ok(Input::Lines { lines, .. }) = input else {
                return Ok(false);
            };
            for line in lines {
                if replay.take(line)? {
                    return Ok(true);
                }
            }
        }
    }

    fn decoder(&self) -> Decoder {
        Decoder::new(self.source.info(), self.options.keep_managed_fields)
    }
}

/// What a replay has gathered.
struct Replay<'a> {
    from: &'a ResourceVersion,
    until: &'a ResourceVersion,
    deltas: Vec<Delta>,
}

impl<'a> Replay<'a> {
    fn new(from: &'a ResourceVersion, until: &'a ResourceVersion) -> Self {
        Self {
            from,
            until,
            deltas: Vec::new(),
        }
    }

    /// Everything up to here has come.
    fn position(&self) -> &ResourceVersion {
        self.deltas.last().map_or(self.from, Delta::version)
    }

    /// Takes a line; true when nothing is missing any more.
    fn take(&mut self, line: Line) -> Result<bool, FetchError> {
        let event = line.map_err(|error| FetchError::Unavailable(error.to_string()))?;
        let delta = match event {
            UpstreamEvent::Added(object) => Delta::Added(object),
            UpstreamEvent::Modified(object) => Delta::Modified(object),
            UpstreamEvent::Deleted(object) => Delta::Deleted(object),
            UpstreamEvent::Bookmark { version, .. } => {
                return Ok(!self.until.is_after(&version));
            }
            UpstreamEvent::Error(status) => return Err(status.into()),
        };
        let last = self.position();
        if !delta.version().is_after(last) {
            // A replay below the position is harmless, a step back within it isn't.
            return if self.deltas.is_empty() || delta.version() == last {
                Ok(false)
            } else {
                let text = "the replay is out of order";
                Err(FetchError::Unavailable(text.to_owned()))
            };
        }
        if delta.version().is_after(self.until) {
            return Ok(true);
        }
        let complete = delta.version() == self.until;
        self.deltas.push(delta);
        Ok(complete)
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
