//! `tiphys diff`: what new manifests would do with real events that today's do not.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use serde_json::value::RawValue;
use tiphys_live::comparison::Comparison;
use tiphys_live::moment::moment;
use tiphys_live::objects::subjects;
use tiphys_runtime::process;

use crate::args::{LogArgs, Output};
use crate::bus::BusArgs;
use crate::desk::{Desk, write};
use crate::files;
use crate::simulate::{self, DEFAULT};

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Files or folders with the new EventSources and Sensors
    #[arg(short, long = "file", value_name = "PATH", num_args = 1.., required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Files or folders with those of today; by default they are those of the cluster's namespace
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) old: Vec<PathBuf>,
    /// File with events, as `tiphys record` writes it, instead of those of the bus. May be given several times
    #[arg(long, value_name = "FILE", conflicts_with = "since")]
    pub(crate) events: Vec<PathBuf>,
    /// Only events of so long ago at most, for example 24h or 2d, or since a moment; by default all that the
    /// bus holds
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// With the values of Secrets that are in events
    #[arg(long)]
    pub(crate) reveal: bool,
    /// How it is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

pub(crate) fn main(args: DiffArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings_of_an_answer(), None, |_| diff(args))
}

async fn diff(args: DiffArgs) -> anyhow::Result<ExitCode> {
    let DiffArgs {
        files,
        old,
        events,
        since,
        reveal,
        output,
        bus,
    } = args;
    let given = bus.namespace.clone();
    let desk = desk(bus, !old.is_empty(), !events.is_empty()).await?;
    let namespace = desk.as_ref().and_then(|desk| desk.namespace.clone());
    let namespace = namespace.or(given);
    let default = namespace.as_deref().unwrap_or(DEFAULT);
    let new = files::load(&files, default)?;
    let old = if old.is_empty() {
        None
    } else {
        Some(files::load(&old, default)?)
    };
    let live = desk.as_ref().and_then(|desk| desk.loaded.as_ref());
    let before = old.as_ref().or(live);
    let before = before.context("nothing says what EventSources and Sensors there are today")?;
    let has_faults = simulate::say(&new);
    let [before, after] = [before, &new].map(|loaded| subjects(loaded, namespace.as_deref()));
    let mut comparison = Comparison::new(&before, &after, reveal);
    match &desk {
        Some(desk) if events.is_empty() => {
            desk.each(since, |seen| match &seen.event {
                Ok(event) => Ok(comparison.add(event)?),
                Err(_) => Ok(()),
            })
            .await?;
        }
        _ => {
            for path in &events {
                of_file(path, &mut comparison)?;
            }
        }
    }
    let Comparison {
        changes: found,
        secrets,
        ..
    } = comparison;
    let text = secrets.hide(found.print(output.format())?);
    write(text.as_bytes())?;
    let (changed, all) = (found.changed_events(), found.events());
    eprintln!("{all} events followed, something else comes of {changed}");
    Ok(if changed == 0 && !has_faults {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The bus, with the objects of its namespace unless the old ones are files; nothing if both they and the
/// events are.
async fn desk(bus: BusArgs, has_old: bool, has_events: bool) -> anyhow::Result<Option<Desk>> {
    match (has_old, has_events) {
        (true, true) => Ok(None),
        (true, false) => Desk::of_bus(bus).await.map(Some),
        (false, _) if bus.nats.url.is_some() && !bus.kubeconfig.is_named() => {
            bail!("with --nats, `--old` says where today's EventSources and Sensors are")
        }
        (false, _) => Desk::with_objects(bus).await.map(Some),
    }
}

/// Follows the events of a file, one after another: it may be longer than memory.
fn of_file(path: &Path, comparison: &mut Comparison<'_>) -> anyhow::Result<()> {
    let name = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("open {name}"))?;
    let file = serde_json::Deserializer::from_reader(BufReader::new(file));
    for (document, number) in file.into_iter::<Box<RawValue>>().zip(1..) {
        let act = || format!("{name}: event {number}");
        let document = document.with_context(act)?;
        let event = comparison.after.read(document.get()).with_context(act)?;
        comparison.add(&event)?;
    }
    Ok(())
}
