//! NATS with JetStream: one server, or a cluster of several.

mod config;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::http::{self, Request};
use crate::process::Process;
use crate::{Certificates, PATIENCE, Programs, Scratch, free_port, wait_for};
use config::{MemberConfig, Ports};

/// How often a start is tried again on other ports when somebody else took one.
const START_ATTEMPTS: usize = 5;

/// Log lines shown of each server when something failed.
const LOG_LINES: usize = 40;

/// What is different from a server that lets everybody in.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// Who may connect.
    pub auth: Auth,
    /// Whether connections are encrypted.
    pub tls: Tls,
    /// Further lines of the configuration file, such as `max_payload: 64KB`.
    pub config: String,
}

/// Who may connect.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Auth {
    /// Everybody.
    #[default]
    Anyone,
    /// Who knows a user's password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// Who knows a token.
    Token(String),
    /// Who holds the seed of this public user key (`U…`).
    NKey(String),
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tls {
    /// Plain text.
    #[default]
    Off,
    /// The server shows a certificate, as the native bus of Argo Events does.
    Server,
    /// The certificate that the server shows has expired.
    Expired,
    /// The client must show one, too.
    Mutual,
}

/// Running NATS servers.
///
/// # Guarantees
/// Dropping it ends its processes and removes its folder, see [`Scratch`].
#[derive(Debug)]
pub struct Nats {
    program: PathBuf,
    members: Vec<Member>,
    certificates: Option<Certificates>,
    // Last, so that the servers have ended when their folder goes.
    scratch: Scratch,
}

/// One server, running or stopped.
#[derive(Debug)]
struct Member {
    name: String,
    ports: Ports,
    config: PathBuf,
    process: Option<Process>,
}

impl Nats {
    /// Starts one server, and waits until JetStream is ready.
    ///
    /// # Errors
    /// When it does not come up: with its last log lines.
    pub fn start(programs: &Programs, options: &NatsOptions) -> anyhow::Result<Self> {
        Self::cluster(programs, 1, options)
    }

    /// Starts this one server program, where that is all there is.
    ///
    /// # Errors
    /// When it does not come up: with its last log lines.
    pub fn start_program(program: &Path, options: &NatsOptions) -> anyhow::Result<Self> {
        Self::servers(program, 1, options)
    }

    /// Starts `size` servers that replicate to each other, and waits until JetStream has a leader.
    ///
    /// # Errors
    /// When they do not come up: with their last log lines.
    pub fn cluster(
        programs: &Programs,
        size: usize,
        options: &NatsOptions,
    ) -> anyhow::Result<Self> {
        Self::servers(&programs.nats_server, size, options)
    }

    fn servers(program: &Path, size: usize, options: &NatsOptions) -> anyhow::Result<Self> {
        for _ in 1..START_ATTEMPTS {
            let mut nats = Self::prepare(program, size, options)?;
            match nats.start_all() {
                Err(_) if nats.a_port_was_taken() => {}
                result => return result.map(|()| nats),
            }
        }
        let mut nats = Self::prepare(program, size, options)?;
        nats.start_all().map(|()| nats)
    }

    /// The address of the first server, which is all there is unless this is a cluster.
    pub fn url(&self) -> String {
        self.url_of(0)
    }

    /// The address of each server.
    pub fn urls(&self) -> Vec<String> {
        (0..self.size()).map(|index| self.url_of(index)).collect()
    }

    /// The address of the server `index`.
    pub fn url_of(&self, index: usize) -> String {
        let scheme = if self.certificates.is_some() {
            "tls"
        } else {
            "nats"
        };
        format!("{scheme}://127.0.0.1:{}", self.members[index].ports.client)
    }

    /// The certificates, if connections are encrypted.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The folder with the configuration, the certificates (`ca.pem`, `client.pem`, `client.key`,
    /// `server.pem`, `server.key`), the logs and the data.
    pub fn folder(&self) -> &std::path::Path {
        self.scratch.path()
    }

    /// How many servers there are, running or not.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Ends the server `index` in an orderly way.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn stop(&mut self, index: usize) -> anyhow::Result<()> {
        if let Some(mut process) = self.members[index].process.take() {
            process.terminate(PATIENCE)?;
        }
        Ok(())
    }

    /// Ends the server `index` as a crash does.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill(&mut self, index: usize) -> anyhow::Result<()> {
        if let Some(mut process) = self.members[index].process.take() {
            process.kill()?;
        }
        Ok(())
    }

    /// Stops the server `index` in the middle of what it does; its connections stay open.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn freeze(&mut self, index: usize) -> anyhow::Result<()> {
        let process = self.members[index].process.as_mut();
        process.map_or(Ok(()), Process::freeze)
    }

    /// Lets the frozen server `index` go on.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn thaw(&mut self, index: usize) -> anyhow::Result<()> {
        let process = self.members[index].process.as_mut();
        process.map_or(Ok(()), Process::thaw)
    }

    /// Starts the stopped server `index` on its port and with its data, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&mut self, index: usize) -> anyhow::Result<()> {
        self.spawn(index)?;
        self.await_ready(index).with_context(|| self.log_tails())
    }

    /// The ids of the processes that run.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes().map(Process::id).collect()
    }

    /// The last log lines of the servers.
    pub fn log_tails(&self) -> String {
        let tails: Vec<String> = self
            .processes()
            .map(|server| server.report(LOG_LINES))
            .collect();
        tails.join(
            "
",
        )
    }

    /// The name of the server that leads JetStream, if the cluster has elected one.
    ///
    /// # Errors
    /// When no server answers.
    pub fn leader(&self) -> anyhow::Result<Option<String>> {
        let running = self
            .members
            .iter()
            .filter(|member| member.process.is_some());
        let mut last = Err(anyhow::anyhow!("no server runs"));
        for member in running {
            last = member.known_leader();
            if let Ok(Some(leader)) = last {
                return Ok(Some(leader));
            }
        }
        last
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.members
            .iter()
            .filter_map(|member| member.process.as_ref())
    }

    fn prepare(program: &Path, size: usize, options: &NatsOptions) -> anyhow::Result<Self> {
        let scratch = Scratch::new("nats")?;
        let certificates = match options.tls {
            Tls::Off => None,
            Tls::Server | Tls::Mutual => Some(Certificates::generate()?),
            Tls::Expired => Some(Certificates::generate_expired()?),
        };
        if let Some(certificates) = &certificates {
            certificates.write_into(&scratch)?;
        }
        let ports = distinct_ports(size)?;
        let routes: Vec<u16> = ports.iter().map(|ports| ports.route).collect();
        let mut members = Vec::with_capacity(size);
        for (index, ports) in ports.into_iter().enumerate() {
            let name = format!("nats-{index}");
            let store = scratch.path().join(&name);
            let config = MemberConfig {
                name: &name,
                ports,
                routes: &routes,
                store: &store,
            };
            let text = config.render(options, scratch.path());
            let config = scratch.write(&format!("{name}.conf"), &text)?;
            members.push(Member {
                name,
                ports,
                config,
                process: None,
            });
        }
        Ok(Self {
            program: program.to_owned(),
            members,
            certificates,
            scratch,
        })
    }

    fn start_all(&mut self) -> anyhow::Result<()> {
        for index in 0..self.members.len() {
            self.spawn(index)?;
        }
        for index in 0..self.members.len() {
            self.await_ready(index).with_context(|| self.log_tails())?;
        }
        Ok(())
    }

    fn spawn(&mut self, index: usize) -> anyhow::Result<()> {
        let member = &mut self.members[index];
        if member.process.is_none() {
            let mut command = Command::new(&self.program);
            command
                .arg("--config")
                .arg(&member.config)
                .current_dir(self.scratch.path());
            member.process = Some(Process::spawn(&member.name, &mut command, &self.scratch)?);
        }
        Ok(())
    }

    fn await_ready(&mut self, index: usize) -> anyhow::Result<()> {
        let is_cluster = self.members.len() > 1;
        let member = &mut self.members[index];
        let what = format!("{} being ready", member.name);
        wait_for(&what, PATIENCE, || {
            if let Some(process) = member.process.as_mut() {
                process.ensure_running()?;
            }
            let is_ready = member.is_healthy() && (!is_cluster || member.known_leader()?.is_some());
            Ok(is_ready.then_some(()))
        })
    }

    fn a_port_was_taken(&self) -> bool {
        self.processes().any(|server| {
            server
                .log_tail(LOG_LINES)
                .contains("address already in use")
        })
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tails());
        }
        self.members.clear();
    }
}

impl Member {
    /// True if clients can connect and JetStream, where it is in a cluster, is up to date.
    fn is_healthy(&self) -> bool {
        http::send(self.ports.monitor, Request::get("/healthz"))
            .is_ok_and(|answer| answer.status == 200)
    }

    fn known_leader(&self) -> anyhow::Result<Option<String>> {
        let answer = http::send(self.ports.monitor, Request::get("/jsz"))
            .with_context(|| format!("ask {} for its leader", self.name))?;
        let answer: Value = serde_json::from_str(&answer.body)
            .with_context(|| format!("read the answer of {}", self.name))?;
        let leader = answer
            .pointer("/meta_cluster/leader")
            .and_then(Value::as_str);
        Ok(leader
            .filter(|leader| !leader.is_empty())
            .map(str::to_owned))
    }
}

/// Ports that differ from each other: each is free only until somebody listens there.
fn distinct_ports(size: usize) -> anyhow::Result<Vec<Ports>> {
    let mut free: Vec<u16> = Vec::with_capacity(size * 3);
    while free.len() < size * 3 {
        let port = free_port()?;
        if !free.contains(&port) {
            free.push(port);
        }
    }
    let ports = free.chunks_exact(3).map(|three| Ports {
        client: three[0],
        monitor: three[1],
        route: three[2],
    });
    Ok(ports.collect())
}
