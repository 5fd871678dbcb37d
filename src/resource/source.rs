//! What one watch upstream is about: a resource in the whole cluster, or in one namespace.

use std::{collections::BTreeSet, fmt, sync::Arc};

use thiserror::Error;

use super::{Gvr, ResourceInfo};

/// Served namespaces that an error names; what doesn't fit is counted.
const SHOWN: usize = 4;

/// One collection that is listed and watched.
///
/// Only a [`Reach`] makes one, so that no namespace stands in a URL but those that the operator
/// has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    info: ResourceInfo,
    namespace: Option<Arc<str>>,
}

/// Tells sources apart: the resource, and the namespace if it is only one.
pub type SourceKey = (Gvr, Option<Arc<str>>);

impl Source {
    /// The resource.
    pub fn info(&self) -> &ResourceInfo {
        &self.info
    }

    /// The resource's name.
    pub fn gvr(&self) -> &Gvr {
        &self.info.gvr
    }

    /// The namespace; `None` for the whole cluster.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// What tells it apart.
    pub fn key(&self) -> SourceKey {
        (self.info.gvr.clone(), self.namespace.clone())
    }

    /// Its path: `/api/v1/pods`, `/apis/apps/v1/namespaces/shop/deployments`.
    ///
    /// Callers hold a source only after discovery has confirmed the resource, and the namespace is
    /// the operator's, so no text of a subscriber ever becomes part of a path.
    pub fn collection_path(&self) -> String {
        let Gvr {
            group,
            version,
            resource,
        } = &self.info.gvr;
        let mut path = match group.as_str() {
            "" => format!("/api/{version}/"),
            group => format!("/apis/{group}/{version}/"),
        };
        if let Some(namespace) = &self.namespace {
            path.push_str("namespaces/");
            path.push_str(namespace);
            path.push('/');
        }
        path + resource
    }

    /// The rights' view of it, in which versions don't matter: `deployments.apps in namespace shop`.
    pub fn subject(&self) -> String {
        let Gvr {
            group, resource, ..
        } = &self.info.gvr;
        let mut text = resource.clone();
        if !group.is_empty() {
            text.push('.');
            text.push_str(group);
        }
        if let Some(namespace) = &self.namespace {
            text.push_str(" in namespace ");
            text.push_str(namespace);
        }
        text
    }
}

/// `deployments.apps/v1`, `deployments.apps/v1 in namespace shop`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info.gvr.fmt(f)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// Where objects of namespaced resources are looked for. The default is the whole cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Empty for the whole cluster.
    namespaces: BTreeSet<Arc<str>>,
}

/// Why an entry of a list of namespaces is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no namespace; write names such as shop, separated by commas")]
pub struct ReachError(String);

/// Why no watch upstream covers what a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OutOfReach {
    /// It names no namespace, so it means all. Whoever may read all is told which are served.
    #[error(
        "this daemon doesn't reach all namespaces, it serves {served}; \
         name one of them, and open one watch for each"
    )]
    All {
        /// Those that are served.
        served: String,
    },
    /// It names several.
    #[error(
        "this daemon watches each namespace by itself, and their watches share no order; \
         name one namespace, and open one watch for each"
    )]
    Several,
    /// It names one that isn't served.
    ///
    /// The names of others are not told: whoever asks may read this one, and no more.
    #[error(
        "this daemon doesn't serve the namespace {asked}; it serves single namespaces that \
         its operator has named"
    )]
    Other {
        /// The one that was asked for.
        asked: String,
    },
}

impl Reach {
    /// Reads the names of namespaces. No name means the whole cluster.
    ///
    /// # Errors
    /// An entry is no name of a namespace.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, ReachError> {
        let parse = |name: &S| {
            let name = name.as_ref().trim();
            let fits = is_dns_label(name);
            fits.then(|| Arc::from(name))
                .ok_or_else(|| ReachError(name.to_owned()))
        };
        let namespaces = names.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { namespaces })
    }

    /// The source of a resource's objects in the namespaces that a request names; none means all.
    ///
    /// # Errors
    /// See [`OutOfReach`]. Never where the reach is the whole cluster, nor for resources that
    /// don't live in namespaces.
    pub fn source<S: AsRef<str>>(
        &self,
        info: &ResourceInfo,
        asked: &[S],
    ) -> Result<Source, OutOfReach> {
        let namespace = if self.namespaces.is_empty() || !info.namespaced {
            None
        } else {
            Some(self.one(asked)?)
        };
        Ok(Source {
            info: info.clone(),
            namespace,
        })
    }

    /// The namespaces in which a resource's objects are looked for, each by itself; none for the
    /// whole cluster.
    pub fn namespaces(&self, info: &ResourceInfo) -> Vec<Arc<str>> {
        let apart = info.namespaced.then(|| self.namespaces.iter().cloned());
        apart.into_iter().flatten().collect()
    }

    /// The operator's own copy of the one name that is asked for.
    fn one<S: AsRef<str>>(&self, asked: &[S]) -> Result<Arc<str>, OutOfReach> {
        match asked {
            [] => Err(OutOfReach::All {
                served: self.to_string(),
            }),
            [one] => {
                let one = one.as_ref();
                self.namespaces
                    .get(one)
                    .cloned()
                    .ok_or_else(|| OutOfReach::Other {
                        asked: one.to_owned(),
                    })
            }
            _ => Err(OutOfReach::Several),
        }
    }
}

/// `all namespaces`, `shop`, `a, b, c, d and 3 more`.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespaces.is_empty() {
            return f.write_str("all namespaces");
        }
        let shown: Vec<&str> = self.namespaces.iter().take(SHOWN).map(|n| &**n).collect();
        f.write_str(&shown.join(", "))?;
        match self.namespaces.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

/// A DNS label of RFC 1123, which is what names of namespaces are.
fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(group: &str, resource: &str, namespaced: bool) -> ResourceInfo {
        ResourceInfo {
            gvr: Gvr::new(group, "v1", resource),
            kind: "Thing".into(),
            namespaced,
            watchable: true,
            preferred: true,
            short_names: vec![],
        }
    }

    fn path(reach: &Reach, info: &ResourceInfo, asked: &[&str]) -> Result<String, String> {
        let source = reach.source(info, asked);
        source
            .map(|source| source.collection_path())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_whole_cluster_is_one_collection() {
        let reach = Reach::parse::<&str>(&[]).expect("valid");
        for asked in [&[][..], &["a"], &["a", "b"]] {
            let pods = path(&reach, &info("", "pods", true), asked);
            assert_eq!(pods.as_deref(), Ok("/api/v1/pods"));
            let deployments = path(&reach, &info("apps", "deployments", true), asked);
            assert_eq!(deployments.as_deref(), Ok("/apis/apps/v1/deployments"));
        }
    }

    #[test]
    fn each_served_namespace_is_one() {
        let reach = Reach::parse(&["b", " a", "b"]).expect("valid");
        let pods = info("", "pods", true);
        let own = path(&reach, &pods, &["a"]);
        assert_eq!(own.as_deref(), Ok("/api/v1/namespaces/a/pods"));
        let apps = path(&reach, &info("apps", "deployments", true), &["b"]);
        assert_eq!(
            apps.as_deref(),
            Ok("/apis/apps/v1/namespaces/b/deployments")
        );
        let nodes = path(&reach, &info("", "nodes", false), &[]);
        assert_eq!(nodes.as_deref(), Ok("/api/v1/nodes"));
        let refused = |asked: &[&str]| path(&reach, &pods, asked).expect_err("out of reach");
        assert_eq!(
            refused(&[]),
            "this daemon doesn't reach all namespaces, it serves a, b; \
             name one of them, and open one watch for each"
        );
        assert!(refused(&["a", "b"]).contains("share no order"));
        assert_eq!(
            refused(&["c"]),
            "this daemon doesn't serve the namespace c; it serves single namespaces that \
             its operator has named"
        );
    }

    #[test]
    fn sources_say_what_they_are() {
        let reach = Reach::parse(&["shop"]).expect("valid");
        let source = |info: &ResourceInfo, asked: &[&str]| reach.source(info, asked);
        let own = source(&info("apps", "deployments", true), &["shop"]).expect("served");
        assert_eq!(own.to_string(), "deployments.apps/v1 in namespace shop");
        assert_eq!(own.subject(), "deployments.apps in namespace shop");
        let nodes = source(&info("", "nodes", false), &[]).expect("served");
        assert_eq!(
            (nodes.to_string(), nodes.subject()),
            ("nodes/v1".into(), "nodes".into())
        );
    }

    #[test]
    fn a_list_of_namespaces_is_short_when_shown() {
        let names: Vec<String> = (0..9).map(|n| format!("n{n}")).collect();
        let shown = |count| Reach::parse(&names[..count]).expect("valid").to_string();
        assert_eq!(shown(0), "all namespaces");
        assert_eq!(shown(4), "n0, n1, n2, n3");
        assert_eq!(shown(9), "n0, n1, n2, n3 and 5 more");
    }

    #[test]
    fn no_entry_is_a_piece_of_a_path() {
        for bad in ["", "*", "A", "a/b", "..", "a.b", "-a", "a-", "a b", "a%2f"] {
            assert!(Reach::parse(&[bad]).is_err(), "{bad:?}");
        }
        assert!(Reach::parse(&["a".repeat(64)]).is_err());
    }
}
