//! `tiphys create`: files that nobody wants to write by hand.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use tiphys_live::moment::moment;
use tiphys_runtime::process;
use tiphys_simulate::test_of_event;

use crate::args::LogArgs;
use crate::desk::{DeskArgs, write};

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Write a test from a real event: what comes of it today is what the test expects
    Test(Box<TestArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The id of an event on the bus
    #[arg(long, value_name = "ID")]
    pub(crate) from_event: String,
    /// Look only among events of so long ago at most, for example 24h or 2d, or since a moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// The name of the test; by default that of the event
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// A new file, `….tiphys-test.yaml`, beside the manifests; by default standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// With the values of Secrets that are in the event
    #[arg(long)]
    pub(crate) reveal: bool,
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
}

pub(crate) fn main(args: CreateArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    let What::Test(args) = args.what;
    process::start(log.settings_of_an_answer(), None, |_| test(*args))
}

async fn test(args: TestArgs) -> anyhow::Result<ExitCode> {
    let TestArgs {
        from_event: id,
        since,
        name,
        output,
        reveal,
        desk,
    } = args;
    let desk = desk.open().await?;
    let objects = desk.needed()?;
    let mut found = None;
    desk.each(since, |seen| {
        if seen.id() == Some(&id) {
            found = seen.shown_event(reveal);
        }
        Ok(())
    })
    .await?;
    let Some(event) = found else {
        bail!("there is no event {id} on the bus");
    };
    let text = test_of_event(&event, name.as_deref(), &objects)?;
    let Some(path) = output else {
        write(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    // What somebody has written is not overwritten.
    let mut file = std::fs::File::create_new(&path)
        .with_context(|| format!("write {}, a new file", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}
