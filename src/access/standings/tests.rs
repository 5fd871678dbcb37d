//! The roll over minutes and thousands of standings, with a clock of the test's own.

mod shares;

use std::{collections::HashMap, sync::LazyLock, task::Waker, time::Duration};

use super::{roll::Roll, *};
use crate::{
    access::{
        Credential, Identity, Named, Quota, Scope, Subscribe,
        ask::Question,
        quota::Quotas,
        standing::{Health, Watcher},
    },
    selector::{FilterSpec, Membership},
};

const TIMING: Timing = Timing {
    interval: Duration::from_secs(30),
    outage: Duration::from_secs(600),
};
const ROOM: Room = Room {
    regular: true,
    early: true,
};
/// The clock's step.
const STEP: Duration = Duration::from_millis(50);

static QUOTAS: LazyLock<Arc<Quotas>> = LazyLock::new(|| Arc::new(Quotas::new(Quota::default())));

/// Numbers from here on are of one caller.
const CROWD: u32 = 1 << 20;

/// A caller of its own for each number, who reads pods in a namespace.
fn standing(number: u32, namespace: &str, asked: Instant) -> Arc<Standing> {
    let namespaces = [namespace.to_owned()];
    let filter = FilterSpec {
        namespaces: &namespaces,
        ..FilterSpec::default()
    };
    let resource = Named {
        group: String::new(),
        version: "v1".into(),
        resource: "pods".into(),
    };
    let questions = Question::all::<Subscribe>(&Scope {
        resource,
        membership: Membership::new(filter).expect("valid"),
    });
    let identity = Identity {
        username: format!("user-{number}"),
        groups: vec!["all".into()],
        ..Identity::default()
    };
    let known = Known {
        credential: Credential::Certificate(number.to_be_bytes().to_vec().into()),
        identity: Arc::new(identity),
    };
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    // Phases are drawn from a hash, so these are spread as well.
    let mut phase = key;
    phase[..8]
        .copy_from_slice(&(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
    if number >= CROWD {
        phase = [1; 32];
    }
    let user = &known.identity.username;
    let held = QUOTAS.hold(user, key, questions.len(), Instant::now());
    let subject = Subject {
        held: held.expect("few enough"),
        known,
        questions,
    };
    Arc::new(Standing::new(key, phase, subject, asked))
}

fn user(number: u32) -> Whom {
    let mut whom = Whom::default();
    whom.add_user("", &format!("user-{number}"));
    whom
}

/// When a check was made, of whom, why, and since when answers counted.
#[derive(Debug, Clone, Copy)]
struct Made {
    at: Duration,
    number: u32,
    early: bool,
    since: Option<Duration>,
}

/// The roll, its streams, and the time.
struct Play {
    roll: Roll,
    began: Instant,
    now: Instant,
    streams: Vec<(Arc<Standing>, Watcher)>,
    made: Vec<Made>,
}

impl Play {
    fn new(streams: u32) -> Self {
        let began = Instant::now();
        let mut play = Self {
            roll: Roll::new(TIMING),
            began,
            now: began,
            streams: Vec::new(),
            made: Vec::new(),
        };
        for number in 0..streams {
            play.open(number, began);
        }
        play
    }

    fn open(&mut self, number: u32, asked: Instant) {
        let new = standing(number, "a", asked);
        let joined = self.roll.join(new, asked, self.now);
        self.streams
            .push((joined.clone(), Watcher::new(Some(joined))));
    }

    fn passed(&self) -> Duration {
        self.now - self.began
    }

    /// Lets time pass until so many seconds have; each check is answered at once.
    fn run(&mut self, until: u64, answer: impl Fn(&Made) -> Result<(), Refusal>) -> Vec<Made> {
        let before = self.made.len();
        while self.passed() < Duration::from_secs(until) {
            self.now += STEP;
            while let Some(check) = self.roll.take(self.now, ROOM) {
                self.check(&check, &answer);
            }
            for old in self.roll.old(self.now) {
                let next = old.age(self.now, TIMING);
                self.roll.aged(&old, next);
            }
        }
        self.made[before..].to_vec()
    }

    fn check(&mut self, check: &Check, answer: &impl Fn(&Made) -> Result<(), Refusal>) {
        let made = Made {
            at: self.passed(),
            number: number(check),
            early: check.early,
            since: check.since.map(|since| since - self.began),
        };
        self.made.push(made);
        self.finish(check, answer(&made));
    }

    fn finish(&mut self, check: &Check, outcome: Result<(), Refusal>) {
        let (known, now) = (check.standing.subject.known.clone(), self.now);
        let heard = outcome.clone().map(|()| now);
        check.standing.heard(heard, now, TIMING);
        self.roll
            .checked(check, outcome.map(|()| (known, now)), now);
    }

    fn change(&mut self, whom: Whom) {
        self.roll.changed(whom, self.now, self.now);
    }

    fn how_many(&mut self, health: &Health) -> usize {
        let streams = self.streams.iter_mut();
        let now = streams.map(|(_, watcher)| watcher.poll(Waker::noop()));
        now.filter(|now| now == health).count()
    }
}

fn number(check: &Check) -> u32 {
    let key = check.standing.key.first_chunk().expect("32 bytes");
    u32::from_be_bytes(*key)
}

fn fine(_: &Made) -> Result<(), Refusal> {
    Ok(())
}

fn down(_: &Made) -> Result<(), Refusal> {
    Err(Refusal::Unverified)
}

fn seconds(text: f64) -> Duration {
    Duration::from_secs_f64(text)
}

#[test]
fn each_is_checked_once_per_interval() {
    let mut play = Play::new(300);
    play.run(30, fine);
    let made = play.run(90, fine);
    let mut counts: HashMap<u32, u32> = HashMap::new();
    for made in &made {
        assert!(!made.early && made.since.is_none(), "{made:?}");
        *counts.entry(made.number).or_default() += 1;
    }
    assert_eq!(counts.len(), 300);
    assert!(counts.values().all(|count| *count == 2), "{counts:?}");
    let most = (0..60).map(|second| {
        let second = Duration::from_secs(30 + second)..Duration::from_secs(31 + second);
        made.iter().filter(|made| second.contains(&made.at)).count()
    });
    assert!(most.max().unwrap_or(0) < 40, "they are spread");
}

#[test]
fn nobody_there_is_asked_now_and_then_and_all_go_on_soon_after() {
    for streams in [1, 3, 3000] {
        let mut play = Play::new(streams);
        play.run(40, fine);
        let all = play.streams.len();
        let made = play.run(75, down);
        assert!(made.len() < 40, "{streams}: {} tries in 35 s", made.len());
        play.run(120, down);
        assert_eq!(play.how_many(&Health::Held), all, "{streams}");
        let made = play.run(300, down).len();
        assert!((80..=200).contains(&made), "{streams}: {made} in 180 s");
        assert!(play.roll.census().suspended);
        play.run(305, fine);
        assert_eq!(play.how_many(&Health::Good), all, "{streams}");
        assert_eq!(play.roll.census().failing, 0);
        assert!(!play.roll.census().suspended);
    }
}

#[test]
fn one_that_fails_among_others_is_asked_ever_less_and_delays_nobody() {
    let mut play = Play::new(300);
    let fails = |made: &Made| match made.number {
        7 => Err(Refusal::Unverified),
        _ => Ok(()),
    };
    let made = play.run(300, fails);
    let tries: Vec<_> = made.iter().filter(|made| made.number == 7).collect();
    let waits: Vec<_> = tries
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    assert!(waits[0] <= seconds(5.1), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= seconds(30.1)), "{waits:?}");
    assert!((9..=25).contains(&tries.len()), "{waits:?}");
    let made = play.run(400, fine);
    assert!(made.iter().any(|made| made.number == 7), "never given up");
    assert_eq!(play.how_many(&Health::Good), 300);
}

#[test]
fn a_change_is_checked_at_once_and_once_more_and_costs_others_nothing() {
    let mut play = Play::new(300);
    play.run(40, fine);
    play.change(user(7));
    let heard = play.passed();
    let made: Vec<_> = play.run(60, fine);
    let of_it: Vec<_> = made.iter().filter(|made| made.number == 7).collect();
    let early: Vec<_> = of_it.iter().filter(|made| made.since.is_some()).collect();
    assert_eq!(early.len(), 2, "{of_it:?}");
    assert!(early[0].at <= heard + 2 * STEP, "{of_it:?}");
    assert_eq!(early[0].since, Some(heard), "no older answer will do");
    assert!(early[1].at <= heard + seconds(3.1), "{of_it:?}");
    assert_eq!(early[1].since, Some(heard + seconds(2.0)));
    let others = made.iter().filter(|made| made.number != 7);
    assert!(
        others
            .into_iter()
            .all(|made| !made.early && made.since.is_none())
    );
    let mut elsewhere = Whom::default();
    elsewhere.add_everybody("b");
    play.change(elsewhere);
    assert!(play.run(65, fine).iter().all(|made| made.since.is_none()));
}

#[test]
fn what_changes_while_it_is_asked_about_is_asked_about_again() {
    let mut play = Play::new(1);
    play.run(1, fine);
    play.change(user(0));
    play.now += STEP;
    let check = play.roll.take(play.now, ROOM).expect("an early check");
    play.now += STEP;
    play.change(user(0));
    let heard = play.passed();
    assert!(play.roll.take(play.now, ROOM).is_none(), "one at a time");
    let known = check.standing.subject.known.clone();
    let asked = play.now - STEP;
    play.roll.checked(&check, Ok((known, asked)), play.now);
    let made = play.run(3, fine);
    assert_eq!(made[0].since, Some(heard), "{made:?}");
}

#[test]
fn a_stream_that_begins_by_an_answer_from_before_a_change_is_checked_too() {
    let mut play = Play::new(0);
    play.run(20, fine);
    let asked = play.now;
    play.run(25, fine);
    play.change(user(7));
    play.run(28, fine);
    play.open(7, asked);
    play.open(8, asked);
    let made = play.run(29, fine);
    let early: Vec<_> = made.iter().filter(|made| made.early).collect();
    assert_eq!(early.len(), 1, "{made:?}");
    assert_eq!(early[0].number, 7);
    assert_eq!(early[0].since, Some(Duration::from_secs(27)));
}

#[test]
fn a_storm_of_changes_has_a_budget_and_delays_no_regular_check() {
    const ALL: u32 = 6000;
    let mut play = Play::new(ALL);
    play.run(30, fine);
    let mut early = 0;
    let mut last: HashMap<u32, Duration> = (0..ALL).map(|n| (n, play.passed())).collect();
    for second in 31..=120 {
        let mut all = Whom::default();
        all.add_group("", "all");
        play.change(all);
        for made in play.run(second, fine) {
            early += u32::from(made.early);
            let before = last.insert(made.number, made.at).expect("known");
            assert!(made.at - before <= seconds(30.2), "{made:?}");
        }
    }
    assert!(
        (80 * 200..=90 * 200 + 64).contains(&early),
        "{early} in 90 s"
    );
    let late = play.passed() - seconds(30.2);
    assert!(last.values().all(|at| *at > late));
}

#[test]
fn changes_in_an_outage_are_asked_about_when_it_is_over() {
    let mut play = Play::new(100);
    play.run(40, fine);
    play.run(100, down);
    play.change(user(7));
    let heard = play.passed();
    let made = play.run(110, down);
    assert!(made.len() < 15, "{}", made.len());
    let made = play.run(115, fine);
    let first = made.iter().find(|made| made.number == 7);
    let since = first.expect("checked").since;
    assert!(since.is_some_and(|since| since >= heard), "{since:?}");
}

#[test]
fn those_that_nobody_holds_leave_the_roll() {
    let mut play = Play::new(100);
    play.run(35, fine);
    play.streams.clear();
    assert_eq!(play.roll.census().standings, 0);
    assert!(!play.roll.entries.is_empty());
    play.run(66, fine);
    assert!(play.roll.entries.is_empty());
    for queue in [
        &play.roll.regular,
        &play.roll.failing,
        &play.roll.early,
        &play.roll.aging,
    ] {
        assert_eq!(queue.len(), 0);
    }
    for number in 0..100_000 {
        let new = standing(number, "a", play.now);
        drop(play.roll.join(new, play.now, play.now));
    }
    assert!(play.roll.entries.len() <= 2048, "swept");
    assert!(play.roll.regular.len() <= 2048 && play.roll.aging.len() <= 2048);
}

#[test]
fn an_ended_one_makes_room_for_another_of_the_same_name() {
    let mut play = Play::new(1);
    let denied = |_: &Made| Err(Refusal::Denied("no".into()));
    play.run(31, denied);
    assert_eq!(
        play.how_many(&Health::Ended(Refusal::Denied("no".into()))),
        1
    );
    assert!(play.roll.entries.is_empty());
    play.open(0, play.now);
    assert_eq!(play.how_many(&Health::Good), 1);
    assert!(!play.run(70, fine).is_empty());
}
