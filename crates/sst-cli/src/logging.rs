//! Where warnings of the libraries go.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::render;

/// Sends what the libraries trace to stderr: warnings and errors, or what `RUST_LOG` asks for.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(render::colour())
        .with_target(false)
        .without_time()
        .finish();
    // It fails only if there is one already, which then serves as well.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
