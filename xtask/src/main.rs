//! `cargo xtask`: the developer tools, beside `cargo` itself and `sst`.
//!
//! It uses no libtorch and depends on no crate of the workspace, so it builds in seconds on a machine without
//! libtorch. Like `sst`, it may print and read the environment.

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
    /// Download libtorch into the per-user cache and link this clone to it
    Setup(setup::Args),
    /// Train a small BERT on the bundled book, evaluate it and predict a few masked words
    Demo,
    /// Run all tests of the workspace; set up libtorch first if it is missing
    Test {
        /// Arguments for `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run everything that continuous integration runs: fmt, clippy, tidy, test, library, doc
    Ci,
    /// Run each property test on mutated files (`mutated_*`) for some minutes with new seeds
    Fuzz(fuzz::Args),
    /// Build and run the packages of docs/library.md outside of the repository
    Library,
    /// Run the benchmarks
    Bench {
        /// Arguments for `cargo bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Download a data set into the per-user cache and print its path
    Data {
        /// The name; without it, or with `list`, all are listed
        name: Option<String>,
    },
    /// Download a model into the per-user cache and print its path
    Model {
        /// The name; without it, or with `list`, all are listed
        name: Option<String>,
    },
    /// Compare results of sst with transformers, sentence-transformers and tokenizers
    Parity {
        /// A virtual environment (or interpreter) to use instead of the one that xtask creates
        #[arg(long, value_name = "VENV")]
        python: Option<PathBuf>,
        /// The checks to run, by the names of their scripts; all if none is given
        names: Vec<String>,
    },
    /// Check the rules of the repository: layering, file sizes, names, README and others
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
