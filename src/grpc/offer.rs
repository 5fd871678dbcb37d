//! What this daemon offers: what the cluster serves, minus what the operator has not enabled.

use std::{collections::BTreeSet, fmt};

use thiserror::Error;
use tonic::{Code, Status};

use super::status::{invalid, refuse, retry};
use crate::{
    access::{Grant, Named, Permit},
    proto::v1,
    reflector::{Discovery, Resolve},
    resource::ResourceInfo,
    selector::echo,
};

/// Which resources may be watched here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowList {
    /// Everything that can be watched, except secrets.
    AllButSecrets,
    /// These only, as (group, plural).
    Only(BTreeSet<(String, String)>),
}

/// Why an entry of an allow list is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no resource; write the plural, with its group behind a dot: pods, deployments.apps"
)]
pub struct AllowListError(String);

impl AllowList {
    /// Reads entries such as `pods` and `deployments.apps`. No entry means everything but secrets.
    ///
    /// # Errors
    /// An entry is no resource name.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, AllowListError> {
        if entries.is_empty() {
            return Ok(Self::AllButSecrets);
        }
        let parse = |entry: &S| {
            let entry = entry.as_ref().trim();
            let (resource, group) = match entry.split_once('.') {
                Some((resource, group)) => (resource, Some(group)),
                None => (entry, None),
            };
            let fits = is_label(resource) && group.is_none_or(|g| g.split('.').all(is_label));
            let group = group.unwrap_or_default();
            fits.then(|| (group.to_owned(), resource.to_owned()))
                .ok_or_else(|| AllowListError(entry.to_owned()))
        };
        entries
            .iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Self::Only)
    }

    /// Whether a resource may be watched.
    pub fn allows(&self, info: &ResourceInfo) -> bool {
        let gvr = &info.gvr;
        match self {
            Self::AllButSecrets => !(gvr.group.is_empty() && gvr.resource == "secrets"),
            Self::Only(set) => set.contains(&(gvr.group.clone(), gvr.resource.clone())),
        }
    }

    /// Whether secrets are among them.
    pub fn names_secrets(&self) -> bool {
        match self {
            Self::AllButSecrets => false,
            Self::Only(set) => set.contains(&(String::new(), "secrets".to_owned())),
        }
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllButSecrets => f.write_str("everything but secrets"),
            Self::Only(set) => {
                for (at, (group, resource)) in set.iter().enumerate() {
                    let dot = if group.is_empty() { "" } else { "." };
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{resource}{dot}{group}")?;
                }
                Ok(())
            }
        }
    }
}

/// Discovery and the allow list together.
#[derive(Debug)]
pub struct Offer {
    discovery: Discovery,
    allowed: AllowList,
}

impl Offer {
    /// Makes the offer.
    pub fn new(discovery: Discovery, allowed: AllowList) -> Self {
        Self { discovery, allowed }
    }

    /// All resources with their availability, by group, version and name.
    pub(super) async fn all(&self) -> Result<Vec<(ResourceInfo, v1::Availability)>, Status> {
        let resources = self
            .discovery
            .resources()
            .await
            .map_err(|e| unreachable(&e))?;
        let availability = |info: &ResourceInfo| match (info.watchable, self.allowed.allows(info)) {
            (false, _) => v1::Availability::NotWatchable,
            (true, false) => v1::Availability::Disabled,
            (true, true) => v1::Availability::Available,
        };
        let mut all: Vec<_> = resources
            .iter()
            .map(|info| (info.clone(), availability(info)))
            .collect();
        all.sort_by(|(a, _), (b, _)| a.gvr.cmp(&b.gvr));
        Ok(all)
    }

    /// Finds what a permit names, and with it what the permit is for.
    ///
    /// # Errors
    /// The resource is not served, not watchable or not enabled; or it can't be looked up.
    pub(super) async fn find<R>(&self, permit: Permit<R>) -> Result<Grant<R>, Status> {
        let info = self.look_up(permit.resource()).await?;
        permit.on(info).ok_or_else(|| {
            tracing::error!("a name led to a resource that it does not name");
            refuse(Code::Internal, "INTERNAL", "internal error")
        })
    }

    /// Finds what a name stands for, whoever asks.
    ///
    /// # Errors
    /// As of [`Offer::find`].
    pub(super) async fn look_up(&self, named: &Named) -> Result<ResourceInfo, Status> {
        let (group, version, resource) = (&named.group, &named.version, &named.resource);
        match self.discovery.resolve(group, version, resource).await {
            Ok(Resolve::Found(info)) => self.admit(info),
            Ok(Resolve::NotPlural(info)) => Err(not_plural(resource, &info)),
            Ok(Resolve::NotServed) => Err(self.not_served(named).await),
            Err(error) => Err(unreachable(&error)),
        }
    }

    fn admit(&self, info: ResourceInfo) -> Result<ResourceInfo, Status> {
        if !info.watchable {
            let message = format!(
                "{} can't be watched, the apiserver offers no watch on it",
                info.gvr
            );
            return Err(refuse(Code::FailedPrecondition, "NOT_WATCHABLE", message));
        }
        if !self.allowed.allows(&info) {
            let message = format!(
                "{} is not enabled on this daemon; its operator can name it in --resources",
                info.gvr
            );
            return Err(refuse(Code::PermissionDenied, "RESOURCE_DISABLED", message));
        }
        Ok(info)
    }

    /// Says what was probably meant.
    async fn not_served(&self, named: &Named) -> Status {
        let known = self.discovery.resources().await;
        let resources = known.as_deref().unwrap_or_default();
        let wanted = named.resource.as_str();
        let meant = |info: &&ResourceInfo| info.gvr.resource != wanted && info.is_alias(wanted);
        if let Some(info) = resources.iter().find(meant) {
            return not_plural(wanted, info);
        }
        let nearest = nearest(resources, wanted);
        let hint = if nearest.is_empty() {
            String::new()
        } else {
            format!("; the nearest names are {}", nearest.join(", "))
        };
        let name = match (named.group.as_str(), named.version.as_str()) {
            ("", "") => wanted.to_owned(),
            ("", version) => format!("{wanted}/{version}"),
            (group, "") => format!("{wanted}.{group}"),
            (group, version) => format!("{wanted}.{group}/{version}"),
        };
        let message = format!("{} is not served by this cluster{hint}", echo(&name));
        refuse(Code::NotFound, "RESOURCE_NOT_SERVED", message)
    }
}

fn unreachable(error: &dyn std::error::Error) -> Status {
    tracing::warn!(%error, "discovery fails");
    let message = "the cluster can't be asked for its resources now";
    retry(
        Code::Unavailable,
        "UPSTREAM_DOWN",
        message,
        std::time::Duration::from_secs(2),
    )
}

fn not_plural(wanted: &str, info: &ResourceInfo) -> Status {
    let plural = &info.gvr.resource;
    let description = format!(
        "{} is not a plural resource name; write {plural:?}",
        echo(wanted)
    );
    invalid("resource.resource", "INVALID_RESOURCE", description)
}

/// Up to three resources whose names look like `wanted`, best first.
fn nearest(resources: &[ResourceInfo], wanted: &str) -> Vec<String> {
    let name = |info: &ResourceInfo| match info.gvr.group.as_str() {
        "" => info.gvr.resource.clone(),
        group => format!("{}.{group}", info.gvr.resource),
    };
    let mut scored: Vec<(f64, String)> = resources
        .iter()
        .filter(|info| info.watchable)
        .map(|info| (strsim::jaro_winkler(wanted, &info.gvr.resource), name(info)))
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Reads the name of a resource. No text that isn't made of DNS labels goes any further.
///
/// # Errors
/// The name is missing or malformed.
pub(super) fn named(named: Option<v1::GroupVersionResource>) -> Result<Named, Status> {
    let description = "is required; name a plural such as pods";
    let named = named.ok_or_else(|| invalid("resource", "INVALID_RESOURCE", description))?;
    check_form(&named)?;
    Ok(Named {
        group: named.group,
        version: named.version,
        resource: named.resource,
    })
}

fn check_form(named: &v1::GroupVersionResource) -> Result<(), Status> {
    let field = |name: &str, text: &str, problem: &str| {
        let description = format!("{} {problem}", echo(text));
        Err(invalid(
            &format!("resource.{name}"),
            "INVALID_RESOURCE",
            description,
        ))
    };
    let resource = named.resource.as_str();
    if resource.is_empty() {
        let description = "is required; name a plural such as pods";
        return Err(invalid(
            "resource.resource",
            "INVALID_RESOURCE",
            description,
        ));
    }
    if resource.contains('/') {
        return field(
            "resource",
            resource,
            "names a subresource; only whole objects can be watched",
        );
    }
    if !is_label(&resource.to_ascii_lowercase()) {
        let problem = "is no resource name: lower case letters, digits and '-', at most 63";
        return field("resource", resource, problem);
    }
    let group = named.group.as_str();
    if !group.is_empty() && (group.len() > 253 || !group.split('.').all(is_label)) {
        return field(
            "group",
            group,
            "is no API group, such as apps or stable.example.com",
        );
    }
    if !named.version.is_empty() && !is_label(&named.version) {
        return field("version", &named.version, "is no API version, such as v1");
    }
    Ok(())
}

/// A DNS label of RFC 1123.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().copied().all(inner)
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Gvr;

    fn info(group: &str, resource: &str) -> ResourceInfo {
        ResourceInfo {
            gvr: Gvr::new(group, "v1", resource),
            kind: "Thing".into(),
            namespaced: true,
            watchable: true,
            preferred: true,
            short_names: vec![],
        }
    }

    #[test]
    fn secrets_are_off_unless_named() {
        let default = AllowList::parse::<&str>(&[]).expect("valid");
        assert!(default.allows(&info("", "pods")));
        assert!(!default.allows(&info("", "secrets")));
        assert!(default.allows(&info("example.com", "secrets")));
        let named = AllowList::parse(&["secrets", "deployments.apps"]).expect("valid");
        assert!(named.allows(&info("", "secrets")));
        assert!(named.allows(&info("apps", "deployments")));
        assert!(!named.allows(&info("", "pods")));
        assert_eq!(named.to_string(), "secrets, deployments.apps");
    }

    #[test]
    fn entries_are_names() {
        for bad in ["", "*", "Pods", "pods/status", "pods.", "../x"] {
            assert!(AllowList::parse(&[bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn finds_what_was_meant() {
        let all = [
            info("", "pods"),
            info("", "podtemplates"),
            info("apps", "deployments"),
        ];
        assert_eq!(
            nearest(&all, "pds").first().map(String::as_str),
            Some("pods")
        );
        assert_eq!(nearest(&all, "deployment"), ["deployments.apps"]);
        assert!(nearest(&all, "zzz").is_empty());
    }
}
