//! tmp
use crate::conformance::scenarios;
scenarios![];
