//! The program that is measured: started as a user starts it, its data and its log apart.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tiphys_testbed::{PATIENCE, Process, Scratch};

use crate::Bench;

/// How often its log is looked at for what is measured by it.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A running `tiphys`.
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
    /// Starts `tiphys run` and waits until it runs. `name` names its files in `scratch`.
    pub(crate) fn start(
        bench: &Bench,
        scratch: &Scratch,
        name: &str,
        args: &[String],
    ) -> anyhow::Result<Self> {
        let args: Vec<&str> = ["run"]
            .into_iter()
            .chain(args.iter().map(String::as_str))
            .collect();
        Self::spawn(bench, scratch, name, &args, &[], "Running")
    }

    /// Starts it with `args` and further variables, and waits until it logs `ready`.
    pub(crate) fn spawn(
        bench: &Bench,
        scratch: &Scratch,
        name: &str,
        args: &[&str],
        variables: &[(&str, &Path)],
        ready: &str,
    ) -> anyhow::Result<Self> {
        let output = scratch.path().join(format!("{name}.out"));
        let mut command = Command::new("sh");
        // The shell becomes tiphys: its process id is the one that is measured.
        command
            .args(["-c", "exec \"$@\" >\"$0\""])
            .arg(&output)
            .arg(&bench.tiphys);
        command
            .args(args)
            .args(["--admin", "127.0.0.1:0", "--log-format", "json"]);
        // Nobody's cluster but the one that is named.
        command.env("KUBECONFIG", "/dev/null");
        command.envs(variables.iter().copied());
        let process = Process::spawn(name, &mut command, scratch)?;
        let mut tiphys = Self { process, output };
        tiphys.logged(ready, |line| line["msg"] == ready)?;
        Ok(tiphys)
    }

    /// The first log line that is wanted, as soon as there is one.
    pub(crate) fn logged(
        &mut self,
        what: &str,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is_running = self.process.ensure_running();
            // What it wrote before it ended counts, too.
            let found = self.lines()?.into_iter().find(&is_wanted);
            if let Some(line) = found {
                return Ok(line);
            }
            is_running?;
            ensure!(
                Instant::now() < deadline,
                "{what} is not logged: {}",
                self.report()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What it has logged.
    pub(crate) fn lines(&self) -> anyhow::Result<Vec<Value>> {
        let log = fs::read_to_string(self.process.log())?;
        let lines = log.lines();
        Ok(lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// What a counter on its admin port says, all labels together.
    pub(crate) fn count(&self, metric: &str) -> anyhow::Result<u64> {
        self.count_of(metric, "")
    }

    /// The same, of what has a label, such as `a="b"`.
    pub(crate) fn count_of(&self, metric: &str, label: &str) -> anyhow::Result<u64> {
        let answer = self.get("/metrics")?;
        let counts = answer.lines().filter_map(|line| {
            let rest = line.strip_prefix(metric)?;
            (rest.starts_with(['{', ' ']) && rest.contains(label)).then_some(())?;
            rest.rsplit(' ').next()?.parse::<u64>().ok()
        });
        Ok(counts.sum())
    }

    /// Waits until it says that it is ready.
    pub(crate) fn await_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.get("/readyz")?.contains(" 200 ") {
            self.process.ensure_running()?;
            ensure!(
                Instant::now() < deadline,
                "it is not ready: {}",
                self.report()
            );
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// The answer of its admin port, head and body.
    fn get(&self, path: &str) -> anyhow::Result<String> {
        ask(&self.admin()?, path)
    }

    /// Host and port of its admin port.
    pub(crate) fn admin(&self) -> anyhow::Result<String> {
        let lines = self.lines()?;
        let serving = |line: &&Value| line["msg"] == "Serving metrics and health";
        let serving = lines.iter().find(serving);
        let address = serving.and_then(|line| line["address"].as_str());
        Ok(address.context("the admin port is not served")?.to_owned())
    }

    /// Tells it to end, and does not wait for that.
    pub(crate) fn terminate(&mut self) -> anyhow::Result<()> {
        self.process.send_terminate()
    }

    /// Ends it as a lost machine does.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().map(drop)
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

    /// The most memory that it has had so far, resident, in MiB.
    pub(crate) fn most_memory(&self) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/status", self.process.id());
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let most = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let most = most.and_then(|most| most.split_whitespace().next()?.parse::<f64>().ok());
        Ok(most.with_context(|| format!("find VmHWM in {path}"))? / 1024.0)
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

/// The answer of an admin port, head and body.
pub(crate) fn ask(address: &str, path: &str) -> anyhow::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
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
