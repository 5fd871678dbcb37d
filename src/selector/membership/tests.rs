//! Filters: limits, faults, canonical form and fingerprint.
