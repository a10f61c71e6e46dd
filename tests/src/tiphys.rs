//! The product as its users run it: the `tiphys` program on a desk with manifests, its log lines
//! and its admin port.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tiphys_testbed::{Process, Scratch};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use crate::wait::{PATIENCE, POLL_INTERVAL, eventually, within};

/// Names the program; set by `cargo xtask test`.
const BINARY_VARIABLE: &str = "TIPHYS_BIN";

/// Log lines shown when a story fails.
const LOG_LINES: usize = 60;

/// The `tiphys` program; built first if `TIPHYS_BIN` does not name it.
///
/// # Panics
/// When it does not build.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os(BINARY_VARIABLE).map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", "tiphys", "--bin", "tiphys"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    programs.next_back().expect("`tiphys` builds")
}

/// Runs `tiphys` to its end, with nothing of the environment that could change what it does.
///
/// # Panics
/// When it cannot be started.
pub fn tiphys<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    command()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("`tiphys` can be started")
}

/// The program, without settings of the environment.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("TIPHYS_")
            || ["KUBECONFIG", "LOG_LEVEL", "POD_NAME"].contains(&&*name_text)
        {
            command.env_remove(&name);
        }
    }
    command
}

/// A folder of manifests, and the arguments that `tiphys run` is started with.
///
/// All its runs append to one log.
#[derive(Debug)]
pub struct Desk {
    scratch: Arc<Scratch>,
    arguments: Vec<OsString>,
    files: Vec<PathBuf>,
}

impl Desk {
    /// An empty desk.
    ///
    /// # Panics
    /// When its folder cannot be made.
    pub fn new() -> Self {
        let scratch = Scratch::new("desk").expect("a folder can be made");
        fs::create_dir(scratch.path().join("manifests")).expect("a folder can be made");
        Self {
            scratch: Arc::new(scratch),
            arguments: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Where its manifests are.
    pub fn manifests(&self) -> PathBuf {
        self.scratch.path().join("manifests")
    }

    /// Puts a manifest into the folder, or replaces one.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.manifests().join(name), text).expect("the manifest can be written");
        self
    }

    /// Runs the files at `path` instead of those of the folder.
    #[must_use]
    pub fn files_at(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Adds an option and its value to the command line.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.arguments.extend([OsString::from(name), value.into()]);
        self
    }

    /// Adds an option without a value.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Self {
        self.arguments.push(name.into());
        self
    }

    /// Writes a file that is no manifest, such as a password, and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        self.scratch
            .write(name, text)
            .expect("the file can be written")
    }

    /// Starts `tiphys run`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self) -> Tiphys {
        let mut command = command();
        command.arg("run").arg("-f");
        if self.files.is_empty() {
            command.arg(self.manifests());
        } else {
            command.args(&self.files);
        }
        self.spawn(command)
    }

    /// Starts `tiphys controller`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_controller(&self) -> Tiphys {
        let mut command = command();
        command.arg("controller");
        self.spawn(command)
    }

    fn spawn(&self, mut command: Command) -> Tiphys {
        command
            .args(["--admin", "127.0.0.1:0"])
            .args(&self.arguments)
            // The kubeconfig of whoever runs the stories is none of theirs.
            .env("HOME", self.scratch.path());
        Tiphys::spawn("tiphys", &mut command, &self.scratch)
    }

    /// What all runs have logged and printed: each line, if it is JSON.
    pub fn lines(&self) -> Vec<Value> {
        read_lines(&self.scratch.path().join("tiphys.log"), 0)
    }

    /// The ids of the events that `log` triggers have printed, over all runs, in order.
    pub fn printed_ids(&self) -> Vec<String> {
        let lines = self.lines();
        let printed = lines.iter().filter(|line| line["triggerType"] == "Log");
        printed
            .filter_map(|line| line["eventContext"]["id"].as_str().map(str::to_owned))
            .collect()
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

/// A running `tiphys`.
///
/// When the story fails, its last log lines are printed.
#[derive(Debug)]
pub struct Tiphys {
    process: Process,
    /// Where its lines begin in the log.
    begin: usize,
    // Last, so that it has ended when its folder goes.
    _scratch: Arc<Scratch>,
}

impl Tiphys {
    /// Starts it with a log of this name, after what that holds already.
    pub(crate) fn spawn(name: &str, command: &mut Command, scratch: &Arc<Scratch>) -> Self {
        let log = scratch.path().join(format!("{name}.log"));
        let begin = fs::metadata(&log).map_or(0, |log| log.len());
        let process = Process::spawn(name, command, scratch);
        Self {
            process: process.expect("`tiphys` can be started"),
            begin: usize::try_from(begin).expect("the log fits into memory"),
            _scratch: Arc::clone(scratch),
        }
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Follows its report.
    pub async fn follow(&self) -> Reported {
        let stream = eventually("the admin port", || async {
            let mut stream = TcpStream::connect(self.address()?).await.ok()?;
            // Without chunks, for whoever reads lines.
            let request = b"GET /api/report HTTP/1.0\r\n\r\n";
            stream.write_all(request).await.ok()?;
            Some(stream)
        });
        Reported {
            lines: BufReader::new(stream.await).lines(),
        }
    }

    /// The first report that is wanted, as soon as there is one.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn reported(&self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        self.follow().await.until(what, is_wanted).await
    }

    fn address(&self) -> Option<String> {
        let serving = |line: &Value| line["msg"] == "Serving metrics and health";
        let line = self.lines().into_iter().find(serving)?;
        line["address"].as_str().map(str::to_owned)
    }

    /// What it has logged and printed: each line, if it is JSON.
    pub fn lines(&self) -> Vec<Value> {
        read_lines(self.process.log(), self.begin)
    }

    /// Its whole output as it is.
    pub fn output(&self) -> String {
        let bytes = fs::read(self.process.log()).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.begin..).unwrap_or_default()).into_owned()
    }

    /// The first line with this message, as soon as there is one.
    pub async fn logged(&self, message: &str) -> Value {
        self.line(message, |line| line["msg"] == message).await
    }

    /// The first line that is wanted, as soon as there is one.
    pub async fn line(&self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let what = format!("the log line {what:?}");
        eventually(&what, || async {
            self.lines().into_iter().find(&is_wanted)
        })
        .await
    }

    /// Waits until its event sources watch and its triggers listen.
    pub async fn watching(&self) {
        self.logged("Running").await;
        let watches = |line: &Value| {
            line["msg"]
                .as_str()
                .is_some_and(|message| message.starts_with("Watching "))
        };
        self.line("Watching …", watches).await;
    }

    /// Asks the admin port; the status, and the body.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let address = self.address()?;
        let mut connection = TcpStream::connect(&address).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// What the metric of this name counts whose labels contain all of these texts; the sum, if
    /// there are several.
    ///
    /// # Panics
    /// When the admin port does not answer.
    pub async fn count(&self, name: &str, labels: &[&str]) -> u64 {
        let (_, text) = self.get("/metrics").await.expect("metrics are served");
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        counts.sum()
    }

    /// Sends SIGTERM and returns at once.
    ///
    /// # Panics
    /// When it cannot be signalled.
    pub fn terminate(&mut self) {
        self.process.send_terminate().expect("it can be signalled");
    }

    /// Kills it as a lost machine does.
    ///
    /// # Panics
    /// When it cannot be signalled.
    pub fn kill(&mut self) {
        self.process.kill().expect("it can be killed");
    }

    /// Stops it in the middle of what it does; its connections stay open.
    ///
    /// # Panics
    /// When it cannot be signalled.
    pub fn freeze(&mut self) {
        self.process.freeze().expect("it can be signalled");
    }

    /// Lets it go on after it was frozen.
    ///
    /// # Panics
    /// When it cannot be signalled.
    pub fn thaw(&mut self) {
        self.process.thaw().expect("it can be signalled");
    }

    /// Its last log lines.
    pub fn log_tail(&self) -> String {
        self.process.report(LOG_LINES)
    }

    /// True while it has not ended.
    ///
    /// # Panics
    /// When the system cannot say.
    pub fn is_running(&mut self) -> bool {
        self.process
            .exit_status()
            .expect("the system says")
            .is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        let ending = async {
            loop {
                if let Some(status) = self.process.exit_status().expect("the system says") {
                    return status;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        within("the end of `tiphys`", ending).await
    }

    /// Stops it as a rollout does, and says how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.ended().await
    }
}

/// A report that is followed.
#[derive(Debug)]
pub struct Reported {
    lines: Lines<BufReader<TcpStream>>,
}

impl Reported {
    /// The next line; `None` after the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.lines.next_line().await.ok()??;
            // What comes before the first one is the head of the answer.
            if line.starts_with('{') {
                return serde_json::from_str(&line).ok();
            }
        }
    }

    /// The first line that is wanted, as soon as it comes.
    ///
    /// # Panics
    /// When none comes in time: with the last one.
    pub async fn until(&mut self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let coming = async {
            while let Some(report) = self.next().await {
                if is_wanted(&report) {
                    return Some(report);
                }
                last = report;
            }
            None
        };
        let come = tokio::time::timeout(PATIENCE, coming).await;
        match come.ok().flatten() {
            Some(report) => report,
            None => panic!("{what} was not reported: {last:#}"),
        }
    }
}

impl Drop for Tiphys {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
    }
}

pub(crate) fn read_lines(log: &Path, begin: usize) -> Vec<Value> {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes.get(begin..).unwrap_or_default());
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
