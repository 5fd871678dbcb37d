//! Where the binaries of a control plane are: the envtest convention first, then our own cache.

use std::{
    env,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// The Kubernetes release that `make envtest` builds; `hack/envtest/go.mod` decides it and a test
/// below compares the two.
pub const KUBERNETES_VERSION: &str = "v1.37.2";

const REQUIRED: [&str; 3] = ["kube-apiserver", "etcd", "kubectl"];

/// A directory that holds `kube-apiserver`, `etcd` and `kubectl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    directory: PathBuf,
}

/// No usable control plane; the text says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Missing {
    /// `KUBEBUILDER_ASSETS` is set, so nothing else was looked at, but it is incomplete.
    #[error(
        "KUBEBUILDER_ASSETS={directory} lacks {names}: unset it and run `make envtest`, \
         or point it to a directory that holds them"
    )]
    Configured {
        /// The directory as configured.
        directory: String,
        /// What it lacks, joined by commas.
        names: String,
    },
    /// Nothing was configured and the cache holds no complete build.
    #[error("no control plane in {directory}: run `make envtest`, or set KUBEBUILDER_ASSETS")]
    NotBuilt {
        /// Where `make envtest` would have put it.
        directory: String,
    },
    /// Neither a cache directory nor a home directory is known.
    #[error("neither KUBEBUILDER_ASSETS, XDG_CACHE_HOME nor HOME is set: set one of them")]
    NoHome,
}

impl Assets {
    /// Looks at `KUBEBUILDER_ASSETS` when set (controller-runtime's convention), else at
    /// `${XDG_CACHE_HOME:-~/.cache}/informerd/envtest/<version>`.
    ///
    /// # Errors
    /// [`Missing`], whose text names the remedy.
    pub fn find() -> Result<Self, Missing> {
        Self::find_with(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// The executable `name`; it need not exist unless it is one of the three required ones.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The directory itself.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn find_with(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Missing> {
        if let Some(configured) = variable("KUBEBUILDER_ASSETS") {
            let directory = PathBuf::from(&configured);
            return match lacking(&directory) {
                names if names.is_empty() => Ok(Self { directory }),
                names => Err(Missing::Configured {
                    directory: configured,
                    names: names.join(", "),
                }),
            };
        }
        let cache = variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")))
            .ok_or(Missing::NoHome)?;
        let directory = cache.join("informerd/envtest").join(KUBERNETES_VERSION);
        if lacking(&directory).is_empty() {
            Ok(Self { directory })
        } else {
            Err(Missing::NotBuilt {
                directory: directory.display().to_string(),
            })
        }
    }
}

fn lacking(directory: &Path) -> Vec<&'static str> {
    REQUIRED
        .into_iter()
        .filter(|name| !directory.join(name).is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn filled(root: &Path, names: &[&str]) {
        fs::create_dir_all(root).expect("a temporary directory is writable");
        for name in names {
            fs::write(root.join(name), "").expect("a temporary directory is writable");
        }
    }

    #[test]
    fn the_version_is_the_one_that_the_go_module_pins() {
        let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hack/envtest/go.mod");
        let text = fs::read_to_string(module).expect("the Go module is part of the repository");
        let pinned = format!("k8s.io/kubernetes {KUBERNETES_VERSION}");
        assert!(text.contains(&pinned), "go.mod does not pin {pinned}");
    }

    #[test]
    fn a_configured_directory_wins_and_is_named_when_incomplete() {
        let root = tempfile::tempdir().expect("a temporary directory");
        filled(root.path(), &["kube-apiserver", "etcd"]);
        let path = root.path().display().to_string();
        let find =
            || Assets::find_with(|name| (name == "KUBEBUILDER_ASSETS").then(|| path.clone()));

        let missing = find().expect_err("kubectl is absent").to_string();
        assert!(missing.contains("lacks kubectl"), "{missing}");
        assert!(missing.contains("make envtest"), "{missing}");

        filled(root.path(), &["kubectl"]);
        assert_eq!(find().expect("complete").directory(), root.path());
    }

    #[test]
    fn the_cache_is_looked_at_next() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let home = root.path().display().to_string();
        let find = || Assets::find_with(|name| (name == "HOME").then(|| home.clone()));

        let missing = find().expect_err("nothing is built").to_string();
        assert!(missing.contains("make envtest"), "{missing}");

        let cache = root
            .path()
            .join(".cache/informerd/envtest")
            .join(KUBERNETES_VERSION);
        filled(&cache, &REQUIRED);
        assert_eq!(find().expect("complete").binary("etcd"), cache.join("etcd"));
        assert_eq!(Assets::find_with(|_| None), Err(Missing::NoHome));
    }
}
