//! Cursors over a feed, by their rules.
