//! `tiphys dlq`: the dead letters of a bus; one file an act.

mod drop;
mod ls;
mod replay;
mod show;

use std::collections::HashSet;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use tiphys_eventbus::{DeadLetter, DeadLetterReason, DeadLetters, Position};
use tiphys_live::dead_letters::{self, Query};
use tiphys_runtime::process;

use crate::args::{LogArgs, one_of};
use drop::DropArgs;
use ls::LsArgs;
use replay::ReplayArgs;
use show::ShowArgs;

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
    /// Deliver the events of dead letters again, each to its trigger, as that is now
    Replay(Box<ReplayArgs>),
    /// Remove dead letters for good: their events will not be processed any more
    Drop(Box<DropArgs>),
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

/// The letters that are acted on.
#[derive(Debug, Args)]
pub(crate) struct MeantArgs {
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
            Act::Ls(args) => ls::ls(*args).await,
            Act::Show(args) => show::show(*args).await,
            Act::Replay(args) => replay::replay(*args).await,
            Act::Drop(args) => drop::drop_letters(*args).await,
        }
    })
}

impl MeantArgs {
    /// `each` letter that is meant, with its position, in the order of the bus or of the numbers.
    async fn each(
        self,
        namespace: Option<String>,
        letters: &dyn DeadLetters,
        mut each: impl FnMut(Position, DeadLetter),
    ) -> anyhow::Result<()> {
        let Self {
            numbers,
            all,
            which,
        } = self;
        if all {
            return Ok(which.query(namespace).each(letters, each).await?);
        }
        let mut named = HashSet::new();
        for number in numbers {
            if !named.insert(number) {
                continue;
            }
            let position = Position::from_wire(number);
            let letter = dead_letters::find(letters, position).await?;
            let letter = letter.with_context(|| format!("there is no dead letter {number}"))?;
            each(position, letter);
        }
        Ok(())
    }
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
