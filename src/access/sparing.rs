//! Log lines that callers can cause: told so often at most, and counted beyond.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// So many users are told apart.
const USERS: usize = 4096;
/// Users are looked through this often for those who are quiet again.
const SWEEP: Duration = Duration::from_secs(10);

/// Lets so many through in each window of time.
#[derive(Debug)]
pub struct Sparing {
    most: u32,
    window: Duration,
    state: Mutex<Option<Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    told: u32,
    /// What was kept back since something was told.
    untold: u64,
}

impl Sparing {
    /// Tells `most` per `window`.
    pub const fn new(most: u32, window: Duration) -> Self {
        Self {
            most,
            window,
            state: Mutex::new(None),
        }
    }

    /// Whether one more is to be told, and if so how many before it were not.
    pub fn tell(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        let window = state.get_or_insert_with(|| Window::new(now));
        window.tell(self.most, self.window, now)
    }
}

impl Window {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            told: 0,
            untold: 0,
        }
    }

    fn is_over(&self, length: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= length
    }

    fn tell(&mut self, most: u32, length: Duration, now: Instant) -> Option<u64> {
        if self.is_over(length, now) {
            self.began = now;
            self.told = 0;
        }
        if self.told == most {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

/// Lets so many of each user through, whatever the others do. Users beyond the first few thousand
/// at a time are as one.
#[derive(Debug)]
pub struct SparingEach {
    most: u32,
    window: Duration,
    state: Mutex<Option<Users>>,
}

#[derive(Debug)]
struct Users {
    known: HashMap<Box<str>, Window>,
    /// Of all others.
    others: Window,
    swept: Instant,
}

/// What is to be told when a user causes one more line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The line, if it is, with the number of those before it that were not.
    pub line: Option<u64>,
    /// Users who are quiet again, and how many of their last lines were not told; `None` for all
    /// who were as one.
    pub left: Vec<(Option<Box<str>>, u64)>,
}

impl SparingEach {
    /// Tells `most` of each user per `window`.
    pub const fn new(most: u32, window: Duration) -> Self {
        Self {
            most,
            window,
            state: Mutex::new(None),
        }
    }

    /// What is to be told when `user` causes one more line. Each line that is not is in one of the
    /// numbers, now or later.
    pub fn tell(&self, user: &str, now: Instant) -> Told {
        let mut state = self.state.lock();
        let users = state.get_or_insert_with(|| Users::new(now));
        let left = users.sweep(self.window, now);
        let window = users.of(user, now);
        Told {
            line: window.tell(self.most, self.window, now),
            left,
        }
    }
}

impl Users {
    fn new(now: Instant) -> Self {
        Self {
            known: HashMap::new(),
            others: Window::new(now),
            swept: now,
        }
    }

    fn of(&mut self, user: &str, now: Instant) -> &mut Window {
        if !self.known.contains_key(user) {
            if self.known.len() >= USERS {
                return &mut self.others;
            }
            self.known.insert(user.into(), Window::new(now));
        }
        self.known.get_mut(user).expect("it is there by now")
    }

    /// Forgets who is quiet, now and then. Gives what was not told of them.
    fn sweep(&mut self, window: Duration, now: Instant) -> Vec<(Option<Box<str>>, u64)> {
        if now.saturating_duration_since(self.swept) < SWEEP {
            return Vec::new();
        }
        self.swept = now;
        let gone = self.known.extract_if(|_, one| one.is_over(window, now));
        let gone = gone.map(|(user, one)| (Some(user), one.untold));
        let mut left: Vec<_> = gone.filter(|(_, untold)| *untold > 0).collect();
        if self.others.untold > 0 && self.others.is_over(window, now) {
            left.push((None, std::mem::take(&mut self.others.untold)));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_counted() {
        let sparing = Sparing::new(2, Duration::from_secs(1));
        let now = Instant::now();
        assert_eq!((sparing.tell(now), sparing.tell(now)), (Some(0), Some(0)));
        assert_eq!((sparing.tell(now), sparing.tell(now)), (None, None));
        let later = now + Duration::from_secs(1);
        assert_eq!(sparing.tell(later), Some(2));
        assert_eq!((sparing.tell(later), sparing.tell(later)), (Some(0), None));
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn line(untold: u64) -> Told {
        Told {
            line: Some(untold),
            left: Vec::new(),
        }
    }

    #[test]
    fn one_user_takes_nothing_from_another() {
        let sparing = SparingEach::new(2, SECOND);
        let now = Instant::now();
        for expected in [Some(0), Some(0), None, None] {
            assert_eq!(sparing.tell("eve", now).line, expected);
        }
        assert_eq!(sparing.tell("ann", now), line(0));
        assert_eq!(sparing.tell("eve", now + SECOND), line(2));
    }

    #[test]
    fn what_a_flood_left_untold_is_told_when_it_is_over() {
        let sparing = SparingEach::new(1, SECOND);
        let now = Instant::now();
        for _ in 0..5 {
            sparing.tell("eve", now);
        }
        assert_eq!(sparing.tell("ann", now + SWEEP / 2), line(0));
        let later = sparing.tell("ann", now + SWEEP);
        assert_eq!(later.left, [(Some("eve".into()), 4)]);
        assert_eq!(sparing.tell("ann", now + 2 * SWEEP).left, []);
        assert_eq!(sparing.tell("eve", now + 2 * SWEEP), line(0));
    }

    #[test]
    fn users_beyond_the_most_share_one_bound_until_others_are_quiet() {
        let sparing = SparingEach::new(1, SECOND);
        let now = Instant::now();
        for number in 0..USERS {
            assert_eq!(sparing.tell(&number.to_string(), now), line(0));
        }
        assert_eq!(sparing.tell("ann", now), line(0));
        assert_eq!(sparing.tell("eve", now).line, None);
        assert_eq!(sparing.tell("0", now).line, None, "known as before");
        let later = sparing.tell("eve", now + SWEEP);
        assert_eq!(later.line, Some(0), "has a window of its own");
        assert_eq!(later.left, [(Some("0".into()), 1), (None, 1)]);
        assert_eq!(sparing.tell("ann", now + SWEEP), line(0));
    }
}
