//! The arguments that select objects, shared by `watch` and `get`.

use clap::Args;

use super::{CliError, resolve};
use crate::proto::v1::{Filter, Resource};

/// Which objects.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Namespace; may be given several times [default: default]
    #[arg(
        short,
        long,
        value_name = "NS",
        value_delimiter = ',',
        conflicts_with = "all_namespaces"
    )]
    pub namespace: Vec<String>,
    /// All namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Label selector: `app=web,tier in (a,b),!canary`
    #[arg(
        short = 'l',
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    pub selector: String,
    /// Field selector over any path: `spec.nodeName=node-1,status.phase!=Running`
    #[arg(
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    pub field_selector: String,
}

impl FilterArgs {
    /// The filter that is meant for a resource. As with kubectl, namespaces have no meaning for
    /// cluster-scoped resources, and `default` is meant where nothing is said.
    pub(crate) fn filter(&self, resource: &Resource, names: &[String]) -> Filter {
        let namespaces = match (
            resource.namespaced && !self.all_namespaces,
            &*self.namespace,
        ) {
            (false, _) => Vec::new(),
            (true, []) => vec!["default".to_owned()],
            (true, namespaces) => namespaces.to_vec(),
        };
        Filter {
            namespaces,
            names: names.to_vec(),
            label_selector: self.selector.clone(),
            field_selector: self.field_selector.clone(),
            event_types: Vec::new(),
        }
    }

    /// The one namespace of a named object; empty for cluster-scoped resources.
    pub(crate) fn one_namespace(&self, resource: &Resource) -> Result<String, CliError> {
        if !self.selector.is_empty() || !self.field_selector.is_empty() {
            return Err(CliError::Usage(
                "a name and a selector don't go together; leave one out".into(),
            ));
        }
        match &*self.filter(resource, &[]).namespaces {
            [] if !resource.namespaced => Ok(String::new()),
            [namespace] => Ok(namespace.clone()),
            _ => Err(CliError::Usage(format!(
                "a name of {} needs one namespace; give one -n",
                resolve::full_name(resource)
            ))),
        }
    }

    /// Whether rows of several namespaces may come.
    pub(crate) fn several_namespaces(&self) -> bool {
        self.all_namespaces || self.namespace.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(namespace: &[&str], all_namespaces: bool) -> FilterArgs {
        FilterArgs {
            namespace: namespace.iter().map(|n| (*n).to_owned()).collect(),
            all_namespaces,
            ..Default::default()
        }
    }

    #[test]
    fn means_the_namespaces_that_kubectl_means() {
        let table: [(&[&str], bool, bool, &[&str]); 5] = [
            (&[], false, true, &["default"]),
            (&["a", "b"], false, true, &["a", "b"]),
            (&[], true, true, &[]),
            (&[], false, false, &[]),
            (&["a"], false, false, &[]),
        ];
        for (given, all, namespaced, expected) in table {
            let resource = Resource {
                namespaced,
                ..Default::default()
            };
            let filter = args(given, all).filter(&resource, &[]);
            assert_eq!(filter.namespaces, expected, "{given:?} {all} {namespaced}");
        }
    }

    #[test]
    fn a_name_needs_one_namespace() {
        let resource = Resource {
            namespaced: true,
            ..Default::default()
        };
        let one = |args: FilterArgs| args.one_namespace(&resource).ok();
        assert_eq!(one(args(&[], false)).as_deref(), Some("default"));
        assert_eq!(one(args(&["a"], false)).as_deref(), Some("a"));
        assert_eq!(one(args(&["a", "b"], false)), None);
        assert_eq!(one(args(&[], true)), None);
        let nodes = Resource::default();
        assert_eq!(
            args(&[], true).one_namespace(&nodes).ok().as_deref(),
            Some("")
        );
        let selected = FilterArgs {
            selector: "a=b".into(),
            ..Default::default()
        };
        assert!(selected.one_namespace(&nodes).is_err());
    }
}
