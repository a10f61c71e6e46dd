//! `tiphys crds`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

pub(crate) fn main() -> anyhow::Result<ExitCode> {
    let yaml = tiphys_api::crd::yaml();
    std::io::stdout().write_all(yaml.as_bytes()).context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
