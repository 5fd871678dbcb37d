//! The `informerd` binary.

fn main() {}
