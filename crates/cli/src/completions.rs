//! `tiphys completions`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

pub(crate) fn main(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "tiphys", &mut script);
    std::io::stdout()
        .write_all(&script)
        .context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
