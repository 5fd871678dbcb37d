//! Limits and times of a reflector.

use std::{ops::Range, time::Duration};

/// How a reflector behaves. The defaults are right for production; tests shorten the times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReflectorOptions {
    /// Try to get the first state as a stream (KEP-3157) before falling back to LIST.
    pub watch_list: bool,
    /// Objects per page of a LIST.
    pub page_limit: u32,
    /// `timeoutSeconds` of a watch is drawn from this range, so that watches don't end together.
    pub watch_timeout: Range<Duration>,
    /// A watch without a byte for this long is dead: bookmarks are due each minute.
    pub idle_limit: Duration,
    /// A watch-list that brings no line for this long, or isn't complete after ten times as long,
    /// won't be completed.
    pub initial_deadline: Duration,
    /// Response headers must come within this time. LISTs of large resources take long.
    pub response_timeout: Duration,
    /// First step of the backoff; doubled with each failure, always with full jitter.
    pub backoff_base: Duration,
    /// Largest step of the backoff.
    pub backoff_cap: Duration,
    /// A watch that has lived this long resets the backoff.
    pub backoff_reset: Duration,
    /// A watch that was cut resumes within this time, at random.
    pub reconnect_jitter: Duration,
    /// No longer than this is waited when a server asks for a time (`Retry-After`).
    pub retry_after_cap: Duration,
    /// Malformed lines in a row at one position, after which the resource is listed anew.
    pub malformed_limit: u32,
    /// Longest line of a watch, in bytes.
    pub max_line: usize,
    /// Keep `metadata.managedFields`.
    pub keep_managed_fields: bool,
    /// Nothing depends on it: what its state is, is for the sink to tell people.
    pub quiet: bool,
}

impl Default for ReflectorOptions {
    fn default() -> Self {
        Self {
            watch_list: true,
            page_limit: 500,
            watch_timeout: Duration::from_secs(300)..Duration::from_secs(600),
            idle_limit: Duration::from_secs(90),
            initial_deadline: Duration::from_secs(30),
            response_timeout: Duration::from_secs(60),
            backoff_base: Duration::from_millis(800),
            backoff_cap: Duration::from_secs(30),
            backoff_reset: Duration::from_secs(120),
            reconnect_jitter: Duration::from_millis(500),
            retry_after_cap: Duration::from_secs(60),
            malformed_limit: 3,
            max_line: 32 << 20,
            keep_managed_fields: false,
            quiet: false,
        }
    }
}
