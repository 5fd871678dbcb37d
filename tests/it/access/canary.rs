//! What must never be seen: tokens and secret data, in anything that a daemon writes or says.

use tonic::Status;

use crate::{daemon::Daemon, wait::until};

/// Object data that looks like a secret. Put it into objects that are watched.
pub const SECRET: &str = "canary-7f3e-do-not-log";

/// Looks for tokens, and for [`SECRET`], in the daemon's log and metrics and in what it has told.
pub async fn unseen(daemon: &Daemon, tokens: &[String], told: &[Status]) {
    let (_, metrics) = daemon.page("/metrics").await;
    let (_, readiness) = daemon.page("/readyz").await;
    let mut texts: Vec<_> = daemon.log().lines().map(str::to_owned).collect();
    assert!(texts.len() > 3, "there is something to look through");
    texts.extend([metrics, readiness]);
    texts.extend(told.iter().map(|status| format!("{status:?}")));
    let needles = tokens.iter().map(String::as_str).chain([SECRET]);
    for needle in needles.filter(|needle| needle.len() > 5) {
        // Parts of a token are as bad: the last one is its signature.
        for part in needle.split('.').filter(|part| part.len() > 5) {
            let seen = texts.iter().find(|text| text.contains(part));
            assert!(seen.is_none(), "{part:.12}... is in {seen:?}");
        }
    }
}

/// Whether the audit log has a line with all these parts. It is written a moment after the caller
/// has heard: to see that there is one, wait with [`audited`].
pub fn is_audited(daemon: &Daemon, parts: &[&str]) -> bool {
    daemon
        .log()
        .lines()
        .filter(|line| line.contains(r#""target":"audit""#))
        .any(|line| parts.iter().all(|part| line.contains(part)))
}

/// Waits until the audit log has a line with all these parts.
pub async fn audited(daemon: &Daemon, parts: &[&str]) {
    let what = format!("an audit line with {parts:?}");
    until(&what, || async { is_audited(daemon, parts) }).await;
}
