//! Compiles the C++ bridge against the headers that torch-sys found, and tells the crates above where
//! libtorch lies, so that their tests and binaries carry its path and run with no environment variable.

use std::path::{Path, PathBuf};

const SOURCES: [&str; 4] = ["autocast", "device", "grad", "optim"];

fn main() {
    let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else {
        println!(
            "cargo::error=torch-sys did not tell where libtorch lies; run `cargo xtask setup`"
        );
        return;
    };
    // The cache folder, not a clone's link to it: a binary moved elsewhere still finds it.
    let lib = lib.canonicalize().unwrap_or(lib);
    let include = lib.parent().unwrap_or(Path::new("")).join("include");

    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").warnings(false).flag_if_supported("-O2");
    build.include(&include).include(include.join("torch/csrc/api/include"));
    for source in SOURCES {
        let file = format!("src/ext/cpp/{source}.cc");
        println!("cargo::rerun-if-changed={file}");
        build.file(file);
    }
    println!("cargo::rerun-if-changed=src/ext/cpp/bridge.h");
    build.compile("sst_ext");

    println!("cargo::metadata=libtorch_lib={}", lib.display());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
}
