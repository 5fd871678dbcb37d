//! Watches the kinds of objects that give rights, as far as the daemon may.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::info;

use super::{
    book::{Book, Place},
    object::Kind,
};
use crate::{
    access::Whom,
    reflector::{
        ApiClient, DegradedReason, Health, Reflector, ReflectorOptions, ReflectorStats, Sink,
    },
    resource::{Delta, Object, Reach, ResourceVersion, Source},
};

/// Is told whose rights may have changed just now.
pub type Tell = Arc<dyn Fn(Whom) + Send + Sync>;

/// Tells of all changes of roles and bindings that count within a reach. Runs for ever.
///
/// What the daemon may not watch, or the cluster does not serve, is left alone and tried again
/// after `pause`, more or less; the log says so once.
pub async fn follow(client: ApiClient, reach: &Reach, pause: Duration, tell: Tell) {
    let sources = sources(reach);
    let places: Vec<_> = sources.iter().map(|(place, _)| place.clone()).collect();
    let book = Arc::new(Mutex::new(Book::new(&places)));
    let followers = sources.into_iter().map(|(place, source)| {
        let ear = Arc::new(Ear {
            place,
            source,
            book: book.clone(),
            tell: tell.clone(),
            lost: Notify::new(),
            missing: AtomicBool::new(false),
            following: AtomicBool::new(false),
        });
        listen(client.clone(), ear, pause)
    });
    join_all(followers).await;
}

/// One watch for each kind, for namespaced ones in each namespace if these are apart.
fn sources(reach: &Reach) -> Vec<(Place, Source)> {
    let mut sources = Vec::new();
    for kind in Kind::ALL {
        let info = kind.info();
        let namespaces = reach.namespaces(&info);
        let places = match namespaces.as_slice() {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        for namespace in places {
            let asked: Vec<_> = namespace.iter().collect();
            if let Ok(source) = reach.source(&info, &asked) {
                sources.push((Place { kind, namespace }, source));
            }
        }
    }
    sources
}

async fn listen(client: ApiClient, ear: Arc<Ear>, pause: Duration) {
    loop {
        let reflector = Reflector {
            client: client.clone(),
            source: ear.source.clone(),
            options: ReflectorOptions {
                quiet: true,
                ..ReflectorOptions::default()
            },
            sink: ear.clone(),
            stats: Arc::new(ReflectorStats::default()),
            rng: fastrand::Rng::new(),
        };
        tokio::select! {
            never = reflector.run() => match never {},
            () = ear.lost.notified() => {}
        }
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
    }
}

/// Hears one watch.
struct Ear {
    place: Place,
    source: Source,
    book: Arc<Mutex<Book>>,
    tell: Tell,
    /// There is nothing to hear for now.
    lost: Notify,
    /// The log has said so.
    missing: AtomicBool,
    /// The log has said that it is followed.
    following: AtomicBool,
}

impl Ear {
    fn lose(&self, why: &str) {
        self.book.lock().lose(&self.place);
        self.following.store(false, Ordering::Relaxed);
        if !self.missing.swap(true, Ordering::Relaxed) {
            let resource = self.source.subject();
            info!(
                "open streams are not checked at once when {resource} change, but at the interval \
                 only: {why}; grant the daemon list and watch on them, or set \
                 --ignore-role-changes"
            );
        }
        self.lost.notify_one();
    }
}

impl Sink for Ear {
    fn replace(&self, objects: Vec<Arc<Object>>, _: ResourceVersion, _: bool) {
        let whom = self.book.lock().replace(&self.place, &objects);
        self.missing.store(false, Ordering::Relaxed);
        if !self.following.swap(true, Ordering::Relaxed) {
            let (resource, objects) = (self.source.subject(), objects.len());
            info!(
                resource,
                objects, "open streams are checked at once when these change"
            );
        }
        (self.tell)(whom);
    }

    fn apply(&self, events: Vec<Delta>) {
        let whom = self.book.lock().apply(&self.place, &events);
        (self.tell)(whom);
    }

    fn health(&self, health: Health) {
        match health {
            Health::Degraded {
                reason: reason @ (DegradedReason::Forbidden | DegradedReason::NotServed),
            } => self.lose(&reason.to_string()),
            Health::Degraded { reason } => {
                tracing::debug!(resource = %self.source, %reason, "changes may be heard of late");
            }
            Health::Healthy => {}
        }
    }

    fn heard(&self) {}
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
