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
