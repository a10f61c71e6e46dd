//! `tiphys simulate`: follows events through sensors, offline.

mod comparison;
mod diff;
mod expect;
mod explain;
mod input;
mod json;
mod text;
mod trace;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::args::{Output, SimulateArgs};
use crate::files::{self, Loaded};
use expect::{Done, Expected};
use explain::Question;
use input::Arrival;
use trace::{Report, World};

pub(crate) fn main(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let others = [&args.object, &args.old, &args.expect]
        .into_iter()
        .flatten();
    let inputs = args.files.iter().chain(&args.event).chain(others);
    if inputs.filter(|path| path.as_os_str() == "-").count() > 1 {
        bail!("only one of the files can be standard input");
    }
    let loaded = files::load(&args.files, &args.namespace)?;
    let question = Question::new(&args.explain)?;
    let expected = args.expect.as_deref().map(Expected::read).transpose()?;
    let arrivals = input::read(args, &loaded)?;
    let refused = tell(&loaded);
    let mut world = World::new(&loaded);
    let reports = arrivals.into_iter().map(|arrival| world.follow(arrival));
    let succeeded = match expected {
        Some(expected) => compare(expected, reports, args.output)?,
        None => show(&question, reports, args.output)?,
    };
    Ok(if refused || !succeeded {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Prints what became of each event, or what paths find in it.
fn show(
    question: &Question,
    reports: impl Iterator<Item = Report>,
    output: Output,
) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    for report in reports {
        let text = match (question.is_empty(), output) {
            (true, Output::Text) => text::render(&report),
            (true, Output::Json) => json::render(&report)?,
            (false, Output::Text) => question.text(&report),
            (false, Output::Json) => question.json(&report).context("print the answers")?,
        };
        out.write_all(text.as_bytes())
            .context("write to standard output")?;
    }
    Ok(true)
}

/// Prints what is not as expected; false if there is something.
fn compare(
    expected: Expected,
    reports: impl Iterator<Item = Report>,
    output: Output,
) -> anyhow::Result<bool> {
    let mut done = Done::default();
    for report in reports {
        done.add(&report)?;
    }
    let comparison = expected.compare(done);
    let text = match output {
        Output::Text => comparison::text(&comparison),
        Output::Json => comparison::json(&comparison).context("print the differences")?,
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("write to standard output")?;
    let is_equal = comparison.is_equal();
    if is_equal {
        let s = if comparison.actions == 1 { "" } else { "s" };
        eprintln!("{} action{s}, as expected", comparison.actions);
    } else {
        eprintln!("not as expected; without --expect, every stage is shown");
    }
    Ok(is_equal)
}

/// Says what is wrong with the files; true if a part of them takes no part.
fn tell(loaded: &Loaded) -> bool {
    for fault in &loaded.faults {
        eprintln!("{fault}");
    }
    loaded.faults.iter().any(|fault| fault.problem.is_error())
}
