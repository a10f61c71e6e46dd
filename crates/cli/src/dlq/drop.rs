//! `tiphys dlq drop`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tiphys_live::dead_letters;

use super::MeantArgs;
use crate::bus::BusArgs;

#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    #[command(flatten)]
    pub(crate) meant: MeantArgs,
    /// Only say what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

pub(super) async fn drop_letters(args: DropArgs) -> anyhow::Result<ExitCode> {
    let DropArgs {
        meant,
        dry_run,
        bus,
    } = args;
    let namespace = bus.namespace.clone();
    let reached = bus.place().await?.open().await?;
    let letters = &*reached.bus.dead_letters;
    let mut lines = Vec::new();
    meant
        .each(namespace, letters, |position, letter| {
            lines.push((position, dead_letters::line(position, &letter)));
        })
        .await?;
    let mut done = 0;
    for (position, line) in &lines {
        if dry_run || letters.remove(*position).await? {
            done += 1;
            write!(std::io::stdout(), "{line}").context("write to standard output")?;
        }
    }
    let what = if dry_run {
        "would be dropped"
    } else {
        "dropped"
    };
    eprintln!("{done} {what}");
    Ok(ExitCode::SUCCESS)
}
