//! How many descriptors the process may have, and so how many connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// What is kept for the rest: the admin port, watches upstream, files, and calls for the names of
/// hosts.
const RESERVE: u64 = 320;

/// Raises the limit of open descriptors to the most that the system allows this process; most
/// systems start processes with far less, for the sake of programs that can't handle many. Gives
/// the limit, or `None` if there is none.
pub(super) fn raise() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        warn!(%error, "the limit of open descriptors stays as it is");
    }
    getrlimit(Resource::Nofile).current
}

/// As many connections as were asked for and as there are descriptors for, and says both.
pub(super) fn clamp(connections: usize, descriptors: Option<u64>) -> usize {
    let most = descriptors.map_or(connections, |limit| connections.min(room(limit)));
    if most < connections {
        // No warning: the default asks for more than most machines give, and need.
        info!(
            connections = most,
            asked = connections,
            descriptors,
            "the limit of open descriptors allows fewer connections than --max-connections"
        );
    } else {
        info!(connections = most, descriptors, "limits");
    }
    most
}

/// The connections that a limit of descriptors leaves room for.
fn room(limit: u64) -> usize {
    let reserve = RESERVE.min(limit / 2);
    usize::try_from(limit - reserve).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let low = Rlimit {
            current: Some(hard.map_or(900, |hard| hard.min(900))),
            maximum: hard,
        };
        setrlimit(Resource::Nofile, low).expect("a lower one is always allowed");
        assert_eq!(raise(), hard);
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        for (asked, descriptors, most) in [
            (65_536, None, 65_536),
            (65_536, Some(1 << 20), 65_536),
            (65_536, Some(65_536), 65_216),
            (65_536, Some(1_024), 704),
            (100, Some(1_024), 100),
            (65_536, Some(64), 32),
        ] {
            assert_eq!(clamp(asked, descriptors), most, "{descriptors:?}");
        }
    }
}
