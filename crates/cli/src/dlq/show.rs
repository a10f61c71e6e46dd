//! `tiphys dlq show`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use tiphys_eventbus::Position;
use tiphys_live::dead_letters;

use crate::args::Output;
use crate::bus::BusArgs;

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Its number, as `ls` says it
    #[arg(value_name = "NUMBER")]
    pub(crate) number: u64,
    /// With the payload of the event
    #[arg(long)]
    pub(crate) data: bool,
    /// With the values of Secrets that are in it
    #[arg(long)]
    pub(crate) reveal: bool,
    /// How it is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

pub(super) async fn show(args: ShowArgs) -> anyhow::Result<ExitCode> {
    let ShowArgs {
        number,
        data,
        reveal,
        output,
        bus,
    } = args;
    let reached = bus.place().await?.open().await?;
    let position = Position::from_wire(number);
    let letter = dead_letters::find(&*reached.bus.dead_letters, position).await?;
    let Some(letter) = letter else {
        bail!("there is no dead letter {number}: `tiphys dlq ls` lists them");
    };
    let text = match output {
        Output::Text => dead_letters::to_text(position, &letter, data, reveal),
        Output::Json => {
            let json = dead_letters::to_json(position, &letter, reveal);
            let json = if data { json } else { without_payload(json) };
            format!("{json}\n")
        }
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// A letter without its event and its action.
pub(super) fn without_payload(mut json: serde_json::Value) -> serde_json::Value {
    if let Some(members) = json.as_object_mut() {
        members.remove("payload");
        members.remove("action");
    }
    json
}
