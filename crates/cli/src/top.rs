//! `tiphys top`: what triggers do at this moment.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use tiphys_live::top::metrics::Durations;
use tiphys_live::top::{Filter, Page, pods};
use tiphys_runtime::process;

use crate::args::{LogArgs, Output};
use crate::bus::BusArgs;
use crate::desk::{Desk, write};

/// Between the looks of a single answer.
const ONCE: Duration = Duration::from_secs(2);

/// Of what is no terminal.
const WIDTH: usize = 160;

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Only triggers of this Sensor
    #[arg(long, value_name = "NAME")]
    pub(crate) sensor: Option<String>,
    /// Go on, with a look each so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) watch: Option<u64>,
    /// How it is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

pub(crate) fn main(args: TopArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings_of_an_answer(), None, |_| top(args))
}

async fn top(args: TopArgs) -> anyhow::Result<ExitCode> {
    let TopArgs {
        sensor,
        watch,
        output,
        bus,
    } = args;
    // On servers that are named, all namespaces are meant unless one is.
    let given = bus.namespace.clone();
    let desk = Desk::of_bus(bus).await?;
    let namespace = match &desk.client {
        Some(_) => desk.namespace.clone(),
        None => given,
    };
    let filter = Filter { namespace, sensor };
    let is_redrawn = watch.is_some() && output == Output::Text && std::io::stdout().is_terminal();
    let overview = &*desk.reached.bus.overview;
    let (mut before, mut at) = (overview.look().await?, Instant::now());
    loop {
        tokio::time::sleep(watch.map_or(ONCE, Duration::from_secs)).await;
        let durations = durations(&desk, watch.is_none()).await;
        let now = overview.look().await?;
        let page = Page::between(&before, &now, at.elapsed(), &durations, &filter);
        (before, at) = (now, Instant::now());
        let text = match output {
            Output::Text => page.text(width()),
            Output::Json => page.json(),
        };
        if is_redrawn {
            write(format!("\u{1b}[H\u{1b}[2J{text}").as_bytes())?;
        } else {
            write(text.as_bytes())?;
        }
        if watch.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// How long actions take, as far as pods say it.
async fn durations(desk: &Desk, is_explained: bool) -> Durations {
    let why = match (&desk.client, &desk.namespace) {
        (Some(client), Some(namespace)) => match pods::durations(client, namespace).await {
            Ok((durations, 0)) => return durations,
            Ok((durations, silent)) => {
                if is_explained {
                    eprintln!("{silent} pods do not say how long their actions take");
                }
                return durations;
            }
            Err(error) => error.to_string(),
        },
        _ => "without a kubeconfig, pods are not asked how long their actions take".to_owned(),
    };
    if is_explained {
        eprintln!("{why}");
    }
    Durations::default()
}

/// The columns of the terminal.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|columns| columns.parse().ok());
    columns.unwrap_or(WIDTH)
}
