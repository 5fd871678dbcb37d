//! Subscriptions: cursors over shared events.
//!
//! A [`Feed`] is where one writer and many readers of a resource meet. A [`Subscription`] is one
//! reader: a position, and nothing of its own that grows. It can lose only its own stream.

mod close;
mod cursor;
mod feed;
mod item;
mod place;
mod plan;
mod snapshot;
mod token;

#[cfg(test)]
mod tests;

pub use close::Closed;
pub use cursor::Subscription;
pub use feed::{Drain, Feed, FeedLimits, FeedSize, NoDifference, Obstacle, Pulse, UpstreamHealth};
pub use item::{Control, Item, OnExpired, Outcome, ResetReason};
pub use plan::{Begin, Plan};
pub use token::{Position, Scope, TokenError};
