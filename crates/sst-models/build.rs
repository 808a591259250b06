//! Adds libtorch's folder to the rpath, so that tests and binaries run without an environment variable.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(lib) = std::env::var_os("DEP_SST_CORE_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}
