//! What the one writer of a feed does.

use std::{
    sync::{Arc, atomic::Ordering},
    task::Waker,
    time::{Instant, SystemTime},
};

use super::{Feed, Obstacle, Position, Pulse, State, UpstreamHealth};
use crate::resource::{Delta, Object, ResourceVersion};

impl Feed {
    /// Takes over a complete state; `rewound` if it does not continue what was held before. Whoever
    /// can tell it is served: the resource is no longer gone.
    pub fn replace(&self, objects: Vec<Arc<Object>>, version: ResourceVersion, rewound: bool) {
        let wake = {
            let mut state = self.state.lock();
            let state = &mut *state;
            if std::mem::take(&mut state.upstream.gone) {
                self.turn.fetch_add(1, Ordering::AcqRel);
            }
            let first = !state.cache.is_synced();
            if first || rewound {
                let objects = objects.into_iter().map(|o| (o.key().clone(), o)).collect();
                state.cache.restart(objects, version);
                let (start, rewrites) = (state.cache.head().seq, state.cache.rewrites());
                let wake = state.views.restart(start, rewrites);
                // After the views, which throw away what is encoded of the past right now: its
                // tokens must not be of the new epoch.
                self.epoch.fetch_add(u32::from(!first), Ordering::AcqRel);
                wake
            } else {
                let changes = state.cache.replace(objects, version, Instant::now());
                state.views.publish(&changes)
            }
        };
        self.finish(wake);
    }

    /// Applies changes in order.
    pub fn apply(&self, deltas: Vec<Delta>) {
        let wake = {
            let mut state = self.state.lock();
            let changes = state.cache.apply(deltas, Instant::now());
            state.views.publish(&changes)
        };
        self.finish(wake);
    }

    /// Notes how upstream is. That the resource is not served holds until there is a state of it
    /// again, that it is forbidden until the next word.
    pub fn set_health(&self, health: UpstreamHealth, obstacle: Option<Obstacle>) {
        let wake = {
            let mut state = self.state.lock();
            let upstream = &mut state.upstream;
            upstream.forbidden = obstacle == Some(Obstacle::Forbidden);
            let gone = obstacle == Some(Obstacle::NotServed) || upstream.gone;
            if upstream.health == Some(health) && upstream.gone == gone {
                // Those who have begun are told no reasons.
                Vec::new()
            } else {
                upstream.health = Some(health);
                upstream.gone = gone;
                upstream.since = SystemTime::now();
                self.turn.fetch_add(1, Ordering::AcqRel);
                state.views.wake_all()
            }
        };
        self.finish(wake);
    }

    /// Notes that upstream was heard of.
    pub fn heard(&self) {
        self.state.lock().upstream.heard = Instant::now();
    }

    /// Forgets everything; the feed is unsynced again. Only for a feed that nobody reads.
    pub fn clear(&self) {
        {
            let mut state = self.state.lock();
            state.cache.clear();
            let rewrites = state.cache.rewrites();
            state.views.renumber(rewrites);
            state.upstream.health = None;
            state.upstream.gone = false;
            state.upstream.forbidden = false;
        }
        self.finish(Vec::new());
    }

    /// Wakes the readers whose bookmark or end is due, and drops history that is too old, with the
    /// states from before it.
    pub fn tick(&self, now: Instant) {
        let (wake, floor, outdated) = {
            let mut state = self.state.lock();
            state.cache.evict(now);
            let floor = state.cache.floor_seq();
            (
                state.views.wake_due(now),
                floor,
                state.views.outdated(floor),
            )
        };
        wake.into_iter().for_each(Waker::wake);
        // One is looked through at a time; the next tick goes on.
        outdated.iter().any(|view| view.retire(floor));
    }

    /// Wakes all readers.
    pub fn wake_all(&self) {
        let wake = self.state.lock().views.wake_all();
        wake.into_iter().for_each(Waker::wake);
    }

    /// Puts older history in front; see [`crate::store::WatchCache::prepend`]. Refused as well if
    /// `floor` is of another epoch.
    pub fn prepend(
        &self,
        objects: Vec<Arc<Object>>,
        deltas: Vec<Delta>,
        floor: Position,
        meets: &ResourceVersion,
    ) -> bool {
        let objects = objects.into_iter().map(|o| (o.key().clone(), o)).collect();
        let State { cache, views, .. } = &mut *self.state.lock();
        let done = floor.epoch == self.epoch()
            && cache.prepend(objects, deltas, floor.version, meets, Instant::now());
        views.renumber(cache.rewrites());
        done
    }

    fn finish(&self, wake: Vec<Waker>) {
        let pulse = {
            let state = self.state.lock();
            Pulse {
                synced: state.cache.is_synced(),
                version: state.cache.head().version,
                health: state.upstream.health,
                gone: state.upstream.gone,
                forbidden: state.upstream.forbidden,
            }
        };
        self.pulse.send_if_modified(|held| {
            let changed = *held != pulse;
            *held = pulse;
            changed
        });
        wake.into_iter().for_each(Waker::wake);
        self.budget.ease();
    }
}
