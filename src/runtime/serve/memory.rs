//! Keeps the process's memory to itself: callers' tokens and objects are in it.

use rustix::process::{Resource, Rlimit, setrlimit};
use tracing::warn;

/// Has no core files written, and no other process of the same user read or trace this one. Children
/// inherit the former.
pub(super) fn seal() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let cores = setrlimit(Resource::Core, none);
    if let Err(error) = cores.and_then(|()| undumpable()) {
        warn!(%error, "a crash may write the memory of the daemon, with the tokens in it, to a core file");
    }
}

/// A limit alone is not enough: the kernel passes cores to a program on a pipe whatever it says.
#[cfg(target_os = "linux")]
fn undumpable() -> rustix::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

#[cfg(not(target_os = "linux"))]
fn undumpable() -> rustix::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn nobody_is_given_the_memory() {
        seal();
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        let cores = getrlimit(Resource::Core);
        assert_eq!((cores.current, cores.maximum), (Some(0), Some(0)));
    }
}
