//! Takes up new certificate files while the daemon runs.
//!
//! The files are read every few seconds and compared by content. That works for every way in
//! which files are replaced, the kubelet's swap of a symlink included, and needs no library that
//! watches directories.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::{
    Tls,
    material::{Contents, Fingerprint, TlsError},
};

/// Time between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a look at the files gave.
type Seen = Result<Fingerprint, TlsError>;

/// Decides when what was seen is acted on.
#[derive(Debug)]
struct Watcher {
    /// What was acted on last.
    judged: Seen,
    /// What was seen last.
    last: Seen,
}

impl Watcher {
    fn new(loaded: Fingerprint) -> Self {
        Self {
            judged: Ok(loaded),
            last: Ok(loaded),
        }
    }

    /// Whether to act on what is seen now: it is new, and was the same at the last look. Between
    /// two looks a certificate may be there whose key is still to come, or half a file.
    fn is_due(&mut self, seen: Seen) -> bool {
        let settled = seen == self.last;
        self.last = seen;
        let due = settled && self.last != self.judged;
        if due {
            self.judged = self.last.clone();
        }
        due
    }
}

impl Tls {
    /// Follows the files for ever. What can't be used is logged once and changes nothing.
    pub async fn follow(&self) -> Infallible {
        let mut watcher = Watcher::new(self.loaded);
        let mut looks = interval(INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let contents = Contents::read(&self.files).await;
            let seen = contents.as_ref().map(Contents::fingerprint);
            if watcher.is_due(seen.map_err(TlsError::clone)) {
                self.replace(contents);
            }
        }
    }

    pub(super) fn replace(&self, contents: Result<Contents, TlsError>) {
        let ready = contents.and_then(|contents| {
            let ready = contents.check(&self.files)?;
            ready.still_valid(&self.files)?;
            Ok(ready)
        });
        match ready {
            Ok(ready) => {
                *self.config.write() = Arc::clone(&ready.config);
                self.stats.set_certificate_expiry(ready.expires);
                self.stats.add_tls_reload();
                tracing::info!("new tls certificates are in use for new connections");
            }
            Err(reason) => {
                self.stats.add_tls_reload_refused();
                tracing::warn!(%reason, "tls certificates not replaced, the old ones stay in use");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_once_on_what_has_settled() {
        let unreadable = || {
            Err(TlsError::Unreadable {
                path: "key".into(),
                why: "permission denied".into(),
            })
        };
        let (old, torn, new) = ([1; 32], [2; 32], [3; 32]);
        let mut watcher = Watcher::new(old);
        for (seen, due) in [
            (Ok(old), false),
            (Ok(torn), false),
            (Ok(new), false),
            (Ok(new), true),
            (Ok(new), false),
            (unreadable(), false),
            (unreadable(), true),
            (unreadable(), false),
            (Ok(new), false),
            (Ok(new), true),
            (unreadable(), false),
            (Ok(new), false),
            (Ok(new), false),
        ] {
            assert_eq!(watcher.is_due(seen.clone()), due, "{seen:?}");
        }
    }
}
