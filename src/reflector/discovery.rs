//! What the cluster serves: resources by name, refreshed when a name is unknown or time has passed.

mod parse;

use std::{fmt, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use parking_lot::RwLock;
use tokio::{sync::Mutex, time::Instant};

use super::request::{JSON, RequestError, describe, get_all};
use crate::resource::{Gvr, ResourceInfo, Status};
use parse::{Group, Version};

/// All forms of a root document in the order of liking (KEP-3352).
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                      application/json";

/// What is known is asked for again after this time.
const MAX_AGE: Duration = Duration::from_secs(600);

/// An unknown name makes no more requests than one refresh in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// While the server doesn't answer, known names are served without asking for this time.
const FAILED_PAUSE: Duration = Duration::from_secs(30);

/// How long one document may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Documents of single versions that are asked for at once.
const AT_ONCE: usize = 8;

/// A cache of what the cluster serves. Clones are not needed: share it by reference or `Arc`.
pub struct Discovery {
    client: kube::Client,
    known: RwLock<Arc<Known>>,
    /// Held during a refresh: there is never more than one.
    refresh: Mutex<Attempt>,
}

#[derive(Default)]
struct Known {
    resources: Arc<[ResourceInfo]>,
    /// Groups of which at least one version could not be read.
    failed: Vec<String>,
    read: Option<Instant>,
}

#[derive(Default)]
struct Attempt {
    at: Option<Instant>,
    error: Option<DiscoveryError>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolve {
    /// The plural name of this resource.
    Found(ResourceInfo),
    /// Its kind, a short name or the plural in upper case, where only the plural will do.
    NotPlural(ResourceInfo),
    /// Nothing that this cluster serves.
    NotServed,
}

/// Why a name can't be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// The server didn't answer.
    #[error("the apiserver's resources can't be read: {0}")]
    Unavailable(String),
    /// The group's own server didn't answer; the others are fine.
    #[error("the api group {group:?} doesn't answer; check its APIService")]
    GroupUnavailable {
        /// The group.
        group: String,
    },
}

impl From<RequestError> for DiscoveryError {
    fn from(error: RequestError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Discovery {
    /// A cache that knows nothing yet. Makes no request.
    pub fn new(client: kube::Client) -> Self {
        Self {
            client,
            known: RwLock::default(),
            refresh: Mutex::default(),
        }
    }

    /// Everything that is served, all versions; groups in the server's order, the preferred
    /// version of each first. Groups that don't answer are missing or as they were.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Only as long as nothing is known at all.
    pub async fn resources(&self) -> Result<Arc<[ResourceInfo]>, DiscoveryError> {
        let known = self.known();
        if !is_old(&known) {
            return Ok(known.resources.clone());
        }
        let refreshed = self.refresh(pause(&known)).await;
        let known = self.known();
        match (known.read, refreshed) {
            (None, Err(error)) => Err(error),
            _ => Ok(known.resources.clone()),
        }
    }

    /// What `resource` stands for; `version` may be empty for the preferred one. Unknown names are
    /// looked up afresh, at most once per second.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the name is unknown and the server or the group's server can't be asked.
    pub async fn resolve(
        &self,
        group: &str,
        version: &str,
        resource: &str,
    ) -> Result<Resolve, DiscoveryError> {
        let known = self.known();
        let found = find(&known.resources, group, version, resource);
        let is_found = matches!(found, Resolve::Found(_));
        if is_found && !is_old(&known) {
            return Ok(found);
        }
        let pause = if is_found { pause(&known) } else { PAUSE };
        let refreshed = self.refresh(pause).await;
        let known = self.known();
        match (find(&known.resources, group, version, resource), refreshed) {
            (found @ Resolve::Found(_), _) => Ok(found),
            (_, Err(error)) => Err(error),
            (Resolve::NotServed, Ok(())) if known.failed.iter().any(|f| f == group) => {
                let group = group.to_owned();
                Err(DiscoveryError::GroupUnavailable { group })
            }
            (found, Ok(())) => Ok(found),
        }
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().clone()
    }

    /// Reads everything anew, unless that was tried within `pause`: then the outcome of that try
    /// stands. Callers that come meanwhile wait for the one that is under way.
    async fn refresh(&self, pause: Duration) -> Result<(), DiscoveryError> {
        let mut attempt = self.refresh.lock().await;
        if attempt.at.is_some_and(|at| at.elapsed() < pause) {
            return attempt.error.clone().map_or(Ok(()), Err);
        }
        let outcome = self.read_all().await;
        attempt.at = Some(Instant::now());
        attempt.error = outcome.as_ref().err().cloned();
        *self.known.write() = Arc::new(outcome?);
        Ok(())
    }

    async fn read_all(&self) -> Result<Known, DiscoveryError> {
        let mut groups = self.read_root("/api").await?;
        groups.extend(self.read_root("/apis").await?);
        self.fill(&mut groups).await;

        let before = self.known();
        let mut failed = Vec::new();
        for group in &mut groups {
            for version in &mut group.versions {
                if version.resources.is_none() {
                    version.resources = Some(remembered(&before, &group.name, &version.name));
                    failed.push(group.name.clone());
                }
            }
        }
        failed.dedup();
        Ok(Known {
            resources: parse::flatten(groups).into(),
            failed,
            read: Some(Instant::now()),
        })
    }

    async fn read_root(&self, path: &str) -> Result<Vec<Group>, DiscoveryError> {
        let answer = get_all(&self.client, path, ACCEPT, LIMIT).await?;
        let body = answer.map_err(|status| {
            DiscoveryError::Unavailable(format!("{} for {path}", describe(&status)))
        })?;
        parse::root(&body).ok_or_else(|| {
            DiscoveryError::Unavailable(format!("the answer for {path} is no discovery document"))
        })
    }

    /// Asks for the documents of the versions that the root left open. One that fails stays open.
    async fn fill(&self, groups: &mut [Group]) {
        let open: Vec<(&str, &mut Version)> = groups
            .iter_mut()
            .flat_map(|group| {
                let name = &*group.name;
                group
                    .versions
                    .iter_mut()
                    .map(move |version| (name, version))
            })
            .filter(|(_, version)| version.resources.is_none())
            .collect();
        stream::iter(open)
            .for_each_concurrent(AT_ONCE, |(group, version)| async move {
                version.resources = self.read_version(group, &version.name).await;
            })
            .await;
    }

    async fn read_version(&self, group: &str, version: &str) -> Option<Vec<ResourceInfo>> {
        match read_version(&self.client, group, version).await {
            Ok(Ok(resources)) => resources,
            Ok(Err(status)) => {
                tracing::warn!(group, version, code = status.code, "api group unavailable");
                None
            }
            Err(error) => {
                tracing::warn!(group, version, %error, "api group unavailable");
                None
            }
        }
    }
}

/// Whether the cluster serves a resource, asked afresh; `None` if it can't be asked.
///
/// Cancel safe.
pub(super) async fn is_served(client: &kube::Client, gvr: &Gvr) -> Option<bool> {
    match read_version(client, &gvr.group, &gvr.version).await {
        Ok(Ok(resources)) => Some(resources?.iter().any(|info| info.gvr == *gvr)),
        // The last resource of a version takes its document along.
        Ok(Err(status)) => (status.code == 404).then_some(false),
        Err(_) => None,
    }
}

/// The resources of one version; `Ok(Ok(None))` if the document can't be read.
async fn read_version(
    client: &kube::Client,
    group: &str,
    version: &str,
) -> Result<Result<Option<Vec<ResourceInfo>>, Status>, RequestError> {
    let path = if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    };
    let answer = get_all(client, &path, JSON, LIMIT).await?;
    Ok(answer.map(|body| parse::version(group, version, &body)))
}

/// How long after a try for what is known already the next one may follow.
fn pause(known: &Known) -> Duration {
    if known.read.is_some() {
        FAILED_PAUSE
    } else {
        PAUSE
    }
}

fn is_old(known: &Known) -> bool {
    known.read.is_none_or(|read| read.elapsed() > MAX_AGE)
}

/// What was known of a version before.
fn remembered(before: &Known, group: &str, version: &str) -> Vec<ResourceInfo> {
    let same = |info: &&ResourceInfo| info.gvr.group == group && info.gvr.version == version;
    before.resources.iter().filter(same).cloned().collect()
}

fn find(resources: &[ResourceInfo], group: &str, version: &str, name: &str) -> Resolve {
    let here = |info: &&ResourceInfo| {
        let wanted = if version.is_empty() {
            info.preferred
        } else {
            info.gvr.version == version
        };
        info.gvr.group == group && wanted
    };
    let other_name = |info: &&ResourceInfo| info.is_alias(name);
    let mut candidates = resources.iter().filter(here);
    if let Some(info) = candidates.clone().find(|info| info.gvr.resource == name) {
        return Resolve::Found(info.clone());
    }
    candidates
        .find(other_name)
        .map_or(Resolve::NotServed, |info| Resolve::NotPlural(info.clone()))
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery")
            .field("resources", &self.known().resources.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
