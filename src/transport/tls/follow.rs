//! Takes up new certificate files while the daemon runs.
//!
//! The files are read every few seconds and compared by content. That works for every way in
//! which files are replaced, the kubelet's swap of a symlink included, and needs no library that
//! watches directories.

use std::{convert::Infallible, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::{
    Tls, TlsFiles,
    material::{Contents, Fingerprint, Ready, TlsError},
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
    /// Whether time alone may change the judgement.
    pending: bool,
}

/// Whether to act on what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    No,
    /// For the first time.
    New,
    /// As before: only time has passed.
    Again,
}

impl Watcher {
    fn new(loaded: Fingerprint) -> Self {
        Self {
            judged: Ok(loaded),
            last: Ok(loaded),
            pending: false,
        }
    }

    /// Whether to act on what is seen now: it is new, and was the same at the last look. Between
    /// two looks a certificate may be there whose key is still to come, or half a file.
    fn due(&mut self, seen: Seen) -> Due {
        let settled = seen == self.last;
        self.last = seen;
        if !settled {
            Due::No
        } else if self.last != self.judged {
            self.judged = self.last.clone();
            Due::New
        } else if self.pending {
            Due::Again
        } else {
            Due::No
        }
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
            let due = watcher.due(seen.map_err(TlsError::clone));
            if due != Due::No {
                watcher.pending = self.replace(contents, due);
            }
        }
    }

    /// Acts on the files as they are.
    #[cfg(test)]
    pub(in crate::transport) async fn look_again(&self) {
        self.replace(Contents::read(&self.files).await, Due::New);
    }

    /// Takes the contents up if they can be used; else tells whether time alone may change that.
    pub(super) fn replace(&self, contents: Result<Contents, TlsError>, due: Due) -> bool {
        let ready = contents.and_then(|contents| {
            let ready = contents.check(&self.files)?;
            ready.valid_now(&self.files)?;
            Ok(ready)
        });
        let untimely = matches!(
            ready,
            Err(TlsError::Expired { .. } | TlsError::Early { .. })
        );
        match ready {
            Ok(ready) => {
                self.current.write().take(&ready);
                self.stats.set_certificate_expiry(ready.expires);
                self.stats.add_tls_reload();
                tracing::info!("new tls certificates are in use for new connections");
                caution(&ready, &self.files);
            }
            // Told and counted once.
            Err(_) if due == Due::Again => {}
            Err(reason) => {
                self.stats.add_tls_reload_refused();
                tracing::warn!(%reason, "tls certificates not replaced, the old ones stay in use");
            }
        }
        untimely
    }
}

/// Warns of what hides behind a good certificate.
pub(super) fn caution(ready: &Ready, files: &TlsFiles) {
    if ready.is_partly_old() {
        let path = files.certificate.display();
        tracing::warn!(%path, "a certificate behind the daemon's own has expired");
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
            (Ok(old), Due::No),
            (Ok(torn), Due::No),
            (Ok(new), Due::No),
            (Ok(new), Due::New),
            (Ok(new), Due::No),
            (unreadable(), Due::No),
            (unreadable(), Due::New),
            (unreadable(), Due::No),
            (Ok(new), Due::No),
            (Ok(new), Due::New),
            (unreadable(), Due::No),
            (Ok(new), Due::No),
            (Ok(new), Due::No),
        ] {
            assert_eq!(watcher.due(seen.clone()), due, "{seen:?}");
        }
        watcher.pending = true;
        assert_eq!(watcher.due(Ok(new)), Due::Again);
        assert_eq!(watcher.due(Ok(torn)), Due::No);
        assert_eq!(watcher.due(Ok(torn)), Due::New);
    }
}
