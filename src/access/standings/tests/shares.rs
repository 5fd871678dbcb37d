//! What the checks of some cost, and the others.

use super::*;

#[test]
fn a_caller_whose_checks_all_fail_holds_nobody_else() {
    let mut play = Play::new(6);
    for number in CROWD..CROWD + 4 {
        play.open(number, play.now);
    }
    let fails = |made: &Made| match made.number {
        CROWD.. => Err(Refusal::Unverified),
        _ => Ok(()),
    };
    for until in (50..=600).step_by(10) {
        play.run(until, fails);
        assert!(play.how_many(&Health::Good) >= 6, "after {until} s");
    }
    assert_eq!(play.how_many(&Health::Held), 4);
}

#[test]
fn checks_that_hang_take_a_part_of_the_turns() {
    let mut play = Play::new(100);
    for number in CROWD..CROWD + 1000 {
        play.open(number, play.now);
    }
    let mut hanging = Vec::new();
    while play.passed() < seconds(40.0) {
        play.now += STEP;
        while let Some(check) = play.roll.take(play.now, ROOM) {
            match number(&check) {
                CROWD.. => hanging.push(check),
                _ => play.check(&check, &fine),
            }
        }
    }
    let share = hanging.len();
    assert!((40..60).contains(&share), "{share}");
    let mut checked: Vec<_> = play.made.iter().map(|made| made.number).collect();
    checked.sort_unstable();
    checked.dedup();
    assert_eq!(checked.len(), 100, "nobody waits for them");
    // One by one the others of that caller have their turn.
    for check in hanging.drain(..) {
        play.finish(&check, Ok(()));
        let next = play.roll.take(play.now, ROOM).expect("the next one");
        play.finish(&next, Ok(()));
    }
    let made = play.run(45, fine);
    assert!(made.iter().filter(|made| made.number >= CROWD).count() > 800);
}

#[test]
fn a_storm_about_few_costs_each_of_them_one_check_per_second() {
    let mut play = Play::new(300);
    play.run(30, fine);
    let mut early = 0;
    for _ in 0..300 {
        play.change(user(7));
        let until = play.now + Duration::from_millis(100);
        while play.now < until {
            play.now += STEP;
            while let Some(check) = play.roll.take(play.now, ROOM) {
                early += u32::from(check.early);
                play.check(&check, &fine);
            }
        }
    }
    assert!((25..=31).contains(&early), "{early} in 30 s");
}
