//! A shell in a checkout, with what a platform team has in its PATH.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use informerd_support::control_plane::ControlPlane;
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    helm::{self, Helm},
    path,
    pod::binary,
};

/// What is no part of a fresh checkout.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// A directory that looks like a checkout and may be written to, and the environment.
pub(super) struct Terminal {
    directory: TempDir,
    search: OsString,
    kubeconfig: PathBuf,
}

impl Terminal {
    /// Opens one for the cluster.
    pub(super) fn open(plane: &ControlPlane, helm: &Helm) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for entry in path(".").read_dir().expect("the checkout") {
            let name = entry.expect("readable").file_name();
            if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
                let from = path(".").join(&name);
                symlink(from, directory.path().join(&name)).expect("writable");
            }
        }
        let kubectl = plane.kubectl();
        let tools = [
            helm.binary(),
            Path::new(kubectl.as_std().get_program()),
            binary(),
        ];
        let tools = tools.map(|tool| tool.parent().expect("a directory").to_owned());
        let given = std::env::var_os("PATH").unwrap_or_default();
        let all = tools.into_iter().chain(std::env::split_paths(&given));
        Self {
            search: std::env::join_paths(all).expect("plain names"),
            kubeconfig: plane.kubeconfig(),
            directory,
        }
    }

    /// Where a file of this name is.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a file there.
    pub(super) fn write(&self, name: &str, content: &str) {
        fs::write(self.file(name), content).expect("writable");
    }

    /// A line, not yet run.
    pub(super) fn command(&self, line: &str) -> Command {
        let home = self.file(".home");
        let mut command = Command::new("bash");
        command
            .args(["-c", line])
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", &self.search)
            .env("HOME", home)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a line to its end.
    pub(super) async fn output(&self, line: &str) -> Output {
        self.command(line).output().await.expect("bash runs")
    }

    /// What a line that must succeed prints.
    pub(super) async fn run(&self, line: &str) -> String {
        let output = self.output(line).await;
        helm::text(&output).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}
