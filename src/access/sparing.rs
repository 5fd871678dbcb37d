//! Log lines that strangers can cause: told so often at most, and counted beyond.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

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
        let window = state.get_or_insert(Window {
            began: now,
            told: 0,
            untold: 0,
        });
        if now.saturating_duration_since(window.began) >= self.window {
            window.began = now;
            window.told = 0;
        }
        if window.told == self.most {
            window.untold += 1;
            return None;
        }
        window.told += 1;
        Some(std::mem::take(&mut window.untold))
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
}
