//! Compiles the C++ bridge against the headers that torch-sys found. Passes the folder of libtorch to the crates
//! above, which add it to the rpath of their tests and binaries, so that these run without an environment variable.

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
    // The path of the cache folder itself, and not of the clone's link to it, so that a binary that is moved still
    // finds it.
    let lib = lib.canonicalize().unwrap_or(lib);
    let include = lib.parent().unwrap_or(Path::new("")).join("include");

    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").warnings(false).flag_if_supported("-O2");
    // libtorch's parallel loops are templates in its headers. Without this flag they would run on one thread.
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

/// Links the OpenMP library beside libtorch. Another one would have a second set of threads.
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
