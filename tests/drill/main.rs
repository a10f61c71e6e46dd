//! `tiphys-drill`: random faults on real servers under load; in the end every object has to be right
//! and the books have to balance.
//!
//! `schedule.rs` draws what happens from a seed, `victim.rs` and `load.rs` carry it out on the servers
//! and processes of `stage.rs`, and `verify.rs` waits for
//! the end, of which `findings.rs` says what is wrong. A seed repeats the faults, the
//! operations and their moments. What they meet depends on the machine, too: how fast a server starts,
//! and what a process was doing when it was killed, is never the same.
//!
//! Clocks are left as they are: a process has no clock of its own that somebody else could move.
//!
//! `cargo xtask drill` builds everything and starts this.

#![expect(
    clippy::expect_used,
    reason = "a drill whose servers do not come up has failed, and says so in its own words"
)]

mod books;
mod findings;
mod load;
mod notes;
mod objects;
mod receiver;
mod schedule;
mod stage;
mod summary;
mod verify;
mod victim;

use std::io::{self, Write as _};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::task::JoinSet;
use tokio::time::Instant;

use findings::{Expected, Findings};
use schedule::{Fault, Part, Schedule};
use stage::Victims;
use summary::Summary;
use victim::suffer_all;

/// Random faults on real servers under load.
#[derive(Debug, Parser)]
#[command(name = "tiphys-drill")]
struct Args {
    /// How long faults and load last; the end takes as long as it takes
    #[arg(long, value_name = "N")]
    minutes: NonZeroU32,
    /// Repeats the faults and the load of a drill
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let Args { minutes, seed } = Args::parse();
    let minutes = minutes.get();
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("drill of {minutes} min, seed {seed}");
    let length = Duration::from_mins(minutes.into());
    let schedule = Schedule::draw(seed, length);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let findings = runtime.block_on(drill(&schedule));
    let summary = Summary {
        seed,
        minutes,
        schedule: &schedule,
        findings: &findings,
    };
    // Whoever closed the output still wants the exit code.
    drop(write!(io::stdout().lock(), "{summary}"));
    if findings.are_right() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "cargo xtask drill --minutes {minutes} --seed {seed} repeats its faults and its load"
    );
    ExitCode::FAILURE
}

async fn drill(schedule: &Schedule) -> Findings {
    let (stage, victims) = stage::start().await;
    let start = Instant::now();
    let load = begin(load::carry_out(
        schedule.operations.clone(),
        stage.harbour.clone(),
        stage.nats.clone(),
        start,
    ));
    let mut victims = suffer(schedule, victims, start).await;
    let expected = Expected {
        services: schedule.services.clone(),
        sent: end(load).await,
        engine_was_killed: schedule.count(Part::Engine, Fault::Killed) > 0,
    };
    let findings = verify::verify(&stage, &mut victims, expected).await;
    if !findings.are_right() {
        eprintln!("{}", victims.log_tails());
    }
    findings
}

/// Has everything suffer its faults, side by side.
async fn suffer(schedule: &Schedule, victims: Victims, start: Instant) -> Victims {
    let Victims {
        bus,
        store,
        api_server,
        engine,
        sources,
        sensors,
        spec,
    } = victims;
    let bus = begin(suffer_all(bus, schedule.of(Part::Bus), start));
    let store = begin(suffer_all(store, schedule.of(Part::Store), start));
    let api_server = begin(suffer_all(api_server, schedule.of(Part::ApiServer), start));
    let engine = begin(suffer_all(engine, schedule.of(Part::Engine), start));
    let sources = begin(suffer_all(sources, schedule.of(Part::Sources), start));
    let sensors = begin(suffer_all(sensors, schedule.of(Part::Sensors), start));
    let spec = begin(suffer_all(spec, schedule.of(Part::Spec), start));
    Victims {
        bus: end(bus).await,
        store: end(store).await,
        api_server: end(api_server).await,
        engine: end(engine).await,
        sources: end(sources).await,
        sensors: end(sensors).await,
        spec: end(spec).await,
    }
}

/// Begins a task of its own, so that those that block a thread do not wait for each other.
fn begin<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinSet<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(task);
    tasks
}

/// Waits for its end.
async fn end<T: 'static>(mut task: JoinSet<T>) -> T {
    let ended = task.join_next().await.expect("there is one task");
    match ended {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
