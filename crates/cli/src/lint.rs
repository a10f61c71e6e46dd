//! `tiphys lint`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tiphys_api::manifest::Content;

use crate::files;

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Files or folders of manifests; `-` is standard input
    #[arg(value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Warnings count as errors
    #[arg(long)]
    pub(crate) strict: bool,
}

pub(crate) fn main(args: &LintArgs) -> anyhow::Result<ExitCode> {
    let LintArgs { files, strict } = args;
    let loaded = files::load(files, "default")?;
    let mut out = std::io::stdout().lock();
    for fault in &loaded.faults {
        writeln!(out, "{fault}").context("write to standard output")?;
    }
    let errors = loaded
        .faults
        .iter()
        .filter(|fault| fault.problem.is_error())
        .count();
    let warnings = loaded.faults.len() - errors;
    let ours = loaded
        .objects
        .iter()
        .filter(|o| !matches!(o.object.content, Content::Other(_)));
    eprintln!(
        "{} objects checked: {errors} errors, {warnings} warnings",
        ours.count()
    );
    let failed = errors > 0 || (*strict && warnings > 0);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
