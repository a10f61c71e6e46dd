//! `cargo xtask <verb>`: every chore of the project, so that nothing else needs installing.

mod bench;
mod check;
mod command;
mod demo;
mod drill;
mod image;
mod install;
mod kind;
mod link_order;
mod node;
mod servers;
mod test;
mod web;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of tiphys.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows the story of examples/auto-ingress on real servers
    Demo(demo::Args),
    /// Measures tiphys on real servers against its goals
    Bench(bench::Args),
    /// Lets random faults befall real servers under load; in the end everything has to be right
    Drill(drill::Args),
    /// Looks at the sources: format, lints, docs, CRDs, licences and advisories
    Check,
    /// Runs every test of the workspace against real servers
    Test(test::Args),
    /// Packs the container image, without docker, and loads it
    Image(image::Args),
    /// Runs a Kubernetes of one node on this machine
    #[command(subcommand)]
    Node(node::Verb),
    /// Runs everything on a kind cluster: creates it, loads the image, installs, shows the story
    Kind(kind::Args),
    /// Finds out which functions run in pods, and writes them down for the linker
    LinkOrder,
    /// Builds the console's pages
    Web(web::Args),
    /// Gets the servers that the tests need, and prints where they are
    Servers,
}

fn main() -> ExitCode {
    let Args { verb } = Args::parse();
    let outcome = match verb {
        Verb::Demo(args) => demo::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Drill(args) => drill::run(&args),
        Verb::Check => check::run(),
        Verb::Test(args) => test::run(args),
        Verb::Image(args) => image::run(args),
        Verb::Node(verb) => node::run(verb),
        Verb::Kind(args) => kind::run(&args),
        Verb::LinkOrder => link_order::run(),
        Verb::Web(args) => web::run(&args),
        Verb::Servers => servers::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
