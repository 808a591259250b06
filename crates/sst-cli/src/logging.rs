//! Prints the warnings of the libraries.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::render;

/// Prints the log messages of the libraries to stderr: warnings and errors, or the levels that `RUST_LOG` asks for.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(render::colour())
        .with_target(false)
        .without_time()
        .finish();
    // This fails only if a subscriber is already set, which then does the same.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
