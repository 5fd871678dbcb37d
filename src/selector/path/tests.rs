//! Paths: spelling, and the walk compared with a parsed document.
