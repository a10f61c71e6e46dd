//! `tiphys`: runs EventSource, EventBus and Sensor objects of Argo Events, and shows what they
//! would do.

mod args;
mod controller;
mod crds;
mod files;
mod graph;
mod lint;
mod run;
mod simulate;
mod webhook;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tiphys_worker::Kind;

use args::{LogArgs, SimulateArgs};
use controller::ControllerArgs;
use graph::GraphArgs;
use lint::LintArgs;
use run::RunArgs;
use webhook::WebhookArgs;
use worker::WorkerArgs;

const SIMULATE_EXAMPLES: &str = "\
Examples:
  tiphys simulate -f manifests --object service.yaml --as ADD
  tiphys simulate -f manifests --object new.yaml --as UPDATE --old old.yaml -o json
  tiphys simulate -f manifests --object service.yaml --as ADD --expect expected.yaml
  tiphys simulate -f manifests --object service.yaml --as ADD --explain body.spec.ports.0.name
  cat events.json | tiphys simulate -f manifests --event -";

/// Runs EventSource, EventBus and Sensor objects of Argo Events.
#[derive(Debug, Parser)]
#[command(name = "tiphys", version, propagate_version = true)]
struct Args {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the event sources and sensors of files in this process
    ///
    /// Kubernetes is the cluster of the kubeconfig. SIGTERM or Ctrl-C finishes what was received and
    /// ends within 5 seconds; a second one ends at once. Exit code: 0 after a stop, 1 if nothing
    /// could be run.
    Run(Box<RunArgs>),
    /// Show what would happen to an event, offline
    ///
    /// Reads no cluster and no bus, and changes nothing. Each event goes through every stage of the
    /// sensors that wait for it: transform, filters, conditions, parameters, and the finished
    /// actions are printed. Secrets are named there, and never read.
    ///
    /// Exit code: 0 if the events were followed to their end, whatever that is, or are as --expect
    /// wants them; 1 if they are not, or if files or events cannot be read or have errors.
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(Box<SimulateArgs>),
    /// Find every fault of manifests
    ///
    /// Faults go to standard output, one a line. Exit code: 0 without errors, 1 with some.
    Lint(LintArgs),
    /// Draw the flow of events through manifests
    Graph(GraphArgs),
    /// Check EventSources, EventBuses and Sensors when they are applied to the cluster
    ///
    /// Serves Kubernetes' AdmissionReviews over HTTPS, with a certificate that it makes, shares with
    /// its replicas in a Secret, and renews; and registers itself as a
    /// ValidatingWebhookConfiguration. Without it objects are accepted unchecked, and their conditions
    /// name the faults.
    Webhook(Box<WebhookArgs>),
    /// Run one EventSource: the process in its pod
    #[command(name = "eventsource")]
    EventSource(Box<WorkerArgs>),
    /// Run one Sensor: the process in its pod
    Sensor(Box<WorkerArgs>),
    /// Make servers and pods of the objects in a cluster
    ///
    /// Of several controllers, the holder of the Lease `argo-events-controller` works. SIGTERM ends it at
    /// once; the next holder completes what was unfinished.
    Controller(Box<ControllerArgs>),
    /// Print the custom resource definitions
    Crds,
}

fn main() -> ExitCode {
    let Args { log, command } = Args::parse();
    let result = match command {
        Command::Run(args) => run::main(*args, &log),
        Command::Simulate(args) => simulate::main(&args),
        Command::Lint(args) => lint::main(&args),
        Command::Graph(args) => graph::main(&args),
        Command::Webhook(args) => webhook::main(*args, &log),
        Command::EventSource(args) => worker::main(Kind::EventSource, *args, &log),
        Command::Sensor(args) => worker::main(Kind::Sensor, *args, &log),
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
