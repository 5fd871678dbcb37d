//! Compiles `proto/` without an installed protoc and keeps the descriptor set for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const PROTOS: &[&str] = &[
    "informerd/v1/admin.proto",
    "informerd/v1/object.proto",
    "informerd/v1/resource.proto",
    "informerd/v1/types.proto",
    "informerd/v1/watch.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(PROTOS)?;
    fs::write(
        out.join("informerd.binpb"),
        compiler.encode_file_descriptor_set(),
    )?;

    // Payloads are slices of one received buffer, never copies.
    tonic_prost_build::configure()
        .bytes(".informerd.v1")
        .codec_path("crate::proto::codec::StrictCodec")
        .compile_fds(prost_types_set(&compiler)?)?;
    Ok(())
}

fn prost_types_set(
    compiler: &protox::Compiler,
) -> Result<prost_types::FileDescriptorSet, prost::DecodeError> {
    prost_types::FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice())
}
