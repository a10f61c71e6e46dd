//! `tiphys man`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder that they are written to
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

pub(crate) fn main(args: &ManArgs, command: Command) -> anyhow::Result<ExitCode> {
    let folder = args.folder.display();
    std::fs::create_dir_all(&args.folder).with_context(|| format!("make folder {folder}"))?;
    clap_mangen::generate_to(command, &args.folder)
        .with_context(|| format!("write manual pages to {folder}"))?;
    Ok(ExitCode::SUCCESS)
}
