//! `tiphys trace`: where an object comes from.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use tiphys_live::moment::moment;
use tiphys_live::object::{self, Identity, Named};
use tiphys_live::origin::{self, Origin};
use tiphys_runtime::process;
use tiphys_simulate::Decisions;

use crate::args::LogArgs;
use crate::desk::{Desk, DeskArgs, write};

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The object
    #[arg(value_name = "KIND/NAME")]
    pub(crate) object: String,
    /// Look only among events of so long ago at most, for example 24h or 2d, or since a moment; by default
    /// among all that the bus holds
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
}

pub(crate) fn main(args: TraceArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings_of_an_answer(), None, |_| trace(args))
}

async fn trace(args: TraceArgs) -> anyhow::Result<ExitCode> {
    let TraceArgs {
        object,
        since,
        desk,
    } = args;
    let named = Named::read(&object)?;
    let desk = desk.open().await?;
    let namespace = desk.namespace.as_deref();
    // It may be gone: what deleted it is found by its name.
    let found = match &desk.client {
        Some(client) => Some(object::get(client, namespace, &named).await),
        None => None,
    };
    let mut wanted = Identity::of_name(&named, namespace);
    match &found {
        Some(Ok(text)) => {
            let value: Value = serde_json::from_str(text).context("read the object")?;
            wanted = Identity::read(&value).unwrap_or(wanted);
            match Origin::of(&value) {
                Some(origin) => write(origin.to_string().as_bytes())?,
                None => eprintln!("no trigger has left its name on it"),
            }
        }
        Some(Err(error)) => eprintln!("{error}"),
        None => {}
    }
    let count = by_events(&desk, &wanted, since).await?;
    if count == 0 && !matches!(found, Some(Ok(_))) {
        bail!("no event on the bus leads to {named}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The events whose actions are about the object.
async fn by_events(
    desk: &Desk,
    wanted: &Identity,
    since: Option<Timestamp>,
) -> anyhow::Result<usize> {
    let objects = desk.needed()?;
    let mut decisions = Decisions::new(&objects, Timestamp::now());
    let mut count = 0;
    desk.each(since, |seen| {
        let Ok(event) = &seen.event else {
            return Ok(());
        };
        for report in decisions.follow(event.clone()) {
            for decision in report.decisions() {
                if let Some(act) = origin::act(seen, &decision, wanted) {
                    count += 1;
                    write(act.as_bytes())?;
                }
            }
        }
        Ok(())
    })
    .await?;
    eprintln!("{count} actions of events on the bus are about it");
    Ok(count)
}
