//! `tiphys`: runs EventSource, EventBus and Sensor objects of Argo Events, and shows what they
//! would do.

mod args;
mod bus;
mod completions;
mod console;
mod controller;
mod crds;
mod create;
mod desk;
mod diff;
mod dlq;
mod files;
mod graph;
mod lint;
mod man;
mod pause;
mod record;
mod run;
mod schema;
mod send;
mod simulate;
mod tail;
mod test;
mod top;
mod trace;
mod version;
mod webhook;
mod why;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tiphys_live::pause::Act;
use tiphys_worker::Kind;

use args::{LogArgs, SimulateArgs};
use completions::CompletionsArgs;
use console::ConsoleArgs;
use controller::ControllerArgs;
use create::CreateArgs;
use diff::DiffArgs;
use dlq::DlqArgs;
use graph::GraphArgs;
use lint::LintArgs;
use man::ManArgs;
use pause::PauseArgs;
use record::RecordArgs;
use run::RunArgs;
use schema::SchemaArgs;
use send::SendArgs;
use tail::TailArgs;
use test::TestArgs;
use top::TopArgs;
use trace::TraceArgs;
use version::VersionArgs;
use webhook::WebhookArgs;
use why::WhyArgs;
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
    /// Reads no cluster and no bus, and changes nothing. Each event goes the way that it goes in a
    /// cluster: the event source's filter, if it is among the files, its bus and namespace, then of the
    /// sensors that wait for it transform, filters, conditions, parameters, and what every server
    /// demands of the finished actions, which are printed. Who nearly waits is named with the reason.
    /// Secrets are named, and never read.
    ///
    /// Exit code: 0 if the events were followed to their end, whatever that is, or are as --expect
    /// wants them; 1 if they are not, or if files or events cannot be read or have errors (what has none
    /// is followed all the same). What this version does not run, and who does not wait, is no error.
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(Box<SimulateArgs>),
    /// Run the tests that lie beside manifests, offline
    ///
    /// A test is what is given, as simulate takes it, and what has to come of it: actions, `nothing`, or a
    /// reason that simulate tells. Files of tests are `*.tiphys-test.yaml`.
    ///
    /// Exit code: 0 if all tests pass, 1 if one fails, or files cannot be read or have none.
    Test(TestArgs),
    /// Find every fault of manifests
    ///
    /// Faults go to standard output. In a folder, what belongs to other programs is left alone: documents of
    /// other kinds, templates that are not rendered yet, patches of a kustomization.
    ///
    /// Exit code: 0 without errors (with --strict: without warnings, either), 1 with some, or if a file
    /// cannot be read, or nothing named here holds an object of Argo Events; 2 for wrong arguments.
    Lint(LintArgs),
    /// Draw the flow of events through manifests
    Graph(GraphArgs),
    /// Look at events that could not be processed, and drop them
    ///
    /// Reads the dead letters of the bus of a cluster, with the kubeconfig alone, or of --nats. Values of
    /// Secrets are hidden. Exit code: 0; 1 if the bus cannot be asked, or has no such letter.
    Dlq(Box<DlqArgs>),
    /// Say why something happened, or did not
    ///
    /// Follows the events of a bus through the EventSources and Sensors of the cluster, or of files, and decides
    /// again what each trigger makes of them. That is what today's specs make of the events that the bus still
    /// holds; what happened before the first of them is not known.
    Why(Box<WhyArgs>),
    /// Show events as they come, and what triggers make of them
    ///
    /// Decisions are made again, by the specs at hand; dead letters are shown when they come. Values of
    /// Secrets are hidden. Ctrl-C ends it.
    Tail(Box<TailArgs>),
    /// Show how many events triggers take, how far they are behind, and how long they need
    ///
    /// Two looks at the bus, two seconds apart, or one each so often with --watch. How long actions take is asked of
    /// the pods of a cluster, and is since they started.
    Top(Box<TopArgs>),
    /// Show the event flow in a browser: live, with every decision and its reason
    ///
    /// Prints an address of this machine with a token, which is whose it is. Everything is read with the rights of
    /// the kubeconfig, or of the NATS login; nothing is asked while nobody looks. What can be changed there (dead
    /// letters, pausing, sending again) says first what it would do. Ctrl-C ends it.
    Console(Box<ConsoleArgs>),
    /// Say where an object comes from: the trigger, the event, and the object that the event is about
    Trace(Box<TraceArgs>),
    /// Write the events of a bus to a file: a line of JSON each, for simulate and diff
    Record(Box<RecordArgs>),
    /// Say which actions come, go or change with new manifests, over the real events of a bus
    ///
    /// Follows each event twice, through the EventSources and Sensors of today and through the new ones.
    /// Changes nothing. Exit code: 0 if all is as it was, 1 if something differs or cannot be read.
    Diff(Box<DiffArgs>),
    /// Write a test from a real event
    Create(CreateArgs),
    /// Publish an event by hand
    Send(Box<SendArgs>),
    /// Pause Sensors or EventSources of a cluster: they stop until they are resumed
    ///
    /// Annotates them, with the kubeconfig alone; the controller then stops their pods, which finish what
    /// they have begun. The events of a Sensor wait on the bus. An EventSource receives nothing: whoever
    /// calls it is refused, and what it watches goes on without it. Applying the same manifest again does
    /// not resume them. Exit code: 0; 1 if one is not there or may not be changed, the others are paused.
    Pause(Box<PauseArgs>),
    /// Resume what was paused
    ///
    /// A Sensor goes on with the first event that it has not handled and the bus still has. Exit code: 0; 1
    /// if one is not there or may not be changed, the others are resumed.
    Resume(Box<PauseArgs>),
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
    /// Print the JSON Schema of a kind, for editors
    Schema(SchemaArgs),
    /// Print a script that completes this command in a shell
    Completions(CompletionsArgs),
    /// Print the version
    Version(VersionArgs),
    /// Write the manual pages of all commands
    Man(ManArgs),
}

fn main() -> ExitCode {
    let Args { log, command } = read_args();
    let result = match command {
        Command::Run(args) => run::main(*args, &log),
        Command::Simulate(args) => simulate::main(&args),
        Command::Test(args) => test::main(&args),
        Command::Lint(args) => lint::main(&args),
        Command::Graph(args) => graph::main(&args),
        Command::Webhook(args) => webhook::main(*args, &log),
        Command::EventSource(args) => worker::main(Kind::EventSource, *args, &log),
        Command::Sensor(args) => worker::main(Kind::Sensor, *args, &log),
        Command::Controller(args) => controller::main(*args, &log),
        Command::Crds => crds::main(),
        Command::Dlq(args) => dlq::main(*args, &log),
        Command::Why(args) => why::main(*args, &log),
        Command::Tail(args) => tail::main(*args, &log),
        Command::Top(args) => top::main(*args, &log),
        Command::Console(args) => console::main(*args, &log),
        Command::Trace(args) => trace::main(*args, &log),
        Command::Record(args) => record::main(*args, &log),
        Command::Diff(args) => diff::main(*args, &log),
        Command::Create(args) => create::main(args, &log),
        Command::Send(args) => send::main(*args, &log),
        Command::Pause(args) => pause::main(Act::Pause, *args, &log),
        Command::Resume(args) => pause::main(Act::Resume, *args, &log),
        Command::Schema(args) => schema::main(&args),
        Command::Completions(args) => completions::main(&args, Args::command()),
        Command::Version(args) => version::main(&args),
        Command::Man(args) => man::main(&args, Args::command()),
    };
    result.unwrap_or_else(|error| {
        // Whoever reads the output has seen enough: `tiphys crds | head`.
        if !is_broken_pipe(&error) {
            eprintln!("tiphys: {error:#}");
        }
        ExitCode::FAILURE
    })
}

/// The arguments. As a plugin of kubectl, a command is named as it was called.
fn read_args() -> Args {
    let mut command = Args::command();
    let called = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&called).file_stem();
    if name.is_some_and(|name| name.to_string_lossy().starts_with("kubectl-")) {
        command = command.bin_name("kubectl tiphys");
    }
    Args::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
