//! Compiles the C++ bridge against the headers that torch-sys found, and tells the crates above where
//! libtorch lies, so that their tests and binaries carry its path and run with no environment variable.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=src/cpp");
    if std::env::var_os("CARGO_FEATURE_CHECK_ONLY").is_some() {
        return;
    }
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
    // libtorch's parallel loops are templates: without this they would run on one thread.
    build.flag_if_supported("-fopenmp");
    build.include(&include).include(include.join("torch/csrc/api/include"));
    build.file("src/cpp/bridge.cc");
    build.compile("sst_kernels_cpp");
    if build.get_compiler().is_like_gnu() || cfg!(target_os = "linux") {
        link_openmp(&lib);
    }

    println!("cargo::metadata=libtorch_lib={}", lib.display());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
}

/// Links the OpenMP library that lies beside libtorch: with another one there would be two sets of threads.
fn link_openmp(lib: &Path) {
    let files = std::fs::read_dir(lib).into_iter().flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    match names.filter(|name| name.starts_with("libgomp") && name.contains(".so")).min() {
        Some(name) => {
            println!("cargo::rustc-link-search=native={}", lib.display());
            println!("cargo::rustc-link-lib=dylib:+verbatim={name}");
        }
        None => println!("cargo::rustc-link-lib=gomp"),
    }
}
