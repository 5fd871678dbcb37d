//! What the simulated cluster serves: one description per resource, and the built-in ones.

/// One served resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceSpec {
    /// API group; empty for the core group.
    pub group: String,
    /// The one served version.
    pub version: String,
    /// Plural name.
    pub resource: String,
    /// Kind.
    pub kind: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs as discovery tells them; a request with another one is answered with 405.
    pub verbs: Vec<String>,
    /// Short names as discovery tells them.
    pub short_names: Vec<String>,
    /// Whether `status` can only be written through the subresource.
    pub has_status: bool,
    /// Whether this is a custom resource: its list items carry `apiVersion` and `kind`, those of
    /// compiled-in types don't (apiextensions serves unstructured lists).
    pub custom: bool,
}

const ALL_VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

impl ResourceSpec {
    /// A namespaced compiled-in resource with all verbs and a status subresource.
    #[must_use]
    pub fn new(group: &str, version: &str, resource: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            kind: kind.to_owned(),
            namespaced: true,
            verbs: ALL_VERBS.map(str::to_owned).to_vec(),
            short_names: Vec::new(),
            has_status: true,
            custom: false,
        }
    }

    /// Makes it cluster-scoped.
    #[must_use]
    pub fn cluster_scoped(mut self) -> Self {
        self.namespaced = false;
        self
    }

    /// Makes it a custom resource.
    #[must_use]
    pub fn custom(mut self) -> Self {
        self.custom = true;
        self
    }

    /// Takes the status subresource away: `status` is then written like any other field.
    #[must_use]
    pub fn without_status(mut self) -> Self {
        self.has_status = false;
        self
    }

    /// Sets the verbs.
    #[must_use]
    pub fn verbs(mut self, verbs: &[&str]) -> Self {
        self.verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        self
    }

    /// Sets the short names.
    #[must_use]
    pub fn short_names(mut self, names: &[&str]) -> Self {
        self.short_names = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Plural name and group, as every function of the simulation names a resource: `pods`,
    /// `deployments.apps`.
    #[must_use]
    pub fn id(&self) -> String {
        if self.group.is_empty() {
            self.resource.clone()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }

    /// `v1` or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether discovery offers `verb`.
    #[must_use]
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }
}

/// What every simulated cluster serves from the start.
#[must_use]
pub fn built_in() -> Vec<ResourceSpec> {
    let core = |resource: &str, kind: &str| ResourceSpec::new("", "v1", resource, kind);
    let apps = |resource: &str, kind: &str| ResourceSpec::new("apps", "v1", resource, kind);
    vec![
        core("pods", "Pod").short_names(&["po"]),
        core("configmaps", "ConfigMap")
            .without_status()
            .short_names(&["cm"]),
        core("secrets", "Secret").without_status(),
        core("namespaces", "Namespace")
            .cluster_scoped()
            .short_names(&["ns"]),
        core("nodes", "Node").cluster_scoped().short_names(&["no"]),
        core("services", "Service").short_names(&["svc"]),
        core("events", "Event")
            .without_status()
            .short_names(&["ev"]),
        core("componentstatuses", "ComponentStatus")
            .cluster_scoped()
            .without_status()
            .verbs(&["get", "list"])
            .short_names(&["cs"]),
        apps("deployments", "Deployment").short_names(&["deploy"]),
        apps("replicasets", "ReplicaSet").short_names(&["rs"]),
        ResourceSpec::new("example.com", "v1", "widgets", "Widget").custom(),
    ]
}
