//! Puts libtorch's folder on the rpath of this crate's tests and benches, and tells the crates above where it lies, so that
//! what is built there runs with no environment variable.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(lib) = std::env::var_os("DEP_SST_KERNELS_LIBTORCH_LIB") {
        println!("cargo::metadata=libtorch_lib={}", lib.display());
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}
