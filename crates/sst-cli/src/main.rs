//! `sst`: parses the arguments and runs the commands that need no libtorch. For all others it starts `sst-engine` (by
//! exec).

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, ExitCode};

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use sst_cli::args::{Cli, Command, DataCommand};
use sst_cli::exit::{Ends, Exit, conclude, conclude_arguments};
use sst_cli::flags::{self, FLAGS, with_flags};
use sst_cli::host::{augment, clean, inspect, report, tokenizer};
use sst_cli::{interrupt, logging, render};

fn main() -> ExitCode {
    // clap answers --help and --version, and refuses wrong arguments with code 2.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => return conclude_arguments(&said),
    };
    logging::start(flags::of_path);
    let ended = listen_and_run(&cli.command);
    conclude(ended.map_err(|error| with_flags(error, FLAGS, flags::settings)), |_| false)
}

fn listen_and_run(command: &Command) -> Result<Exit> {
    // The exec of `sst-engine` removes this handler; the engine installs its own.
    interrupt::listen(end).context("cannot listen to Ctrl-C")?;
    run(command)
}

#[allow(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "a signal ends the process, wherever it is"
)]
fn end(code: u8) -> ! {
    process::exit(i32::from(code))
}

fn run(command: &Command) -> Result<Exit> {
    match command {
        Command::Data(DataCommand::Inspect(args)) => inspect::run(args),
        Command::Data(DataCommand::Clean(args)) => clean::run(args),
        Command::Data(DataCommand::Augment(args)) => augment::run(args),
        Command::Report(args) => report::run(args),
        Command::Tokenizer(command) => tokenizer::run(command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "sst", &mut script);
            render::line(String::from_utf8_lossy(&script).trim_end())?;
            Ok(Exit::Done)
        }
        Command::Doctor(_) => examine(),
        _ => hand_over(),
    }
}

/// Environment variables of OpenMP, which reads them before the engine's own code runs. By default, OpenMP threads
/// spin for long while they wait for each other; if another program uses one of the cores, all of them waste time
/// until it is done. Unless the user has set one of these variables, the engine's threads spin for a short while and
/// then sleep. docs/benchmarks.md has the measurements.
const SPIN_VARIABLES: [&str; 2] = ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"];
const SPIN_COUNT: &str = "20000";

/// Replaces this process by `sst-engine` with the same arguments (exec). Signals and the exit code are then those of
/// the engine.
fn hand_over() -> Result<Exit> {
    let engine = engine()?;
    let mut command = process::Command::new(&engine);
    if SPIN_VARIABLES.iter().all(|name| std::env::var_os(name).is_none()) {
        command.env(SPIN_VARIABLES[0], SPIN_COUNT);
    }
    let error = command.args(std::env::args_os().skip(1)).exec();
    Err(error).with_context(|| format!("cannot start {}", engine.display()))
}

/// The exit code of a program whose shared library is missing.
const LIBRARY_MISSING: i32 = 127;

/// Runs `sst-engine doctor`. If the engine cannot even start, prints why.
fn examine() -> Result<Exit> {
    let engine = engine()?;
    let mut command = process::Command::new(&engine);
    let status = command.args(std::env::args_os().skip(1)).status();
    let status = status.with_context(|| format!("cannot start {}", engine.display()))?;
    match status.code() {
        Some(0) => Ok(Exit::Done),
        Some(LIBRARY_MISSING) => {
            let message =
                "libtorch cannot be loaded (see above): run `cargo xtask setup` and build again";
            Err(Ends { exit: Exit::Failed, message: message.to_owned() }.into())
        }
        _ => Ok(Exit::Failed),
    }
}

fn engine() -> Result<PathBuf> {
    let sst = std::env::current_exe().context("cannot find the folder of sst")?;
    let engine = sst.with_file_name("sst-engine");
    match engine.try_exists() {
        Ok(true) => Ok(engine),
        Ok(false) | Err(_) => {
            let message = format!(
                "{} is missing: run `cargo build`, which builds both (`cargo run` builds only sst)",
                engine.display()
            );
            Err(Ends { exit: Exit::Failed, message }.into())
        }
    }
}
