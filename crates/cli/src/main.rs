//! `tiphys`: runs EventSource, EventBus and Sensor objects of Argo Events, and tells what they
//! would do.

mod admin;
mod args;
mod assembly;
mod bus;
mod cluster;
mod controller;
mod crds;
mod documents;
mod files;
mod graph;
mod kubeconfig;
mod lease;
mod lint;
mod logging;
mod process;
mod run;
mod simulate;
mod webhook;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let Args { log, command } = Args::parse();
    let result = match command {
        Command::Run(args) => run::main(*args, &log),
        Command::Simulate(args) => simulate::main(&args),
        Command::Lint(args) => lint::main(&args),
        Command::Graph(args) => graph::main(&args),
        Command::Webhook(args) => webhook::main(*args, &log),
        Command::EventSource(args) => worker::main(worker::Kind::EventSource, *args, &log),
        Command::Sensor(args) => worker::main(worker::Kind::Sensor, *args, &log),
        Command::Controller(args) => controller::main(*args, &log),
        Command::Crds => crds::main(),
    };
    result.unwrap_or_else(|error| {
        // Whoever reads the output has seen enough: `tiphys crds | head`.
        if !is_broken_pipe(&error) {
            eprintln!("tiphys: {error:#}");
        }
        ExitCode::FAILURE
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
