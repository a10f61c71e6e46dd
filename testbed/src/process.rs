//! A server process: its own process group, its output in a log file, dead when dropped.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};

use crate::Scratch;
use crate::scratch::Watchdog;

/// A running server, or one that has ended by itself.
///
/// # Guarantees
/// It is killed, with what it started, when this is dropped or when this process ends.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    watchdog: Arc<Watchdog>,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` with its output appended to `<name>.log` in `scratch`.
    ///
    /// # Errors
    /// When the log cannot be opened or the program not started.
    pub fn spawn(name: &str, command: &mut Command, scratch: &Scratch) -> anyhow::Result<Self> {
        let log = scratch.path().join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("open {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("share the log file")?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}", command.get_program().display()))?;
        let watchdog = scratch.watchdog();
        watchdog.watch(child.id());
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            watchdog,
            ended: None,
        })
    }

    /// What it was called when it was started.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last `lines` lines of its output.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Where its log is, and the last `lines` lines of it.
    pub fn report(&self, lines: usize) -> String {
        format!("{}:\n{}\n", self.log.display(), self.log_tail(lines))
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn exit_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        if self.ended.is_none()
            && let Some(status) = self
                .child
                .try_wait()
                .with_context(|| format!("look after {}", self.name))?
        {
            self.mark_ended(status);
        }
        Ok(self.ended)
    }

    /// Fails with its last log lines if it has ended.
    ///
    /// # Errors
    /// When it has ended.
    pub fn ensure_running(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.exit_status()? {
            anyhow::bail!("{} ended ({status}):\n{}", self.name, self.log_tail(20));
        }
        Ok(())
    }

    /// Sends SIGTERM and returns at once.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn send_terminate(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Sends SIGTERM, and SIGKILL if it has not ended within `patience`.
    ///
    /// # Errors
    /// When it can be neither signalled nor awaited.
    pub fn terminate(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        self.send_terminate()?;
        let what = format!("the end of {}", self.name);
        match crate::wait_for(&what, patience, || self.exit_status()) {
            Ok(status) => Ok(status),
            Err(_) => self.kill(),
        }
    }

    /// Sends SIGKILL and waits for the end.
    ///
    /// # Errors
    /// When it can be neither signalled nor awaited.
    pub fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        self.signal(Signal::KILL)?;
        let status = self
            .child
            .wait()
            .with_context(|| format!("wait for {}", self.name))?;
        self.mark_ended(status);
        Ok(status)
    }

    /// Sends SIGSTOP: it keeps its memory and its connections, and does nothing.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn freeze(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Sends SIGCONT: it goes on as if no time had passed.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn thaw(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.exit_status()?.is_some() {
            return Ok(());
        }
        let group = pid(self.child.id()).context("a running process has an id")?;
        kill_process_group(group, signal).with_context(|| format!("signal {}", self.name))
    }

    fn mark_ended(&mut self, status: ExitStatus) {
        self.ended = Some(status);
        self.watchdog.forget(self.child.id());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{} may still be running: {error:#}", self.name);
        }
    }
}

/// True if a process with this id exists.
pub fn is_alive(id: u32) -> bool {
    pid(id).is_some_and(|pid| test_kill_process(pid).is_ok())
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn shell(script: &str, scratch: &Scratch) -> Process {
        Process::spawn("shell", Command::new("sh").args(["-c", script]), scratch).unwrap()
    }

    #[test]
    fn output_is_in_the_log() {
        let scratch = Scratch::new("unit").unwrap();
        let mut process = shell("echo one; echo two >&2; echo three", &scratch);
        crate::wait_for("end", crate::PATIENCE, || process.exit_status()).unwrap();
        assert_eq!(process.log_tail(2), "two\nthree");
    }

    #[test]
    fn an_early_end_is_an_error_with_the_log() {
        let scratch = Scratch::new("unit").unwrap();
        let mut process = shell("echo no such flag; exit 3", &scratch);
        crate::wait_for("end", crate::PATIENCE, || process.exit_status()).unwrap();
        let error = process.ensure_running().unwrap_err().to_string();
        assert_eq!(error, "shell ended (exit status: 3):\nno such flag");
    }

    #[test]
    fn what_ignores_sigterm_is_killed() {
        let scratch = Scratch::new("unit").unwrap();
        let mut process = shell(
            "trap '' TERM; echo ready; while :; do sleep 0.1; done",
            &scratch,
        );
        crate::wait_for("ready", crate::PATIENCE, || {
            Ok((process.log_tail(1) == "ready").then_some(()))
        })
        .unwrap();
        let status = process.terminate(Duration::from_millis(200)).unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    #[test]
    fn what_is_frozen_does_nothing_until_it_is_thawed() {
        let scratch = Scratch::new("unit").unwrap();
        let script = "echo ready; while [ ! -e go ]; do sleep 0.1; done; echo gone";
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(scratch.path());
        let mut process = Process::spawn("shell", &mut command, &scratch).unwrap();
        let wait_for = |line: &str, process: &Process| {
            crate::wait_for(line, crate::PATIENCE, || {
                Ok((process.log_tail(1) == line).then_some(()))
            })
            .unwrap();
        };
        wait_for("ready", &process);
        process.freeze().unwrap();
        scratch.write("go", "").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(process.log_tail(1), "ready");
        assert_eq!(process.exit_status().unwrap(), None);
        process.thaw().unwrap();
        wait_for("gone", &process);
    }

    #[test]
    fn a_dropped_process_is_gone_with_its_children() {
        let scratch = Scratch::new("unit").unwrap();
        let process = shell("sleep 1000 & echo $!; wait", &scratch);
        let child: u32 = crate::wait_for("child", crate::PATIENCE, || {
            Ok(process.log_tail(1).parse().ok())
        })
        .unwrap();
        let id = process.id();
        drop(process);
        assert!(!is_alive(id));
        crate::wait_for("end of the child", crate::PATIENCE, || {
            Ok(has_ended(child).then_some(()))
        })
        .unwrap();
    }

    /// An orphan may stay a zombie for a while where nobody collects it.
    fn has_ended(id: u32) -> bool {
        !is_alive(id)
            || fs::read_to_string(format!("/proc/{id}/stat"))
                .is_ok_and(|stat| stat.contains(") Z "))
    }
}
