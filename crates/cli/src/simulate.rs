//! `tiphys simulate`: follows events through sensors, offline.

mod input;
mod json;
mod text;
mod trace;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use crate::args::{Output, SimulateArgs};
use crate::files::{self, Loaded};
use input::Arrival;
use trace::World;

pub(crate) fn main(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let loaded = files::load(&args.files, &args.namespace)?;
    let arrivals = input::read(args, &loaded)?;
    let refused = tell(&loaded);
    let mut world = World::new(&loaded);
    let mut out = std::io::stdout().lock();
    for arrival in arrivals {
        let report = world.follow(arrival);
        let text = match args.output {
            Output::Text => text::render(&report),
            Output::Json => json::render(&report)?,
        };
        out.write_all(text.as_bytes()).context("write to standard output")?;
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Says what is wrong with the files; true if a part of them takes no part.
fn tell(loaded: &Loaded) -> bool {
    for fault in &loaded.faults {
        eprintln!("{fault}");
    }
    loaded.faults.iter().any(|fault| fault.problem.is_error())
}
