//! Compiles the contract under `proto/` without a protoc on the machine. The
//! encoded descriptor set keeps our own options, which the decoded one of prost loses.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut files: Vec<PathBuf> =
        fs::read_dir("proto/dbkeeper/v1")?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(false);
    compiler.open_files(&files)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("dbkeeper_descriptor.bin"), compiler.encode_file_descriptor_set())?;

    let mut documented = protox::Compiler::new(["proto"])?;
    documented.include_imports(true).include_source_info(true);
    documented.open_files(&files)?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        // The digest that tells a repeated request from a changed one needs one order of the entries.
        .btree_map(".")
        // Few answers have them, and without them every message with a connection in it is much smaller.
        .boxed("dbkeeper.v1.Connection.details")
        .compile_fds(documented.file_descriptor_set())?;
    Ok(())
}
