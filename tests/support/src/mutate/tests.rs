//! Good runs pass, damaged ones are caught by the validator that owns the damage.

use fastrand::Rng;

use super::{MUTATIONS, good_run, long_run};
use crate::recorder::{load, save};
use crate::trace::{Frame, Run};
use crate::validate::{Expectation, validate_all};

const COMMITS: usize = 120;

fn expectation() -> Expectation {
    Expectation {
        min_events: 1000,
        lists: Some(1),
        ..Expectation::default()
    }
    .requiring(&[
        "ADDED",
        "MODIFIED",
        "DELETED",
        "CHANGE",
        "SNAPSHOT",
        "ENTERED",
        "LEFT",
        "RESYNC",
        "BOOKMARK",
        "RESET LAGGED",
        "RESET EXPIRED",
        "STARTED RESUMED",
        "STARTED RESYNCED",
        "STARTED FROM_NOW",
        "END UNAVAILABLE DRAINING",
        "END OK",
    ])
}

fn assert_passes(run: &Run, seed: u64) {
    if let Err(report) = validate_all(run, &expectation()) {
        panic!("the good run of seed {seed} is refused: {report}");
    }
}

#[test]
fn good_runs_pass() {
    for seed in 0..6 {
        assert_passes(&good_run(seed, COMMITS), seed);
    }
}

#[test]
fn each_mutation_is_caught_by_its_owner() {
    let good: Vec<Run> = (0..3).map(|seed| good_run(seed, COMMITS)).collect();
    for mutation in MUTATIONS {
        let mut applied = 0;
        for seed in 0..12_u64 {
            if applied == 2 {
                break;
            }
            let mut run = good[seed as usize % good.len()].clone();
            if !(mutation.apply)(&mut run, &mut Rng::with_seed(seed)) {
                continue;
            }
            applied += 1;
            let name = mutation.name;
            match validate_all(&run, &expectation()) {
                Ok(_) => panic!("{name} (seed {seed}) passes unseen"),
                Err(report) => assert!(
                    report.guarantees().contains(&mutation.owner),
                    "{name} (seed {seed}) isn't seen by {}: {report}",
                    mutation.owner
                ),
            }
        }
        assert!(
            applied == 2,
            "{} found only {applied} places",
            mutation.name
        );
    }
}

#[test]
fn a_saved_run_is_judged_alike() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run.jsonl");
    let run = good_run(7, COMMITS);
    save(&run, &path).expect("it is written");
    let loaded = load(&path).expect("it is read");
    assert_eq!(loaded, run);
    assert_passes(&loaded, 7);
}

#[test]
fn one_event_of_many_is_missed() {
    let mut run = long_run(1, 10_000);
    let expectation = Expectation::default();
    validate_all(&run, &expectation).expect("the long run is good");
    let frames = &mut run.streams[0].frames;
    let middle = frames.len() / 2;
    let event = (middle..).find(|place| matches!(frames[*place].1, Frame::Event(_)));
    frames.remove(event.expect("a long run has events everywhere"));
    let report = validate_all(&run, &expectation).expect_err("one event is missing");
    assert!(report.guarantees().contains(&"G1 complete"), "{report}");
}
