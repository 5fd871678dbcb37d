//! The shared Kubernetes informer as a daemon.
//!
//! Data flows one way: `reflector` → `store` → `view` → `subscription` → `grpc`.
//! `ARCHITECTURE.md` is the map of this house.

pub mod access;
pub mod admin;
pub mod cacher;
pub mod cli;
pub mod client;
pub mod grpc;
pub mod proto;
pub mod rbac;
pub mod reflector;
pub mod resource;
pub mod runtime;
pub mod selector;
pub mod store;
pub mod subscription;
pub mod transport;
pub mod view;

/// Compiles the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles the recipes.
#[cfg(doctest)]
#[doc = include_str!("../docs/recipes.md")]
struct Recipes;
