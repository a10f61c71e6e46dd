//! A message broker on a free port, with its data in a folder of its own.

mod azurite;
mod elasticmq;
mod kafka;
mod mosquitto;
mod moto;
mod namenode;
mod pubsub;
pub(crate) mod pulsar;
mod rabbitmq;
mod redis;
mod sshd;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::Process;
use crate::{Broker, Certificates, PATIENCE, Progress, Scratch, free_port, wait_for};

/// How often a start is tried again on another port when somebody else took it.
const START_ATTEMPTS: usize = 5;

/// Log lines shown when something failed.
const LOG_LINES: usize = 40;

/// What is different from a broker that lets everybody in.
#[derive(Clone, Debug, Default)]
pub struct BrokerOptions {
    /// Who connects has to know it; where there are users, as the user `tiphys`.
    pub password: Option<String>,
    /// It has another port, where both sides show certificates.
    pub tls: bool,
}

/// A running broker.
///
/// # Guarantees
/// Dropping it ends its processes and removes its folder, see [`Scratch`].
#[derive(Debug)]
pub struct BrokerServer {
    broker: Broker,
    program: PathBuf,
    port: u16,
    options: BrokerOptions,
    /// Where connections are encrypted.
    tls_port: u16,
    /// Where it speaks with its kin, or with who manages it, if it does.
    cluster_port: u16,
    /// Where it speaks with itself, if it does.
    inner_port: u16,
    certificates: Option<Certificates>,
    process: Option<Process>,
    // Last, so that the server has ended when its folder goes.
    scratch: Scratch,
}

impl BrokerServer {
    /// Starts a broker, and waits until it serves.
    ///
    /// # Errors
    /// When it cannot be got, or does not come up: with its last log lines.
    pub fn start(broker: Broker, options: &BrokerOptions) -> anyhow::Result<Self> {
        let program = broker.locate(Progress::Shown)?;
        for _ in 1..START_ATTEMPTS {
            let mut server = Self::prepare(broker, program.clone(), options)?;
            match server.restart() {
                Err(_) if server.port_was_taken() => {}
                started => return started.map(|()| server),
            }
        }
        let mut server = Self::prepare(broker, program, options)?;
        server.restart().map(|()| server)
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Host and port where connections are encrypted.
    pub fn tls_address(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port)
    }

    /// Host and port where it is managed, if that is another one.
    pub fn cluster_address(&self) -> String {
        format!("127.0.0.1:{}", self.cluster_port)
    }

    /// Where it has its files, and its log as `broker.log`.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The certificates, if connections may be encrypted.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Ends it as a crash does.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            if self.broker == Broker::Sshd {
                sshd::kill_sessions(process.id());
            }
            process.kill()?;
        }
        Ok(())
    }

    /// Lets it end by itself, for one that writes down what it keeps only then.
    ///
    /// # Errors
    /// When it can be neither signalled nor awaited.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.terminate(PATIENCE)?;
        }
        Ok(())
    }

    /// Lets it keep its connections, and do nothing.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn freeze(&mut self) -> anyhow::Result<()> {
        self.process.as_mut().map_or(Ok(()), Process::freeze)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn thaw(&mut self) -> anyhow::Result<()> {
        self.process.as_mut().map_or(Ok(()), Process::thaw)
    }

    /// Starts it on its port and with its data, and waits until it serves.
    ///
    /// # Errors
    /// When it does not come up: with its last log lines.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let mut command = self.command()?;
        let process = Process::spawn("broker", &mut command, &self.scratch)?;
        let process = self.process.insert(process);
        let (broker, ports) = (self.broker, (self.port, self.cluster_port));
        let serving = wait_for("a broker that serves", PATIENCE, || {
            process.ensure_running()?;
            Ok(serves(broker, ports).then_some(()))
        });
        serving.with_context(|| process.report(LOG_LINES))
    }

    fn prepare(broker: Broker, program: PathBuf, options: &BrokerOptions) -> anyhow::Result<Self> {
        let scratch = Scratch::new("broker")?;
        let certificates = options.tls.then(Certificates::generate).transpose()?;
        if let Some(certificates) = &certificates {
            certificates.write_into(&scratch)?;
        }
        Ok(Self {
            broker,
            program,
            port: free_port()?,
            options: options.clone(),
            tls_port: free_port()?,
            cluster_port: free_port()?,
            inner_port: free_port()?,
            certificates,
            process: None,
            scratch,
        })
    }

    /// How it is started. It finds its files in its folder.
    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(&self.program);
        command.current_dir(self.scratch.path());
        match self.broker {
            Broker::Azurite => azurite::prepare(self, &mut command),
            Broker::Elasticmq => elasticmq::prepare(self, &mut command)?,
            Broker::Kafka => kafka::prepare(self, &mut command)?,
            Broker::Mosquitto => mosquitto::prepare(self, &mut command)?,
            Broker::Moto => moto::prepare(self, &mut command),
            Broker::Pulsar => pulsar::prepare(self, &mut command)?,
            Broker::Pubsub => pubsub::prepare(self, &mut command),
            Broker::Namenode => namenode::prepare(self, &mut command)?,
            Broker::Rabbitmq => rabbitmq::prepare(self, &mut command)?,
            Broker::Redis => redis::prepare(self, &mut command),
            Broker::Sshd => sshd::prepare(self, &mut command)?,
        }
        Ok(command)
    }

    fn port_was_taken(&self) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| {
            let log = process.log_tail(LOG_LINES).to_lowercase();
            ["address already in use", "eaddrinuse"]
                .iter()
                .any(|taken| log.contains(taken))
        })
    }
}

impl Drop for BrokerServer {
    fn drop(&mut self) {
        if let Some(process) = self.process.take()
            && std::thread::panicking()
        {
            eprintln!("{}", process.report(LOG_LINES));
        }
    }
}

/// True if it answers.
fn serves(broker: Broker, (port, cluster_port): (u16, u16)) -> bool {
    match broker {
        Broker::Azurite => azurite::serves(port),
        Broker::Elasticmq => elasticmq::serves(port),
        Broker::Kafka => kafka::serves(port),
        Broker::Mosquitto => mosquitto::serves(port),
        Broker::Moto => moto::serves(port),
        Broker::Pulsar => pulsar::serves(cluster_port),
        Broker::Pubsub => pubsub::serves(port),
        Broker::Namenode => namenode::serves(port),
        Broker::Rabbitmq => rabbitmq::serves(port),
        Broker::Redis => redis::serves(port),
        Broker::Sshd => sshd::serves(port),
    }
}

/// True if whatever is asked for is answered as a web server does.
fn speaks_http(port: u16) -> bool {
    answer(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") == Some(*b"HTTP/")
}

/// What is said first to what is told; nothing, if nobody is there.
fn answer<const LENGTH: usize>(port: u16, told: &[u8]) -> Option<[u8; LENGTH]> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    connection.write_all(told).ok()?;
    let mut answer = [0; LENGTH];
    connection.read_exact(&mut answer).ok()?;
    Some(answer)
}
