//! The part of the command line that needs no libtorch: arguments, output, exit codes, and the commands on text and
//! tokenizers.
//!
//! The binary `sst` uses this library alone, so it starts in a few milliseconds. The binary `sst-engine` adds the
//! commands that need libtorch.

pub mod args;
pub mod exit;
pub mod files;
pub mod flags;
pub mod host;
pub mod interrupt;
pub mod logging;
pub mod render;
