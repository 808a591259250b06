//! `cargo xtask`: everything a contributor runs that is not `cargo` itself or `sst`.
//!
//! Knows nothing of libtorch's API and depends on no crate of the workspace, so it builds in seconds
//! on a machine that has no libtorch yet. Like `sst`, it may print and read the environment.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "xtask talks to a terminal, and writes only into folders that are renamed when whole"
)]

#[cfg(not(unix))]
compile_error!("xtask links folders and takes file locks the Unix way; on Windows use WSL");

mod archive;
mod bench;
mod cache;
mod ci;
mod data;
mod debian;
mod demo;
mod download;
mod exec;
mod fuzz;
mod library;
mod libtorch;
mod model;
mod parity;
mod python;
mod registry;
mod repo;
mod setup;
mod sum;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::repo::Repo;

/// Builds, benchmarks, downloads and checks of the sst workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Get libtorch into the per-user cache and link this clone to it
    Setup(setup::Args),
    /// Train a small BERT on the bundled book, evaluate it and fill in a few blanks
    Demo,
    /// Run every test of the workspace (setting up first, if need be)
    Test {
        /// Passed on to `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run what continuous integration runs: fmt, clippy, tidy, test, library, doc
    Ci,
    /// Go on with the tests on mutated files (`mutated_*`), each with new seeds for some minutes
    Fuzz(fuzz::Args),
    /// Build and run the packages of docs/library.md outside of the repository
    Library,
    /// Run the benchmarks
    Bench {
        /// Passed on to `cargo bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Download a data set into the per-user cache and print where it lies
    Data {
        /// Its name; `list` or nothing shows all
        name: Option<String>,
    },
    /// Download a model into the per-user cache and print where it lies
    Model {
        /// Its name; `list` or nothing shows all
        name: Option<String>,
    },
    /// Compare sst with transformers, sentence-transformers and tokenizers in a virtual environment
    Parity {
        /// A virtual environment (or interpreter) to use instead of the project's own
        #[arg(long, value_name = "VENV")]
        python: Option<PathBuf>,
        /// Only these checks, by the name of their script
        names: Vec<String>,
    },
    /// Check the rules of the house: layering, file sizes, names, README and the like
    Tidy,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let repo = Repo::find()?;
    match command {
        Command::Setup(args) => setup::run(&repo, &args),
        Command::Demo => demo::run(&repo),
        Command::Test { args } => test::run(&repo, &args),
        Command::Ci => ci::run(&repo),
        Command::Fuzz(args) => fuzz::run(&repo, &args),
        Command::Library => library::run(&repo),
        Command::Bench { args } => bench::run(&repo, &args),
        Command::Data { name } => data::run(&repo, name.as_deref()),
        Command::Model { name } => model::run(name.as_deref()),
        Command::Parity { python, names } => parity::run(&repo, python.as_deref(), &names),
        Command::Tidy => tidy::run(&repo),
    }
}
