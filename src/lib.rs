//! The shared Kubernetes informer as a daemon.
//!
//! Data flows one way: `reflector` → `store` → `view` → `subscription` → `grpc`.
//! `ARCHITECTURE.md` is the map of this house.

pub mod cli;
pub mod client;
pub mod proto;
pub mod reflector;
pub mod resource;
pub mod transport;
