//! `tiphys record`: the events of a bus as a file.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use tiphys_live::events::Query;
use tiphys_live::moment::moment;
use tiphys_runtime::process;

use crate::args::LogArgs;
use crate::bus::BusArgs;
use crate::desk::{Desk, write};

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Only events of so long ago at most, for example 24h or 2d, or since a moment; by default all that the
    /// bus holds
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Only events of this EventSource
    #[arg(long, value_name = "NAME")]
    pub(crate) event_source: Option<String>,
    /// Only events of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) event: Option<String>,
    /// The file; by default standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// With the values of Secrets that are in them
    #[arg(long)]
    pub(crate) reveal: bool,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

pub(crate) fn main(args: RecordArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings_of_an_answer(), None, |_| record(args))
}

async fn record(args: RecordArgs) -> anyhow::Result<ExitCode> {
    let RecordArgs {
        since,
        event_source,
        event,
        output,
        reveal,
        bus,
    } = args;
    let query = Query {
        event_source,
        event,
    };
    let desk = Desk::of_bus(bus).await?;
    let mut file = match &output {
        None => None,
        Some(path) => {
            let file = File::create(path).with_context(|| format!("write {}", path.display()))?;
            Some(BufWriter::new(file))
        }
    };
    let (mut recorded, mut unreadable) = (0_u64, 0_u64);
    desk.each(since, |seen| {
        match &seen.event {
            Ok(event) if query.wants(event) => recorded += 1,
            Ok(_) => return Ok(()),
            Err(error) => {
                unreadable += 1;
                let (position, subject) = (seen.position, seen.subject.as_str());
                eprintln!("left out: number {position} on {subject}: {error}");
                return Ok(());
            }
        }
        let line = seen.line(reveal);
        match &mut file {
            Some(file) => file.write_all(&line).context("write the file"),
            None => write(&line),
        }
    })
    .await?;
    if let Some(mut file) = file {
        file.flush().context("write the file")?;
    }
    let left_out = match unreadable {
        0 => String::new(),
        unreadable => format!(", {unreadable} left out"),
    };
    eprintln!("{recorded} events recorded{left_out}");
    Ok(ExitCode::SUCCESS)
}
