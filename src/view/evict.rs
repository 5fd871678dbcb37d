//! Which of what is kept is given up when room is needed.
//!
//! Everything can be encoded again, at the price of doing so. A piece that nobody has yet to read
//! goes first. Of the others it is the one that lies furthest behind, by bytes, for the fewest
//! readers: so a crowd that reads along keeps its newest events, and those pay who hold the most
//! alone. They are not stopped: what comes next for them is encoded from the history, as long as
//! that reaches back to them.

use super::{Budget, View};
use crate::store::Seq;

/// Where a row of pieces is cut: what stands before goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// A log: what ends at this change or before.
    Log(Seq),
    /// So many stretches of the time before a log.
    Past(usize),
    /// Of a snapshot, the chunks before this one.
    Snapshot {
        /// Which of the view's snapshots.
        of: Seq,
        /// The first that stays.
        before: usize,
    },
}

/// A stretch of pieces that can be given up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    /// The higher, the sooner.
    score: u64,
    bytes: usize,
    cut: Cut,
}

/// Grades a row of pieces by stretches, finer towards the end, where most readers are. `pieces`
/// tells of each its bytes, and where to cut behind it. `needs` tells of each reader which piece
/// it has to read first, of all that follow it needs every one.
pub(super) fn grade(
    pieces: &[(usize, Cut)],
    needs: impl Iterator<Item = usize>,
    offers: &mut Vec<Offer>,
) {
    let ends = stretches(pieces.len());
    let mut readers = vec![0_u64; ends.len() + 1];
    for first in needs {
        readers[ends.partition_point(|end| *end <= first)] += 1;
    }
    let mut behind: usize = pieces.iter().map(|(bytes, _)| bytes).sum();
    let (mut begin, mut needing) = (0, 0);
    for (at, end) in ends.into_iter().enumerate() {
        needing += readers[at];
        let bytes: usize = pieces[begin..end].iter().map(|(bytes, _)| bytes).sum();
        let score = match needing {
            0 => u64::MAX,
            readers => behind as u64 * 256 / readers,
        };
        offers.push(Offer {
            score,
            bytes,
            cut: pieces[end - 1].1,
        });
        behind -= bytes;
        begin = end;
    }
}

/// Where stretches end: each is about as long as all that come after it.
fn stretches(pieces: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut left = pieces;
    while left > 0 {
        left -= left.div_ceil(2);
        ends.push(pieces - left);
    }
    ends
}

impl Budget {
    /// Evicts what is kept until a good part of the budget is free, or nothing is kept any more.
    /// Takes the locks of views, one after the other.
    pub fn relieve(&self) {
        let _alone = self.evicting.lock();
        self.give_up();
    }

    /// The same for a writer, which does so once it has let go of all locks and before room is
    /// wanting. Waits for nobody who encodes or evicts.
    pub fn ease(&self) {
        if self.is_tight()
            && let Some(_alone) = self.evicting.try_lock()
        {
            self.give_up();
        }
    }

    fn give_up(&self) {
        let excess = self.excess();
        if excess == 0 {
            return;
        }
        let views = self.views();
        for (view, cut) in chosen(&views, excess) {
            self.note_evicted(views[view].evict(cut));
        }
    }
}

/// The cuts that free so many bytes, with the number of the view.
fn chosen(views: &[std::sync::Arc<View>], excess: usize) -> Vec<(usize, Cut)> {
    let mut offers = Vec::new();
    let mut all = Vec::new();
    for (at, view) in views.iter().enumerate() {
        view.offer(&mut offers);
        all.extend(offers.drain(..).map(|offer| (at, offer)));
    }
    all.sort_by_key(|(_, offer)| std::cmp::Reverse(offer.score));
    let mut freed = 0;
    let enough = all.into_iter().take_while(|(_, offer)| {
        let go_on = freed < excess;
        freed += offer.bytes;
        go_on
    });
    enough.map(|(view, offer)| (view, offer.cut)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graded(sizes: &[usize], needs: &[usize]) -> Vec<(u64, usize)> {
        let pieces: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(at, bytes)| (*bytes, Cut::Log(Seq::ORIGIN.forward(at))))
            .collect();
        let mut offers = Vec::new();
        grade(&pieces, needs.iter().copied(), &mut offers);
        offers
            .into_iter()
            .map(|offer| (offer.score, offer.bytes))
            .collect()
    }

    #[test]
    fn stretches_get_finer_towards_the_end() {
        assert_eq!(stretches(0), [0; 0]);
        assert_eq!(stretches(1), [1]);
        assert_eq!(stretches(10), [5, 8, 9, 10]);
    }

    #[test]
    fn what_nobody_needs_goes_first_and_what_many_need_last() {
        let offers = graded(&[10; 10], &[9, 9, 9, 9, 5]);
        let scores: Vec<u64> = offers.iter().map(|(score, _)| *score).collect();
        assert_eq!(scores, [u64::MAX, 50 * 256, 20 * 256, 10 * 256 / 5]);
        assert_eq!(offers.iter().map(|(_, bytes)| bytes).sum::<usize>(), 100);
        // Who has read everything needs nothing.
        assert_eq!(graded(&[10], &[1, 1]), [(u64::MAX, 10)]);
    }

    #[test]
    fn a_reader_alone_pays_before_a_crowd_that_is_as_far_behind() {
        let alone = graded(&[10; 4], &[0]);
        let crowd = graded(&[10; 4], &[0; 100]);
        assert!(alone.last() > crowd.first(), "{alone:?} {crowd:?}");
    }
}
