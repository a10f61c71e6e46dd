//! `tiphys`: runs EventSource, EventBus and Sensor objects of Argo Events, and tells what they
//! would do.

mod admin;
mod args;
mod crds;
mod files;
mod lint;
mod logging;
mod run;
mod simulate;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let Args { log, command } = Args::parse();
    let result = match command {
        Command::Run(args) => run::main(args, &log),
        Command::Simulate(args) => simulate::main(&args),
        Command::Lint(args) => lint::main(&args),
        Command::Crds => crds::main(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("tiphys: {error:#}");
        ExitCode::FAILURE
    })
}
