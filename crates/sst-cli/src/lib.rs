//! The half of the command line that needs no libtorch: arguments, output, exit codes, and the
//! commands on text and tokenizers.
//!
//! The binary `sst` is this library and nothing else, so it starts in a few milliseconds; the binary
//! `sst-engine` adds the commands that use tensors.

pub mod args;
pub mod exit;
pub mod files;
pub mod host;
pub mod interrupt;
pub mod logging;
pub mod render;
