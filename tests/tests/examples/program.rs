//! The `tiphys` program as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tiphys_testbed::{Process, Scratch};
use tiphys_tests::eventually;

/// Names the program; set by `cargo xtask test`.
const BINARY_VARIABLE: &str = "TIPHYS_BIN";

/// Log lines shown when a story fails.
const LOG_LINES: usize = 60;

/// Runs `tiphys` to its end.
pub(crate) fn tiphys(arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A running `tiphys run`; when the story fails, its last log lines are printed.
pub(crate) struct Tiphys {
    process: Process,
    _scratch: Scratch,
}

impl Tiphys {
    /// Runs the manifests at `path` on an embedded bus, and waits until they run.
    pub(crate) async fn start(path: &Path, kubeconfig: &Path) -> Self {
        let scratch = Scratch::new("example").unwrap();
        let mut command = Command::new(binary());
        command
            .args([
                "run",
                "--admin",
                "127.0.0.1:0",
                "--log-format",
                "json",
                "-f",
            ])
            .arg(path);
        command
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .env_remove("TIPHYS_NATS");
        let process = Process::spawn("tiphys", &mut command, &scratch).unwrap();
        let tiphys = Self {
            process,
            _scratch: scratch,
        };
        eventually("tiphys running", || async {
            let log = std::fs::read_to_string(tiphys.process.log()).unwrap();
            log.contains("\"msg\":\"Running\"").then_some(())
        })
        .await;
        tiphys
    }
}

impl Drop for Tiphys {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.process.report(LOG_LINES));
        }
    }
}

/// The program; built first if the environment does not name it.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os(BINARY_VARIABLE).map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", "tiphys", "--bin", "tiphys"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    programs.next_back().expect("`tiphys` builds")
}
