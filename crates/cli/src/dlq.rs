//! `tiphys dlq`: the dead letters of a bus.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use tiphys_eventbus::{DeadLetterReason, DeadLetters, Position};
use tiphys_live::dead_letters::{self, Query};
use tiphys_runtime::process;

use crate::args::{LogArgs, Output, one_of};
use crate::bus::BusArgs;

#[derive(Debug, Args)]
pub(crate) struct DlqArgs {
    #[command(subcommand)]
    pub(crate) act: Act,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Act {
    /// List dead letters: those that failed alike are one entry, with how many they are
    Ls(Box<LsArgs>),
    /// Show one dead letter
    Show(Box<ShowArgs>),
    /// Remove dead letters for good: their events will not be processed any more
    Drop(Box<DropArgs>),
}

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

#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    /// Their numbers
    #[arg(
        value_name = "NUMBER",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub(crate) numbers: Vec<u64>,
    /// All that the other options mean
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Only say what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

/// Which letters are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhichArgs {
    /// Only those of this Sensor
    #[arg(long, value_name = "NAME")]
    pub(crate) sensor: Option<String>,
    /// Only those of this trigger
    #[arg(long, value_name = "NAME")]
    pub(crate) trigger: Option<String>,
    /// Only those of this reason
    #[arg(long, value_name = "REASON", value_parser = reasons())]
    pub(crate) reason: Option<DeadLetterReason>,
    /// Only those of so long ago at most, for example 10m or 2d, or since a moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
}

/// The reasons, as values of an option.
fn reasons() -> impl TypedValueParser<Value = DeadLetterReason> {
    one_of(DeadLetterReason::ALL, |reason| {
        PossibleValue::new(reason.as_str())
    })
}

/// A moment, or how long ago it was.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    before(Timestamp::now(), text)
}

/// The moment that is so long before another one.
fn before(moment: Timestamp, text: &str) -> Result<Timestamp, String> {
    let ago = text.parse::<SignedDuration>().ok().or_else(|| {
        // Days and weeks are no durations to the library, as they have no fixed length on a calendar.
        let (number, hours) = match text.strip_suffix('d') {
            Some(days) => (days, 24),
            None => (text.strip_suffix('w')?, 7 * 24),
        };
        let number: i64 = number.trim().parse().ok()?;
        SignedDuration::try_from_hours(number.checked_mul(hours)?)
    });
    let ago = ago.ok_or("a moment like 2026-03-01T09:30:00Z, or a time like 10m, 3h, 2d")?;
    moment
        .checked_sub(ago)
        .map_err(|_| "it is too long ago".to_owned())
}

pub(crate) fn main(args: DlqArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings_of_an_answer(), None, |_| async {
        match args.act {
            Act::Ls(args) => ls(*args).await,
            Act::Show(args) => show(*args).await,
            Act::Drop(args) => drop_letters(*args).await,
        }
    })
}

async fn ls(args: LsArgs) -> anyhow::Result<ExitCode> {
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

/// What is listed is an overview: `show` has the event.
fn without_payload(mut json: serde_json::Value) -> serde_json::Value {
    if let Some(members) = json.as_object_mut() {
        members.remove("payload");
        members.remove("action");
    }
    json
}

async fn show(args: ShowArgs) -> anyhow::Result<ExitCode> {
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

async fn drop_letters(args: DropArgs) -> anyhow::Result<ExitCode> {
    let DropArgs {
        numbers,
        all,
        which,
        dry_run,
        bus,
    } = args;
    let query = which.query(bus.namespace.clone());
    let reached = bus.place().await?.open().await?;
    let letters = &*reached.bus.dead_letters;
    let mut meant = Vec::new();
    if all {
        query
            .each(letters, |position, letter| {
                meant.push((position, dead_letters::line(position, &letter)));
            })
            .await?;
    } else {
        for number in numbers {
            let position = Position::from_wire(number);
            let letter = dead_letters::find(letters, position).await?;
            let letter = letter.with_context(|| format!("there is no dead letter {number}"))?;
            meant.push((position, dead_letters::line(position, &letter)));
        }
    }
    let done = remove(letters, &meant, dry_run).await?;
    let what = if dry_run {
        "would be dropped"
    } else {
        "dropped"
    };
    eprintln!("{done} {what}");
    Ok(ExitCode::SUCCESS)
}

/// Removes the letters, and says each; how many there were.
async fn remove(
    letters: &dyn DeadLetters,
    meant: &[(Position, String)],
    is_dry: bool,
) -> anyhow::Result<usize> {
    let mut done = 0;
    for (position, line) in meant {
        if is_dry || letters.remove(*position).await? {
            done += 1;
            write!(std::io::stdout(), "{line}").context("write to standard output")?;
        }
    }
    Ok(done)
}

impl WhichArgs {
    fn query(self, namespace: Option<String>) -> Query {
        let Self {
            sensor,
            trigger,
            reason,
            since,
        } = self;
        Query {
            namespace,
            sensor,
            trigger,
            reason,
            since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_said_in_two_ways() {
        let exact = moment("2026-03-01T09:30:00Z").unwrap();
        assert_eq!(exact.to_string(), "2026-03-01T09:30:00Z");
        let now: Timestamp = "2026-03-10T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("10m", "2026-03-09T23:50:00Z"),
            ("3h", "2026-03-09T21:00:00Z"),
            ("2d", "2026-03-08T00:00:00Z"),
            ("1w", "2026-03-03T00:00:00Z"),
        ] {
            let before = before(now, text).unwrap();
            assert_eq!(before.to_string(), expected, "{text}");
        }
        assert!(moment("yesterday").is_err());
        assert!(moment("99999999999999999d").is_err());
    }
}
