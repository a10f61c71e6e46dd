//! `tiphys dlq ls`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tiphys_live::dead_letters;

use super::WhichArgs;
use super::show::without_payload;
use crate::args::Output;
use crate::bus::BusArgs;

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// List each letter instead
    #[arg(long)]
    pub(crate) each: bool,
    /// How they are written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

pub(super) async fn ls(args: LsArgs) -> anyhow::Result<ExitCode> {
    let LsArgs {
        which,
        each,
        output,
        bus,
    } = args;
    let query = which.query(bus.namespace.clone());
    let reached = bus.place().await?.open().await?;
    let letters = &*reached.bus.dead_letters;
    let mut out = std::io::stdout().lock();
    let mut lines = Vec::new();
    if each {
        query
            .each(letters, |position, letter| {
                let json = dead_letters::to_json(position, &letter, false);
                lines.push(match output {
                    Output::Text => dead_letters::line(position, &letter),
                    Output::Json => format!("{}\n", without_payload(json)),
                });
            })
            .await?;
    } else {
        let groups = query.groups(letters).await?;
        lines.extend(groups.iter().map(|group| match output {
            Output::Text => group.to_string(),
            Output::Json => format!("{}\n", group.to_json()),
        }));
    }
    for line in &lines {
        out.write_all(line.as_bytes())
            .context("write to standard output")?;
    }
    if lines.is_empty() {
        eprintln!("no dead letters");
    }
    Ok(ExitCode::SUCCESS)
}
