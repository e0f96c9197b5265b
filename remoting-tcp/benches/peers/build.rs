//! Generates the code of the peers that have a language of their own for interfaces.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=schema");
    // With a compiler for `.proto` files that is a crate: `protoc` need not be there.
    let descriptors = protox::compile(["schema/directory.proto"], ["schema"])?;
    tonic_prost_build::compile_fds(descriptors)?;
    #[cfg(feature = "capnp")]
    capnpc::CompilerCommand::new()
        .src_prefix("schema")
        // Where `src/peers/capnp.rs` takes it in.
        .default_parent_module(["peers", "capnp", "generated"].map(str::to_owned).to_vec())
        .file("schema/directory.capnp")
        .run()?;
    Ok(())
}
