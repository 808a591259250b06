//! `sst-engine`: the commands that need libtorch. `sst` starts it with its own arguments.

mod cmd;
mod error;
mod model;
mod recipe;
mod settings;
mod signals;
mod terminal;
mod usage;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use sst_cli::args::{Cli, Command, DataCommand};
use sst_cli::exit::{Exit, Usage, conclude};
use sst_cli::{interrupt, logging};
use sst_kernels::CpuLevel;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(settings::name(&cli.command));
    let ended = run_command(&cli.command).map_err(error::with_exit_code);
    conclude(ended, usage::is_usage)
}

fn run_command(command: &Command) -> Result<Exit> {
    interrupt::listen(sst_kernels::exit_at_once).context("cannot listen to Ctrl-C")?;
    // If SST_CPU names a level that this processor does not have, that is an error.
    CpuLevel::requested().map_err(|error| Usage(error.to_string()))?;
    sst_kernels::keep_freed_memory()?;
    match command {
        Command::Train(args) => cmd::train::run(args),
        Command::VerifyResume(args) => cmd::verify_resume::run(args),
        Command::Eval(command) => cmd::eval::run(command),
        Command::Evaluate(args) => cmd::evaluate::run(args),
        Command::Predict(args) => cmd::predict::run(args),
        Command::FillMask(args) => cmd::fill_mask::run(args),
        Command::Generate(args) => cmd::generate::run(args),
        Command::Embed(args) => cmd::embed::run(args),
        Command::Reconstruct(args) => cmd::reconstruct::run(args),
        Command::Mine(args) => cmd::mine::run(args),
        Command::Convert(args) => cmd::convert::run(args),
        Command::Export(args) => cmd::export::run(args),
        Command::Merge(args) => cmd::merge::run(args),
        Command::Combine(args) => cmd::combine::run(args),
        Command::Data(DataCommand::Prepare(args)) => cmd::prepare::run(args),
        Command::Checkpoint(command) => cmd::checkpoint::run(command),
        Command::List(args) => cmd::list::run(args),
        Command::Doctor(args) => cmd::doctor::run(args),
        Command::Data(_)
        | Command::Report(_)
        | Command::Tokenizer(_)
        | Command::Completions { .. } => {
            bail!("start this command as `sst`, not as `sst-engine`")
        }
    }
}
