//! The pinned helm as a child process that reads and writes nothing of its caller's.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::{manifest::Manifest, path, read};

/// A usable helm.
pub(super) struct Helm {
    binary: PathBuf,
}

impl Helm {
    /// The one that `hack/helm.sh` builds.
    pub(super) fn find() -> Result<Self, String> {
        let module = read("hack/helm/go.mod");
        let version = module
            .lines()
            .find_map(|line| line.split_once("helm.sh/helm/v4 v")?.1.split(' ').next())
            .expect("the module pins helm");
        let cache = env::var_os("XDG_CACHE_HOME")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
            .ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
        let binary = cache.join(format!("informerd/tools/helm-v{version}/helm"));
        if binary.is_file() {
            Ok(Self { binary })
        } else {
            Err("helm is not built: run hack/helm.sh version".to_owned())
        }
    }

    /// Where it is.
    pub(super) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Runs it on a cluster, or on none.
    pub(super) fn run(&self, kubeconfig: Option<&Path>, arguments: &[&str]) -> Output {
        let home = tempfile::tempdir().expect("a directory");
        Command::new(&self.binary)
            .args(arguments)
            .current_dir(path("."))
            .env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/dev/null")))
            .env("HELM_CACHE_HOME", home.path().join("cache"))
            .env("HELM_CONFIG_HOME", home.path().join("config"))
            .env("HELM_DATA_HOME", home.path().join("data"))
            .output()
            .expect("helm runs")
    }

    /// Renders the chart for the release `informerd` in the namespace `informerd`, or tells what
    /// helm has against it.
    pub(super) fn try_template(
        &self,
        files: &[String],
        settings: &[&str],
    ) -> Result<Manifest, String> {
        let mut arguments = vec!["template", "informerd", "helm/informerd", "-n", "informerd"];
        arguments.extend(files.iter().flat_map(|file| ["--values", file.as_str()]));
        arguments.extend(settings.iter().flat_map(|setting| ["--set-json", *setting]));
        text(&self.run(None, &arguments)).map(Manifest::parse)
    }

    /// Renders the chart.
    pub(super) fn template(&self, files: &[String], settings: &[&str]) -> Manifest {
        let rendered = self.try_template(files, settings);
        rendered.unwrap_or_else(|error| panic!("{files:?} {settings:?}: {error}"))
    }
}

/// What a run that must have succeeded printed, or what it complained about.
pub(super) fn text(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}
