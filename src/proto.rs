//! The generated protocol: messages, clients and servers of `proto/informerd/v1`.

pub mod codec;

/// Package `informerd.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("informerd.v1");
}

/// The descriptor set of the package with its imports and comments, for reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/informerd.binpb"));
