//! Names of resources.

use std::fmt;

/// Group, version and plural name of a resource, with the version always filled in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvr {
    /// API group; empty for the core group.
    pub group: String,
    /// API version, for example `v1`.
    pub version: String,
    /// Plural name, for example `pods`.
    pub resource: String,
}

impl Gvr {
    /// Makes a name out of its parts.
    pub fn new(
        group: impl Into<String>,
        version: impl Into<String>,
        resource: impl Into<String>,
    ) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            resource: resource.into(),
        }
    }

    /// The value of `apiVersion` in objects of this resource: `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// `pods`, `deployments.apps` as people write it, with the version behind: `deployments.apps/v1`.
impl fmt::Display for Gvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        write!(f, "/{}", self.version)
    }
}

/// What discovery says about a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceInfo {
    /// Its name.
    pub gvr: Gvr,
    /// The kind of its objects, for example `Pod`.
    pub kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether the apiserver offers list and watch.
    pub watchable: bool,
    /// Whether this is the version that the cluster prefers for the resource.
    pub preferred: bool,
    /// Short names, for example `po`.
    pub short_names: Vec<String>,
}

impl ResourceInfo {
    /// Whether `word` is another name of the resource: its kind, singular or plural in any case,
    /// or a short name. The plural itself is one too.
    pub fn is_alias(&self, word: &str) -> bool {
        let names = [&self.kind, &self.gvr.resource];
        names.iter().any(|name| name.eq_ignore_ascii_case(word))
            || self.short_names.iter().any(|short| short == word)
    }
}
