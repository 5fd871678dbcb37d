//! One sum for all that is encoded for readers, whatever they ask for and however slowly they read.
//!
//! Bytes count from when they are encoded until the last who shares them has let go: logs,
//! snapshots, messages on their way. What is *kept* for readers to come can be encoded again, so it
//! is evicted when room is needed; what is on its way can't be, so messages get small when much is.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use slab::Slab;

use super::View;

/// A message stays under this, unless one change alone is larger. Clients refuse 4 MiB by default.
pub(super) const MESSAGE_BYTES: usize = 256 * 1024;
/// The same while much is on its way to readers.
const SMALL_MESSAGE_BYTES: usize = 16 * 1024;
/// What a buffer costs beside its bytes.
const BUFFER_OVERHEAD: usize = 128;

/// Bounds the bytes that are encoded for readers, in all views of all resources.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
    kept: AtomicUsize,
    /// Of the bytes used, those that are held whole.
    whole: AtomicUsize,
    evicted: AtomicU64,
    refused: AtomicU64,
    views: Mutex<Slab<Weak<View>>>,
    /// Held by the one that evicts.
    pub(super) evicting: Mutex<()>,
}

/// What a budget tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSize {
    /// Most bytes.
    pub limit: usize,
    /// Bytes that are held, in whatever way.
    pub used: usize,
    /// Of those, the ones that are kept for readers to come.
    pub kept: usize,
    /// Bytes that were evicted for want of room, since the start.
    pub evicted: u64,
    /// How often something was not encoded for want of room, since the start.
    pub refused: u64,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            kept: AtomicUsize::new(0),
            whole: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            views: Mutex::default(),
            evicting: Mutex::default(),
        })
    }

    /// Whether something may be encoded now. Where it takes too much, that shows with the next one:
    /// a message that is larger than what is left must not wait for ever.
    pub(super) fn admits(&self) -> bool {
        self.used.load(Ordering::Relaxed) < self.limit
    }

    /// The same, after evicting what can be; counts it if there is no room all the same.
    pub(super) fn make_room(&self) -> bool {
        if !self.admits() {
            self.relieve();
        }
        let admits = self.admits();
        if !admits {
            self.note_refused();
        }
        admits
    }

    /// Counts bytes that are held whole until it is dropped, and can't be evicted: if there is room
    /// after evicting others, and all that is held whole stays within a part of the budget.
    pub(super) fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserve> {
        let reserved = take(&self.whole, bytes, self.limit / 4)
            .then(|| Whole(self.clone(), bytes))
            .and_then(|whole| {
                if !take(&self.used, bytes, self.limit) {
                    self.relieve();
                    take(&self.used, bytes, self.limit).then_some(())?;
                }
                let budget = self.clone();
                let charge = Charge { budget, bytes };
                Some(Reserve {
                    _charge: charge,
                    _whole: whole,
                })
            });
        if reserved.is_none() {
            self.note_refused();
        }
        reserved
    }

    /// Whether so many bytes more may be kept for readers to come. A part of the budget is never
    /// used for that, so that messages have room.
    pub(super) fn can_keep(&self, bytes: usize) -> bool {
        self.used.load(Ordering::Relaxed) + bytes <= self.limit / 4 * 3
    }

    /// The same, after evicting others for them.
    pub(super) fn may_keep(&self, bytes: usize) -> bool {
        if !self.can_keep(bytes) {
            self.relieve();
        }
        self.can_keep(bytes)
    }

    /// Whether a writer should call [`Budget::ease`], for there to be room when it writes next.
    pub(super) fn is_tight(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit / 8 * 5
    }

    /// How large a message may get now, unless one change alone is larger.
    pub fn message(&self) -> usize {
        let kept = self.kept.load(Ordering::Relaxed);
        let on_its_way = self.used.load(Ordering::Relaxed).saturating_sub(kept);
        let share = self.limit / 8;
        if on_its_way < share {
            MESSAGE_BYTES.min(share.max(SMALL_MESSAGE_BYTES))
        } else {
            SMALL_MESSAGE_BYTES
        }
    }

    /// Counts a buffer until the last of its slices is dropped.
    pub(super) fn track(self: &Arc<Self>, buffer: BytesMut) -> Bytes {
        if buffer.is_empty() {
            return Bytes::new();
        }
        let charge = self.charge(buffer.capacity() + BUFFER_OVERHEAD);
        Bytes::from_owner(Tracked {
            buffer,
            _charge: charge,
        })
    }

    /// Counts bytes until it is dropped.
    pub(super) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Charge {
            budget: self.clone(),
            bytes,
        }
    }

    /// Counts bytes, which are counted already, as kept until it is dropped.
    pub(super) fn keep(self: &Arc<Self>, bytes: usize) -> Kept {
        self.kept.fetch_add(bytes, Ordering::Relaxed);
        Kept {
            budget: self.clone(),
            bytes,
        }
    }

    /// What is to be evicted so that a good part of the budget is free again. Nothing if that isn't
    /// worth looking through all views for: most is on its way to readers then.
    pub(super) fn excess(&self) -> usize {
        let kept = self.kept.load(Ordering::Relaxed);
        let used = self.used.load(Ordering::Relaxed);
        let excess = used.saturating_sub(self.limit / 2).min(kept);
        if excess < self.limit / 16 { 0 } else { excess }
    }

    pub(super) fn note_evicted(&self, bytes: usize) {
        self.evicted.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes a view one of those that things are evicted from. Gives its number here.
    pub(super) fn enrol(&self, view: &Weak<View>) -> usize {
        self.views.lock().insert(view.clone())
    }

    pub(super) fn strike_off(&self, number: usize) {
        self.views.lock().try_remove(number);
    }

    /// All views. The lock is gone before the first of them is: a view that is dropped takes it.
    pub(super) fn views(&self) -> Vec<Arc<View>> {
        let views = self.views.lock();
        views
            .iter()
            .filter_map(|(_, view)| view.upgrade())
            .collect()
    }

    /// Sizes for metrics.
    pub fn size(&self) -> BudgetSize {
        BudgetSize {
            limit: self.limit,
            used: self.used.load(Ordering::Relaxed),
            kept: self.kept.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

/// Bytes of a budget. Dropping it gives them back.
#[derive(Debug)]
pub(super) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes that are held whole. Dropping it gives them back.
#[derive(Debug)]
pub(super) struct Reserve {
    _charge: Charge,
    _whole: Whole,
}

#[derive(Debug)]
struct Whole(Arc<Budget>, usize);

impl Drop for Whole {
    fn drop(&mut self) {
        self.0.whole.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// Adds to a sum, unless that gets larger than `most`.
fn take(sum: &AtomicUsize, bytes: usize, most: usize) -> bool {
    let add = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= most);
    sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        .is_ok()
}

/// Bytes that are kept for readers to come. Dropping it says that they no longer are.
#[derive(Debug)]
pub(super) struct Kept {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.budget.kept.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A buffer, and its place in the budget.
struct Tracked {
    buffer: BytesMut,
    _charge: Charge,
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_count_once_and_until_the_last_slice_is_gone() {
        let budget = Budget::new(1 << 20);
        let bytes = budget.track(BytesMut::from(&[7; 1000][..]));
        let used = budget.size().used;
        assert!((1000..1000 + 2 * BUFFER_OVERHEAD).contains(&used), "{used}");
        let slice = bytes.slice(10..20);
        let copies: Vec<_> = (0..100).map(|_| bytes.clone()).collect();
        assert_eq!(budget.size().used, used);
        drop((bytes, copies));
        assert_eq!((budget.size().used, &slice[..]), (used, &[7; 10][..]));
        drop(slice);
        assert_eq!(budget.size().used, 0);
    }

    #[test]
    fn messages_are_small_while_much_is_on_its_way() {
        let budget = Budget::new(64 << 20);
        assert_eq!(budget.message(), MESSAGE_BYTES);
        let way = budget.track(BytesMut::zeroed(9 << 20));
        assert_eq!(budget.message(), SMALL_MESSAGE_BYTES);
        let kept = budget.keep(way.len());
        assert_eq!(budget.message(), MESSAGE_BYTES);
        drop(kept);
        assert_eq!(budget.message(), SMALL_MESSAGE_BYTES);
        let small = Budget::new(256 << 10);
        assert_eq!(small.message(), 32 << 10);
    }

    #[test]
    fn a_part_is_left_for_messages() {
        let budget = Budget::new(1 << 20);
        let way = budget.track(BytesMut::zeroed(700 << 10));
        assert!(budget.may_keep(10 << 10));
        assert!(!budget.may_keep(100 << 10));
        assert!(budget.make_room());
        let more = budget.track(BytesMut::zeroed(400 << 10));
        assert!(!budget.make_room());
        assert_eq!(budget.size().refused, 1);
        drop((way, more));
        assert!(budget.make_room());
    }

    #[test]
    fn what_is_held_whole_stays_within_a_part() {
        let budget = Budget::new(1 << 20);
        assert!(budget.reserve(300 << 10).is_none());
        let one = budget.reserve(200 << 10).expect("room");
        assert!(budget.reserve(100 << 10).is_none());
        drop(one);
        let way = budget.track(BytesMut::zeroed(900 << 10));
        assert!(budget.reserve(200 << 10).is_none());
        drop(way);
        let two = budget.reserve(200 << 10).expect("all was given back");
        assert_eq!(budget.size().used, 200 << 10);
        drop(two);
        assert_eq!((budget.size().used, budget.size().refused), (0, 3));
    }
}
