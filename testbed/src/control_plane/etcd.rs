//! etcd: the state of a control plane, in memory as far as the disk is concerned.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::START_ATTEMPTS;
use crate::http::{self, Request, Response};
use crate::process::Process;
use crate::{PATIENCE, Scratch, free_port, wait_for};

/// A running etcd.
#[derive(Debug)]
pub(super) struct Etcd {
    pub(super) process: Process,
    port: u16,
}

impl Etcd {
    pub(super) fn start(program: &Path, scratch: &Scratch) -> anyhow::Result<Self> {
        for _ in 1..START_ATTEMPTS {
            let mut etcd = Self::spawn(program, scratch)?;
            match etcd.await_ready() {
                Err(_) if etcd.port_was_taken() => {}
                result => return result.map(|()| etcd),
            }
        }
        let mut etcd = Self::spawn(program, scratch)?;
        etcd.await_ready().map(|()| etcd)
    }

    pub(super) fn url(&self) -> String {
        url(self.port)
    }

    /// Compacts at the present revision, and waits until the history is gone from the disk too.
    pub(super) fn compact(&self) -> anyhow::Result<()> {
        // A key that nobody has: only the header with the revision is wanted.
        let range = self.post("/v3/kv/range", &json!({"key": "AA=="}))?;
        let answer: Value = serde_json::from_str(&range.body).context("read etcd's revision")?;
        let revision = answer
            .pointer("/header/revision")
            .context("etcd's answer has no revision")?;
        let request = json!({"revision": revision, "physical": true});
        self.post("/v3/kv/compaction", &request).map(drop)
    }

    fn spawn(program: &Path, scratch: &Scratch) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command
            .arg("--data-dir")
            .arg(scratch.path().join("etcd"))
            .args([
                "--listen-client-urls",
                &url(port),
                "--advertise-client-urls",
                &url(port),
            ])
            // A single member has no peers, but must listen for them somewhere.
            .args(["--listen-peer-urls", "http://127.0.0.1:0"])
            // Nothing here survives the machine anyhow.
            .arg("--unsafe-no-fsync")
            .args(["--log-level", "warn"]);
        let process = Process::spawn("etcd", &mut command, scratch)?;
        Ok(Self { process, port })
    }

    fn await_ready(&mut self) -> anyhow::Result<()> {
        wait_for("etcd being ready", PATIENCE, || {
            self.process.ensure_running()?;
            let answer = http::send(self.port, Request::get("/readyz"));
            Ok(answer.ok().filter(|answer| answer.status == 200).map(drop))
        })
    }

    fn port_was_taken(&self) -> bool {
        self.process.log_tail(20).contains("address already in use")
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        let request = Request {
            method: "POST",
            path,
            headers: &[],
            body: &body.to_string(),
        };
        let answer = http::send(self.port, request).with_context(|| format!("ask etcd {path}"))?;
        anyhow::ensure!(answer.status == 200, "etcd refused {path}: {}", answer.body);
        Ok(answer)
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
