//! `tiphys dlq replay`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tiphys_live::dead_letters::{Outcome, Replayer};

use super::MeantArgs;
use crate::args::Output;
use crate::bus::BusArgs;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 if all that was meant is replayed, 1 if something was refused or failed"
)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) meant: MeantArgs,
    /// Only say what would be replayed, and to which trigger
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Perform actions that may have been done, and those that can be recognised as done
    #[arg(long)]
    pub(crate) force: bool,
    /// How it is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

/// How many letters came to what.
#[derive(Debug, Default)]
struct Counts {
    replayed: usize,
    before: usize,
    refused: usize,
}

impl Counts {
    fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Replayed { .. } => &mut self.replayed,
            Outcome::Before => &mut self.before,
            Outcome::Refused(_) => &mut self.refused,
        } += 1;
    }

    /// All of them in one line.
    fn sum(&self, is_dry: bool) -> String {
        let Self {
            replayed,
            before,
            refused,
        } = self;
        let what = if is_dry {
            "would be replayed"
        } else {
            "replayed"
        };
        let others = [(before, "replayed before"), (refused, "refused")];
        let others = others.into_iter().filter(|(count, _)| **count > 0);
        let parts = std::iter::once((replayed, what)).chain(others);
        let parts: Vec<String> = parts
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        parts.join(", ")
    }
}

pub(super) async fn replay(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let ReplayArgs {
        meant,
        dry_run,
        force,
        output,
        bus,
    } = args;
    let namespace = bus.namespace.clone();
    let reached = bus.place().await?.open().await?;
    // Found before anything is done: what fails again is a letter again, and not meant.
    let mut letters = Vec::new();
    meant
        .each(namespace, &*reached.bus.dead_letters, |position, letter| {
            letters.push((position, letter));
        })
        .await?;
    let mut replayer = Replayer::new(&reached.bus, force);
    let mut counts = Counts::default();
    for (position, letter) in &letters {
        let outcome = if dry_run {
            replayer.look(*position, letter).await
        } else {
            replayer.replay(*position, letter).await
        };
        let outcome = outcome.with_context(|| {
            format!(
                "replay dead letter {position}, before which {}",
                counts.sum(dry_run)
            )
        })?;
        counts.count(&outcome);
        let line = match output {
            Output::Text => outcome.line(*position, letter, dry_run),
            Output::Json => format!("{}\n", outcome.to_json(*position, letter, dry_run)),
        };
        write!(std::io::stdout(), "{line}").context("write to standard output")?;
    }
    eprintln!("{}", counts.sum(dry_run));
    Ok(ExitCode::from(u8::from(counts.refused > 0)))
}

#[cfg(test)]
mod tests {
    use tiphys_live::dead_letters::Refusal;

    use super::*;

    #[test]
    fn what_came_of_all_is_one_line() {
        let mut counts = Counts::default();
        assert_eq!(counts.sum(false), "0 replayed");
        for outcome in [
            Outcome::Replayed { is_listening: true },
            Outcome::Replayed {
                is_listening: false,
            },
            Outcome::Before,
            Outcome::Refused(Refusal::Gone),
        ] {
            counts.count(&outcome);
        }
        assert_eq!(
            counts.sum(false),
            "2 replayed, 1 replayed before, 1 refused"
        );
        assert_eq!(
            counts.sum(true),
            "2 would be replayed, 1 replayed before, 1 refused"
        );
    }
}
