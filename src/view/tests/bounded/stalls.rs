//! A writer waits for nobody who reads, however long that one encodes.

use super::*;

/// A state of seven objects, which somebody reads.
fn read_state(stage: &mut Stage) -> (Arc<View>, Arc<SharedSnapshot>, usize) {
    let view = stage.view(&query("app=web"));
    stage.write(7, 1000);
    let head = stage.cache.head();
    let shared = view.snapshot(|| stage.cache.snapshot(), &head);
    let reader = shared.join();
    (view, shared, reader)
}

#[test]
fn a_state_grows_old_while_somebody_encodes_it() {
    let mut stage = Stage::with(64 << 20, 1 << 20);
    let (view, shared, fast) = read_state(&mut stage);
    let slow = shared.join();
    assert!(matches!(shared.next(fast), Chunk::Events(_)));
    let busy = shared.busy();
    stage.write(1, 10);
    let logs = stage.registry.size().2;
    assert!(view.budget().size().kept > logs);
    drop(busy);
    assert!(matches!(shared.next(slow), Chunk::Events(_)));
    // Nobody is to come, so it went with its last reader.
    size(&stage, &view);
}

#[test]
fn a_rewind_gives_up_the_states_that_are_read() {
    let mut stage = Stage::with(64 << 20, 1 << 20);
    let (view, shared, reader) = read_state(&mut stage);
    assert!(matches!(shared.next(reader), Chunk::Events(_)));
    let start = stage.cache.head().seq.next();
    stage.registry.restart(start, stage.cache.rewrites() + 1);
    assert_eq!(view.budget().size().kept, 0);
    assert_eq!(shared.next(reader), Chunk::Gone);
    shared.leave(reader);
}

#[test]
fn room_is_made_while_somebody_encodes_elsewhere() {
    let mut stage = Stage::with(1 << 20, 4 << 20);
    let (view, shared, _) = read_state(&mut stage);
    let busy = shared.busy();
    for _ in 0..400 {
        stage.write(1, 10_000);
    }
    let BudgetSize { used, evicted, .. } = view.budget().size();
    assert!(used <= 1 << 20 && evicted > 1 << 20, "{used} {evicted}");
    assert_eq!(view.budget().size().refused, 0);
    drop(busy);
}

#[test]
fn nothing_is_evicted_under_the_lock_that_is_written_under() {
    let mut stage = Stage::with(1 << 20, 4 << 20);
    let (view, ..) = read_state(&mut stage);
    let budget = stage.budget.clone();
    let evicting = budget.evicting.lock();
    for _ in 0..200 {
        stage.write(1, 10_000);
    }
    let size = view.budget().size();
    assert_eq!(size.evicted, 0);
    assert!(size.refused > 0, "it is left out, for readers to fetch");
    drop(evicting);
    stage.write(1, 10_000);
    stage.write(1, 10_000);
    assert_eq!(view.last(), stage.cache.head().seq);
    assert!(view.size().1 > 0, "it is kept again");
}

#[test]
fn an_old_state_is_looked_through_in_steps() {
    let mut stage = Stage::with(64 << 20, 4 << 20);
    let view = stage.view(&query("app=db"));
    let deltas = (0..10_000).map(|at| {
        let app = if at % 100 == 7 { "db" } else { "web" };
        let (key, version) = (format!("ns/p{at:05}"), 1001 + at);
        Delta::Added(pod(&key, "u", &[("app", app)], version))
    });
    stage.apply(deltas.collect());
    let head = stage.cache.head();
    let shared = view.snapshot(|| stage.cache.snapshot(), &head);
    let reader = shared.join();
    let first = shared.next(reader);
    assert!(matches!(first, Chunk::Events(_)));
    stage.apply(vec![Delta::Modified(pod("ns/p00000", "u", &[], 20_000))]);
    stage.cache.evict(stage.now + Duration::from_secs(3601));
    let floor = stage.cache.floor_seq();
    let busy = shared.busy();
    assert!(!view.retire(floor), "whoever is at work isn't waited for");
    drop(busy);
    let mut told = 0;
    let mut tell = |chunk| match chunk {
        Chunk::Events(bytes) => told += events(&[bytes]).len(),
        Chunk::End(count) => assert_eq!(count, 100),
        other => panic!("{other:?}"),
    };
    tell(first);
    for step in 0..3 {
        assert!(view.retire(floor), "{step}");
        tell(shared.next(reader));
    }
    assert!(!view.retire(floor), "it is done");
    assert_eq!(shared.next(reader), Chunk::End(100));
    assert_eq!(told, 100);
    shared.leave(reader);
}
