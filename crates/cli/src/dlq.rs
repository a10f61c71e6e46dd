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
use jiff::Timestamp;
use tiphys_eventbus::{DeadLetter, DeadLetterReason, DeadLetters, Position};
use tiphys_live::dead_letters::{self, Query};
use tiphys_live::moment::moment;
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
            is_blind: false,
        }
    }
}
