//! The program that is measured: started as a user starts it, its data and its log apart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tiphys_testbed::{Process, Scratch, wait_for};

use crate::Bench;

/// How long it may take to start: servers of a loaded machine answer late.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `tiphys run`.
pub(crate) struct Tiphys {
    process: Process,
    output: PathBuf,
}

/// Memory of a process, in MiB.
pub(crate) struct Memory {
    pub(crate) resident: f64,
    pub(crate) private: f64,
    /// Heap, stacks, and what of the program's file was written to.
    pub(crate) anonymous: f64,
}

impl Tiphys {
    /// Starts it and waits until it runs. `name` names its files in `scratch`.
    pub(crate) fn start(
        bench: &Bench,
        scratch: &Scratch,
        name: &str,
        args: &[String],
    ) -> anyhow::Result<Self> {
        let output = scratch.path().join(format!("{name}.out"));
        let mut command = Command::new("sh");
        // The shell becomes tiphys: its process id is the one that is measured.
        command
            .args(["-c", "exec \"$@\" >\"$0\""])
            .arg(&output)
            .arg(&bench.tiphys);
        command
            .args(["run", "--admin", "127.0.0.1:0", "--log-format", "json"])
            .args(args);
        // Nobody's cluster but the one that is named.
        command.env("KUBECONFIG", "/dev/null");
        let mut process = Process::spawn(name, &mut command, scratch)?;
        wait_for("tiphys running", PATIENCE, || {
            process.ensure_running()?;
            let log = fs::read_to_string(process.log())?;
            Ok(log.contains("\"msg\":\"Running\"").then_some(()))
        })?;
        Ok(Self { process, output })
    }

    /// Where its standard output goes.
    pub(crate) fn output(&self) -> &Path {
        &self.output
    }

    /// Its last log lines, for errors.
    pub(crate) fn report(&self) -> String {
        self.process.report(20)
    }

    /// The CPU time it has taken so far, all threads together.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        cpu_time(&self.process.id().to_string())
    }

    /// Its memory now.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        memory(&self.process.id().to_string())
    }

    /// Ends it by SIGTERM; returns how long that took.
    pub(crate) fn stop(mut self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.process.send_terminate()?;
        loop {
            if let Some(status) = self.process.exit_status()? {
                ensure!(
                    status.success(),
                    "tiphys ended with {status}: {}",
                    self.report()
                );
                return Ok(start.elapsed());
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "tiphys does not end: {}",
                self.report()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The memory of the process `id`.
pub(crate) fn memory(id: &str) -> anyhow::Result<Memory> {
    let path = format!("/proc/{id}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let sum = |prefix: &str| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(prefix));
        lines
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
            .sum()
    };
    Ok(Memory {
        resident: sum("Rss:") / 1024.0,
        private: sum("Private_") / 1024.0,
        anonymous: sum("Anonymous:") / 1024.0,
    })
}

/// The CPU time of the process `id` (or `self`), all threads together, those that ended included.
pub(crate) fn cpu_time(id: &str) -> anyhow::Result<Duration> {
    let path = format!("/proc/{id}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The second field is the program's name in parentheses, blanks included. The times are fields
    // 14 and 15.
    let (_, fields) = text.rsplit_once(") ").context("a stat line has a name")?;
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}
