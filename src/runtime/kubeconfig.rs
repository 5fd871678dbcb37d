//! The kubeconfig that `demo` and `simulate` write, and the care not to write over another.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use informerd_support::simulation;

/// How such a file begins. What begins so may be overwritten.
const MARKER: &str = "# a simulated cluster of informerd\n";

/// Writes how a simulated cluster is reached.
///
/// # Errors
/// A file that can't be written, or one that exists and that no simulation wrote.
pub(super) fn write(file: &Path, apiserver: SocketAddr) -> anyhow::Result<Written> {
    let shown = file.display();
    let advice = "choose another file with --kubeconfig-out";
    // Pipes and devices hold nothing that could be lost.
    if file.is_file() {
        let held = fs::read(file).with_context(|| format!("cannot read {shown}, {advice}"))?;
        if !held.is_empty() && !held.starts_with(MARKER.as_bytes()) {
            bail!("{shown} exists and was not written by a simulation, {advice}");
        }
    }
    let text = format!("{MARKER}{}", simulation::kubeconfig(apiserver));
    fs::write(file, &text).with_context(|| format!("cannot write {shown}, {advice}"))?;
    Ok(Written {
        file: file.to_owned(),
        text,
    })
}

/// A file that was written.
#[derive(Debug)]
pub(super) struct Written {
    file: PathBuf,
    text: String,
}

impl Written {
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Removes it, unless another simulation has taken the name over.
    pub(super) fn remove(&self) -> io::Result<()> {
        if self.file.is_file() && fs::read(&self.file)? == self.text.as_bytes() {
            fs::remove_file(&self.file)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn another_file_is_never_written_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("config");
        let mine = "apiVersion: v1\nkind: Config\nclusters: []\n";
        fs::write(&file, mine).expect("writable");
        let error = write(&file, address(1)).expect_err("not its own");
        assert!(error.to_string().contains("choose another file"), "{error}");
        assert_eq!(fs::read_to_string(&file).expect("readable"), mine);
    }

    #[test]
    fn one_of_an_earlier_run_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("config");
        fs::write(&file, "").expect("writable");
        let earlier = write(&file, address(1)).expect("nothing is lost");
        let later = write(&file, address(2)).expect("the same name again");
        earlier.remove().expect("left alone");
        let text = fs::read_to_string(later.file()).expect("still there");
        assert!(text.contains("http://127.0.0.1:2"), "{text}");
        later.remove().expect("its own");
        assert!(!file.exists());
        later.remove().expect("gone already");
    }
}
