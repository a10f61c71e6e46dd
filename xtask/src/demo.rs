//! `cargo xtask demo`: the story of `examples/auto-ingress` on real servers, seen to work.

#![expect(clippy::print_stdout, reason = "what the demo shows is its output")]

mod cluster;
mod story;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use tiphys_testbed::{
    ControlPlane, ControlPlaneOptions, Nats, NatsOptions, PATIENCE, Process, Programs, Progress,
    Scratch, nats_server, wait_for,
};

use crate::command::{Profile, build_binary, workspace};
use cluster::Cluster;
use story::Story;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Stop everything at the end; the exit code says whether all of it was seen
    #[arg(long)]
    once: bool,
    /// Use the cluster of this kubeconfig (kind, or any other) through kubectl
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Use the cluster of this context through kubectl
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// What the demo starts beside tiphys.
enum Servers {
    /// All of them.
    All(Programs),
    /// NATS alone: the cluster is somebody else's.
    Bus(PathBuf),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (servers, binary) = get(args)?;
    let scratch = Scratch::new("demo")?;
    let nats = say("Starting nats-server with JetStream", || {
        servers.start_nats()
    })?;
    let cluster = open(args, &servers)?;
    let story = Story::new(&cluster, workspace().join("examples/auto-ingress"));
    say(
        "Applying the CRDs, the bus, the RBAC, the EventSource and the Sensor",
        || story.apply(&workspace().join("crds")),
    )?;
    let mut tiphys = say("Starting tiphys run", || {
        start(&binary, &cluster, &nats, &scratch)
    })?;
    if let Some(url) = console(&tiphys) {
        println!("  The event flow in a browser: {url}");
    }
    let seen = story.play(&tiphys);
    if let Err(error) = seen {
        eprintln!("{}", tiphys.report(40));
        return Err(error);
    }
    if !args.once {
        println!("{}", hints(&cluster, &nats, &tiphys));
        wait_for_interrupt(&mut tiphys)?;
    }
    let status = say("Stopping tiphys", || tiphys.terminate(PATIENCE))?;
    ensure!(status.success(), "tiphys ended with {status}");
    println!("All of it was seen.");
    Ok(())
}

/// Gets the servers and the product side by side: while Go links on one core, Rust has the others.
fn get(args: &Args) -> anyhow::Result<(Servers, PathBuf)> {
    std::thread::scope(|scope| {
        let servers = scope.spawn(|| Servers::get(args));
        let binary = build_binary(Profile::Dev);
        let servers = servers
            .join()
            .map_err(|_| anyhow!("getting the servers panicked"))?;
        Ok((servers?, binary?))
    })
}

impl Args {
    fn names_a_cluster(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }
}

impl Servers {
    fn get(args: &Args) -> anyhow::Result<Self> {
        if args.names_a_cluster() {
            return nats_server(Progress::Shown).map(Self::Bus);
        }
        Programs::locate(Progress::Shown).map(Self::All)
    }

    fn start_nats(&self) -> anyhow::Result<Nats> {
        let options = NatsOptions::default();
        match self {
            Self::All(programs) => Nats::start(programs, &options),
            Self::Bus(program) => Nats::start_program(program, &options),
        }
    }
}

/// Says what is done, does it, and says how long it took.
fn say<T>(what: &str, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let start = std::time::Instant::now();
    let result = act().with_context(|| format!("{} failed", what.to_lowercase()))?;
    println!("✓ {what} ({:.1} s)", start.elapsed().as_secs_f32());
    Ok(result)
}

fn open(args: &Args, servers: &Servers) -> anyhow::Result<Cluster> {
    let Servers::All(programs) = servers else {
        return Ok(Cluster::existing(
            args.kubeconfig.clone(),
            args.context.clone(),
        ));
    };
    say("Starting etcd and kube-apiserver", || {
        ControlPlane::start(programs, ControlPlaneOptions::default()).and_then(Cluster::own)
    })
}

fn start(
    binary: &std::path::Path,
    cluster: &Cluster,
    nats: &Nats,
    scratch: &Scratch,
) -> anyhow::Result<Process> {
    let mut command = Command::new(binary);
    command
        .arg("run")
        .arg("-f")
        .arg(workspace().join("examples/auto-ingress"));
    command.args([
        "--nats",
        &nats.url(),
        "--admin",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ]);
    command.args(cluster.arguments());
    let mut tiphys = Process::spawn("tiphys", &mut command, scratch)?;
    wait_for("tiphys being ready", PATIENCE, || {
        tiphys.ensure_running()?;
        let log = std::fs::read_to_string(tiphys.log())?;
        Ok(log.contains("\"msg\":\"Running\"").then_some(()))
    })?;
    Ok(tiphys)
}

/// What to try next.
fn hints(cluster: &Cluster, nats: &Nats, tiphys: &Process) -> String {
    let kubectl = cluster.kubectl();
    let console = console(tiphys);
    let console = console.map(|url| format!("The console: {url}\n\n"));
    format!(
        "\nEverything is running; Ctrl-C stops it. NATS is at {}.\n{}\n\
         {kubectl} -n playground apply -f examples/auto-ingress/service.yaml\n\
         {kubectl} -n playground get ingress -w\n\
         tail -f {}\n",
        nats.url(),
        console.unwrap_or_default(),
        tiphys.log().display()
    )
}

/// The address of the console, which has been logged.
fn console(tiphys: &Process) -> Option<String> {
    let log = std::fs::read_to_string(tiphys.log()).ok()?;
    let mut lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let line = lines.find(|line: &serde_json::Value| line["msg"] == "Serving the console")?;
    Some(line["url"].as_str()?.to_owned())
}

/// Waits for Ctrl-C: the shell sends it to the whole group, and the testbed's watchdog stops what
/// this process has started even if it is killed.
fn wait_for_interrupt(tiphys: &mut Process) -> anyhow::Result<()> {
    loop {
        tiphys.ensure_running()?;
        std::thread::sleep(Duration::from_millis(200));
    }
}
