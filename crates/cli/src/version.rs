//! `tiphys version`.

use std::process::ExitCode;

use clap::Args;

use crate::args::Output;
use crate::desk::write;

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// How it is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
}

pub(crate) fn main(args: &VersionArgs) -> anyhow::Result<ExitCode> {
    let version = env!("CARGO_PKG_VERSION");
    let text = match args.output {
        Output::Text => format!("tiphys {version}\n"),
        Output::Json => format!("{}\n", serde_json::json!({ "version": version })),
    };
    write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
