//! The file that carries a watch from one run to the next: its last token.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Least time between two writes.
const PAUSE: Duration = Duration::from_millis(200);

/// A token on disk.
///
/// Each write replaces the file as a whole, so that a crash leaves the old token or the new one.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    stored: Option<String>,
    pending: Option<String>,
    written: Option<Instant>,
}

impl State {
    /// Reads the file; one that doesn't exist or is empty holds no token.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let stored = match fs::read_to_string(path) {
            Ok(text) => Some(text.trim().to_owned()).filter(|token| !token.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_owned(),
            stored,
            pending: None,
            written: None,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The token that the file holds.
    pub(crate) fn token(&self) -> Option<&str> {
        self.stored.as_deref()
    }

    /// Notes a token for the next write. A watch without a position leaves the file alone: its
    /// old token begins a new snapshot when it has expired.
    pub(crate) fn note(&mut self, token: Option<&str>) {
        let Some(token) = token else { return };
        let newest = self.pending.as_deref().or(self.stored.as_deref());
        if newest != Some(token) {
            self.pending = Some(token.to_owned());
        }
    }

    /// When the next write may happen; `None` when there is nothing to write.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        self.pending.as_ref()?;
        Some(self.written.map_or(now, |written| written + PAUSE))
    }

    /// Writes what was noted.
    pub(crate) fn save(&mut self, now: Instant) -> io::Result<()> {
        let Some(token) = self.pending.take() else {
            return Ok(());
        };
        self.written = Some(now);
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let temporary = self.path.with_file_name(name);
        let mut file = fs::File::create(&temporary)?;
        writeln!(file, "{token}")?;
        drop(file);
        fs::rename(&temporary, &self.path)?;
        self.stored = Some(token);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_finds_the_last_token() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pods.state");
        let now = Instant::now();
        let mut state = State::open(&path).expect("no file is fine");
        assert_eq!(state.token(), None);
        state.note(Some("t1"));
        state.note(Some("t2"));
        state.note(None);
        state.save(now).expect("written");
        let again = State::open(&path).expect("readable");
        assert_eq!(again.token(), Some("t2"));
        let files = fs::read_dir(dir.path()).expect("readable").count();
        assert_eq!(files, 1, "no temporary file stays");
    }

    #[test]
    fn writes_at_most_five_times_a_second_and_only_news() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut state = State::open(&dir.path().join("state")).expect("no file is fine");
        let now = Instant::now();
        assert_eq!(state.due(now), None);
        state.note(Some("t1"));
        assert_eq!(state.due(now), Some(now), "the first at once");
        state.save(now).expect("written");
        state.note(Some("t1"));
        assert_eq!(state.due(now), None, "nothing new");
        state.note(Some("t2"));
        assert_eq!(state.due(now), Some(now + PAUSE));
    }

    #[test]
    fn an_empty_file_holds_no_token() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("state");
        fs::write(&path, "\n").expect("written");
        assert_eq!(State::open(&path).expect("readable").token(), None);
        State::open(dir.path()).expect_err("a directory is no state file");
    }
}
