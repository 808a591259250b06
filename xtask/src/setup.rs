//! `cargo xtask setup`: installs libtorch and links the clone to it.

use std::path::PathBuf;

use anyhow::Result;

use crate::libtorch;
use crate::repo::Repo;

/// Which libtorch to use.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct Args {
    /// Install the CPU libraries, even if there is an NVIDIA driver
    #[arg(long)]
    cpu: bool,
    /// Install the CUDA libraries, even if no driver is found
    #[arg(long)]
    cuda: bool,
    /// Use your own copy of libtorch: a folder with `include` and `lib`
    #[arg(long, value_name = "DIR")]
    libtorch: Option<PathBuf>,
}

/// Installs and links libtorch. If that is done already, only checks it.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    match (&args.libtorch, repo.own_libtorch()) {
        (Some(own), _) => libtorch::use_existing(repo, own)?,
        (None, _) if args.cpu || args.cuda => {
            libtorch::set_up(repo, Some(args.cuda))?;
            if let Some(own) = repo.own_libtorch() {
                eprintln!("note: LIBTORCH={} still wins over this; unset it", own.display());
            }
        }
        (None, Some(own)) => {
            eprintln!("using LIBTORCH={} as it is", own.display());
            libtorch::use_existing(repo, own)?;
        }
        (None, None) => libtorch::set_up(repo, None)?,
    }
    let home = repo.libtorch_link().canonicalize()?;
    eprintln!("libtorch {} is ready in {}", libtorch::pins::LIBTORCH, home.display());
    eprintln!("next: `cargo xtask demo` or `cargo xtask test`");
    Ok(())
}
