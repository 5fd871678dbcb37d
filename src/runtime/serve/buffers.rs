//! How much memory the process may have, and how much of it is for readers.

use std::{fs, path::Path};

use tracing::info;

/// Without a limit, and without the operator's word.
const DEFAULT: usize = 512 << 20;
/// The smallest budget that is derived from a limit.
const LEAST: usize = 16 << 20;

/// The bytes that may be encoded for readers: as many as the operator says, or else a quarter of
/// the memory limit.
pub(super) fn allowed(asked: Option<usize>) -> usize {
    let limit = limit(Path::new("/"));
    let bytes = asked.unwrap_or_else(|| share(limit));
    info!(bytes, limit, "memory for readers");
    bytes
}

/// The bytes of other answers that may wait for slow readers: half of that.
pub(super) fn for_answers(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| share(limit(Path::new("/"))) / 2)
}

fn share(limit: Option<usize>) -> usize {
    limit.map_or(DEFAULT, |limit| (limit / 4).max(LEAST))
}

/// The memory limit of the control group, if it has one: of a container that is the root of what it
/// sees. Version 2 writes `max` for none, version 1 a number that no machine has.
fn limit(root: &Path) -> Option<usize> {
    let files = [
        "sys/fs/cgroup/memory.max",
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let read = |file: &str| fs::read_to_string(root.join(file)).ok();
    let limit: usize = files
        .iter()
        .find_map(|file| read(file))?
        .trim()
        .parse()
        .ok()?;
    (limit < 1 << 50).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the files of a control group say.
    fn told(file: &str, text: &str) -> Option<usize> {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("sys/fs/cgroup").join(file);
        fs::create_dir_all(path.parent().expect("it has one")).expect("writable");
        fs::write(path, text).expect("writable");
        limit(root.path())
    }

    #[test]
    fn the_limit_is_that_of_the_control_group() {
        assert_eq!(told("memory.max", "536870912\n"), Some(512 << 20));
        assert_eq!(told("memory.max", "max\n"), None);
        let one = "memory/memory.limit_in_bytes";
        assert_eq!(told(one, "268435456\n"), Some(256 << 20));
        assert_eq!(told(one, "9223372036854771712\n"), None);
        assert_eq!(told("other", ""), None);
    }

    #[test]
    fn a_quarter_is_for_readers() {
        assert_eq!(share(Some(1 << 30)), 256 << 20);
        assert_eq!(share(Some(32 << 20)), LEAST);
        assert_eq!(share(None), DEFAULT);
    }
}
