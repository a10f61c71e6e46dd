//! `tiphys crds`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

pub(crate) fn main() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for crd in tiphys_api::crd::crds() {
        let yaml = tiphys_api::crd::to_yaml(&crd).context("print a CRD")?;
        write!(out, "---\n{yaml}").context("write to standard output")?;
    }
    Ok(ExitCode::SUCCESS)
}
