//! What is kept is bounded in all, and can always be encoded again.

mod stalls;

use super::*;
use crate::store::Since;

impl Stage {
    fn with(budget: usize, log: usize) -> Self {
        let mut stage = Self::new();
        stage.budget = Budget::new(budget);
        stage.registry = Registry::new(stage.budget.clone(), log);
        stage.registry.renumber(stage.cache.rewrites());
        stage
    }

    /// Changes `count` objects, of so many bytes each, one after the other.
    fn write(&mut self, count: usize, padding: usize) {
        let padding = "x".repeat(padding / 2);
        for _ in 0..count {
            let head = self.cache.head().version.to_string();
            let next = head.parse::<u64>().expect("a number") + 1;
            let key = format!("ns/p{}", next % 7);
            let object = pod(&key, "u", &[("app", "web"), ("pad", &padding)], next);
            self.apply(vec![Delta::Modified(object)]);
        }
    }

    fn place(&self, after: Seq) -> HistoryPlace {
        HistoryPlace {
            after,
            seam: self.cache.seam(),
            rewrites: self.cache.rewrites(),
        }
    }

    /// What the history tells through a view, stretch by stretch, up to its log; and how many
    /// changes were fetched for that.
    fn past(&self, view: &View, mut after: Seq) -> (Vec<Bytes>, Seq, usize) {
        let (mut slices, mut fetched) = (Vec::new(), 0);
        loop {
            let past = view.past(self.place(after), |after| {
                match self.cache.since(after, 100) {
                    Since::Changes(changes) => {
                        fetched += changes.len();
                        Some(changes)
                    }
                    Since::Expired => None,
                }
            });
            match past {
                Past::Run(run) => {
                    assert!(run.through > after, "it goes on");
                    after = run.through;
                    slices.extend(run.slices);
                }
                Past::InLog(after) => return (slices, after, fetched),
                Past::Lost if after == self.cache.head().seq => return (slices, after, fetched),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn distinct(stage: &mut Stage, count: usize) -> Vec<Arc<View>> {
    (0..count)
        .map(|at| stage.view(&query(&format!("app=web,n!=x{at}"))))
        .collect()
}

fn size(stage: &Stage, view: &View) -> BudgetSize {
    let size = view.budget().size();
    let logs = stage.registry.size().2;
    assert_eq!(size.kept, logs, "what is counted is what is there");
    size
}

#[test]
fn any_number_of_queries_stays_within_the_budget() {
    let mut stage = Stage::with(1 << 20, 4 << 20);
    let views = distinct(&mut stage, 50);
    let readers: Vec<_> = views
        .iter()
        .map(|view| view.join(stage.cache.head().seq, stage.now))
        .collect();
    let start = stage.cache.head().seq;
    for _ in 0..100 {
        stage.write(1, 4000);
        assert!(size(&stage, &views[0]).used <= 1 << 20);
    }
    // Without a budget this would be 50 x 100 x 2,000 bytes.
    let size = size(&stage, &views[0]);
    assert!(size.evicted > 8 << 20, "{size:?}");
    assert!(size.used < size.kept / 4 * 5, "little is wasted: {size:?}");
    assert!(size.kept > 256 << 10, "it is made use of: {size:?}");
    for (view, reader) in views.iter().zip(readers) {
        let (mut slices, after, _) = stage.past(view, start);
        slices.extend(stage.read(view, reader, after));
        let versions: Vec<_> = events(&slices)
            .into_iter()
            .map(|event| event.resource_version.parse::<u64>().expect("a number"))
            .collect();
        assert_eq!(versions, (1001..1101).collect::<Vec<_>>());
    }
    drop((stage, views));
}

#[test]
fn who_reads_along_keeps_what_is_new_and_who_is_behind_pays() {
    let mut stage = Stage::with(1 << 20, 4 << 20);
    let crowd = stage.view(&query("app=web"));
    let readers: Vec<_> = (0..100)
        .map(|_| crowd.join(stage.cache.head().seq, stage.now))
        .collect();
    let idle = distinct(&mut stage, 20);
    for view in &idle {
        view.join(stage.cache.head().seq, stage.now);
    }
    let mut after = stage.cache.head().seq;
    for _ in 0..200 {
        stage.write(1, 4000);
        for reader in &readers {
            let read = crowd.read(*reader, after, 1 << 20, stage.now, Waker::noop());
            assert!(matches!(read, Read::Run(_)), "{read:?}");
        }
        after = stage.cache.head().seq;
    }
    assert!(size(&stage, &crowd).evicted > 1 << 20);
}

#[test]
fn the_past_is_encoded_once_for_all_who_ask_the_same() {
    let mut stage = Stage::with(64 << 20, 64 << 10);
    let view = stage.view(&query("app=web"));
    let start = stage.cache.head().seq;
    stage.write(300, 500);
    let (one, end, fetched) = stage.past(&view, start);
    assert!(fetched > 100, "{fetched}");
    let (two, same_end, again) = stage.past(&view, start);
    assert_eq!((end, again), (same_end, 0));
    let pointers = |slices: &[Bytes]| {
        slices
            .iter()
            .map(|slice| slice.as_ptr())
            .collect::<Vec<_>>()
    };
    assert_eq!(pointers(&one), pointers(&two));
    // Whoever comes in the middle is given a part of the same.
    let (part, _, again) = stage.past(&view, start.forward(10));
    assert_eq!(again, 0);
    assert_eq!(events(&part).len() + 10, events(&one).len());
}

#[test]
fn a_long_stretch_without_matches_is_walked_in_steps_and_only_once() {
    let mut stage = Stage::with(64 << 20, 1 << 20);
    let none = stage.view(&query("app=db"));
    let start = stage.cache.head().seq;
    // All of it is one publication, and more than a log holds.
    let deltas = (1001..11_001)
        .map(|version| Delta::Modified(pod("ns/p", "u", &[("app", "web")], version)))
        .collect();
    let changes = stage.cache.apply(deltas, stage.now);
    assert_eq!(changes.len(), 10_000);
    let first = changes[0].seq;
    let fetch = |after: Seq| {
        let from = after.steps_since(first.back(1));
        Some(changes[from..].iter().take(500).cloned().collect())
    };
    // As if the log had been given up.
    none.restart(changes[9_999].seq.next());
    let mut after = start;
    let mut steps = 0;
    while let Past::Run(run) = none.past(stage.place(after), fetch) {
        assert!(run.slices.is_empty());
        assert!(run.through.steps_since(after) <= 4096);
        assert!(run.position.is_some());
        after = run.through;
        steps += 1;
        if after == changes[9_999].seq {
            break;
        }
    }
    assert_eq!(steps, 3);
    let known = none.past(stage.place(start), |_| panic!("it is known"));
    assert!(matches!(known, Past::Run(_)));
}

#[test]
fn a_group_in_the_past_hands_out_its_token_with_the_last_that_is_shown() {
    let mut stage = Stage::with(1 << 20, 1 << 10);
    let view = stage.view(&query("app=web"));
    let start = stage.cache.head().seq;
    let padding = "x".repeat(10_000);
    let list = (0..100).map(|at| {
        let app = if at < 60 { "web" } else { "db" };
        let labels = [("app", app), ("pad", padding.as_str())];
        pod(&format!("ns/p{at:02}"), "u", &labels, 1001 + at)
    });
    let changes = stage.cache.replace(list.collect(), rv(2000), stage.now);
    stage.registry.publish(&changes);
    let (slices, end, _) = stage.past(&view, start);
    assert!(slices.len() > 5, "{}", slices.len());
    let tokens: Vec<_> = events(&slices)
        .into_iter()
        .map(|event| event.resume_token)
        .collect();
    assert_eq!(tokens.len(), 60);
    assert!(tokens[..59].iter().all(String::is_empty), "{tokens:?}");
    assert_eq!(tokens[59], "t2000");
    assert_eq!(end, changes[99].seq, "all of the group is known to be told");
}

#[test]
fn who_has_read_everything_is_not_left_behind_by_what_is_left_out() {
    let mut stage = Stage::with(16 << 10, 4 << 20);
    let view = stage.view(&query("app=web"));
    let start = stage.cache.head().seq;
    let reader = view.join(start, stage.now);
    let deltas = (1001..1500)
        .map(|version| Delta::Modified(pod("ns/q", "v", &[], version)))
        .collect();
    stage.apply(deltas);
    let quiet = stage.cache.head().seq;
    stage.write(1, 40_000);
    assert!(view.budget().size().refused > 0);
    let read = view.read(reader, start, 1 << 20, stage.now, Waker::noop());
    assert_eq!(read, Read::Behind(quiet));
    // From there on it is in the history, however little that holds.
    let (slices, _, _) = stage.past(&view, quiet);
    assert_eq!(events(&slices).len(), 1);
}

#[test]
fn a_view_that_is_gone_holds_nothing() {
    let mut stage = Stage::with(1 << 20, 1 << 20);
    let views = distinct(&mut stage, 5);
    let budget = views[0].budget().clone();
    stage.write(10, 1000);
    assert!(budget.size().kept > 0);
    let queries: Vec<_> = views.iter().map(|view| view.query().clone()).collect();
    drop(views);
    for query in &queries {
        stage.registry.release(query);
    }
    assert_eq!((budget.size().used, budget.size().kept), (0, 0));
    assert_eq!(budget.views().len(), 0);
}

#[test]
fn chunks_go_with_their_last_reader_and_come_again_for_the_slow() {
    let mut stage = Stage::with(64 << 20, 1 << 20);
    let view = stage.view(&query("app=web"));
    let padding = "x".repeat(5_000);
    let deltas = (0..1000)
        .map(|at| {
            let labels = [("app", "web"), ("pad", padding.as_str())];
            Delta::Added(pod(&format!("ns/p{at:04}"), "u", &labels, 1001 + at))
        })
        .collect();
    stage.apply(deltas);
    let head = stage.cache.head();
    let shared = view.snapshot(|| stage.cache.snapshot(), &head);
    let [fast, slow] = [shared.join(), shared.join()];
    let read = |reader| {
        let mut chunks = Vec::new();
        while let Chunk::Events(chunk) = shared.next(reader) {
            chunks.push(chunk);
        }
        chunks
    };
    let budget = view.budget();
    let first = read(fast);
    assert!(first.len() > 10);
    assert!(budget.size().kept > 5_000_000, "for those who begin now");
    let kept = budget.size().kept;
    // Under pressure they go, and are the same when they come again.
    for number in 1..=first.len() {
        assert!(shared.evict(number) > 0);
    }
    assert_eq!(
        budget.size().kept,
        kept - first.iter().map(Bytes::len).sum::<usize>()
    );
    stage.write(1, 100);
    // Nobody begins with it any more, so each goes as soon as it is read.
    let before = budget.size().kept;
    let second = read(slow);
    assert_eq!(budget.size().kept, before);
    assert_eq!(first, second);
    let pointers = |chunks: &[Bytes]| chunks[0].as_ptr();
    assert_ne!(pointers(&first), pointers(&second));
    shared.leave(fast);
    shared.leave(slow);
}

#[test]
fn an_old_state_is_held_only_as_long_as_it_can_be_continued() {
    let mut stage = Stage::with(64 << 20, 1 << 20);
    let quiet = stage.view(&query("app=db"));
    let busy = stage.view(&query("app=web"));
    stage.apply(vec![Delta::Added(pod(
        "ns/db",
        "d",
        &[("app", "db")],
        1001,
    ))]);
    stage.write(7, 1000);
    let head = stage.cache.head();
    let states = [&quiet, &busy].map(|view| view.snapshot(|| stage.cache.snapshot(), &head));
    let readers = states.each_ref().map(|state| state.join());
    let object = Arc::downgrade(
        stage
            .cache
            .get(&crate::resource::Key::new("ns", "p3"))
            .expect("written"),
    );
    stage.write(7, 1000);
    // The history forgets all that, and the log of the busy view too.
    stage.cache.evict(stage.now + Duration::from_secs(3601));
    busy.evict(evict::Cut::Log(stage.cache.head().seq));
    let floor = stage.cache.floor_seq();
    let outdated = stage.registry.outdated(floor);
    assert_eq!(outdated.len(), 2);
    let looked = outdated.iter().filter(|view| view.retire(floor)).count();
    assert_eq!(looked, 1, "the other is given up");
    assert_eq!(states[1].next(readers[1]), Chunk::Gone);
    assert!(matches!(states[0].next(readers[0]), Chunk::Events(_)));
    assert_eq!(states[0].next(readers[0]), Chunk::End(1));
    assert!(object.upgrade().is_none(), "what isn't shown isn't held");
}
