//! Message brokers and other servers that stories talk to, got by the tools that distributions and languages
//! have for it, and unpacked into the cache. Nothing is installed: no root is needed, and no service starts.

mod debian;
mod registry;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::lock;
use super::program::{go_arch, go_os, hash};
use super::settings::Settings;
use crate::Progress;

/// What Debian has on `PATH` for RabbitMQ: it insists on root, or a user of its own.
const WRAPPER: &str = "rabbitmq-script-wrapper";

/// A server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Broker {
    /// Azurite, for queues of Azure.
    Azurite,
    /// ElasticMQ, for SQS.
    Elasticmq,
    /// Kafka.
    Kafka,
    /// Mosquitto, for MQTT.
    Mosquitto,
    /// Moto, for AWS.
    Moto,
    /// Pulsar.
    Pulsar,
    /// Google's server of Pub/Sub for tests.
    Pubsub,
    /// The name node of HDFS.
    Namenode,
    /// RabbitMQ, for AMQP.
    Rabbitmq,
    /// Redis.
    Redis,
    /// OpenSSH, for SFTP.
    Sshd,
}

/// Where a server comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin<'s> {
    /// A package of Debian and its kin: the release's version.
    Debian,
    /// A package of Python, Java or Node, of this version.
    Python(&'s str),
    Java(&'s str),
    Node(&'s str),
    /// A module of ours, in `tests/servers`, which Go builds.
    Go(GoModule),
}

/// A module of Go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct GoModule {
    /// Its folder.
    name: &'static str,
    /// All that it is made from.
    sources: [&'static str; 2],
}

impl Broker {
    /// Those of the usual stories.
    pub const ALL: [Self; 9] = [
        Self::Azurite,
        Self::Elasticmq,
        Self::Kafka,
        Self::Mosquitto,
        Self::Moto,
        Self::Pubsub,
        Self::Rabbitmq,
        Self::Redis,
        Self::Sshd,
    ];

    /// Those that are large: 235 and 89 MB.
    pub const HEAVY: [Self; 2] = [Self::Pulsar, Self::Namenode];

    /// Finds the program, or gets it.
    ///
    /// # Errors
    /// When it can neither be found nor got: with each attempt and the line that installs it.
    pub fn locate(self, progress: Progress) -> anyhow::Result<PathBuf> {
        self.locate_with(&Settings::from_environment()?, progress)
    }

    /// The environment variable that names the program.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Azurite => "TIPHYS_AZURITE_QUEUE",
            Self::Elasticmq => "TIPHYS_ELASTICMQ",
            Self::Kafka => "TIPHYS_KAFKA",
            Self::Mosquitto => "TIPHYS_MOSQUITTO",
            Self::Moto => "TIPHYS_MOTO_SERVER",
            Self::Pulsar => "TIPHYS_PULSAR",
            Self::Pubsub => "TIPHYS_PUBSUB",
            Self::Namenode => "TIPHYS_HDFS_NAMENODE",
            Self::Rabbitmq => "TIPHYS_RABBITMQ_SERVER",
            Self::Redis => "TIPHYS_REDIS_SERVER",
            Self::Sshd => "TIPHYS_SSHD",
        }
    }

    /// The program.
    fn name(self) -> &'static str {
        match self {
            Self::Azurite => "azurite-queue",
            Self::Elasticmq => "elasticmq",
            Self::Kafka => "kafka",
            Self::Mosquitto => "mosquitto",
            Self::Moto => "moto_server",
            Self::Pulsar => "pulsar",
            Self::Pubsub => "pubsub",
            Self::Namenode => "hdfs-namenode",
            Self::Rabbitmq => "rabbitmq-server",
            Self::Redis => "redis-server",
            Self::Sshd => "sshd",
        }
    }

    /// The packages of Debian that it needs, if it is one of theirs.
    fn packages(self) -> &'static [&'static str] {
        match self {
            // The libraries let it run without root and without an account.
            Self::Sshd => &["openssh-server", "libnss-wrapper", "libuid-wrapper"],
            Self::Rabbitmq => &["rabbitmq-server"],
            Self::Redis => &["redis-server"],
            _ => &["mosquitto"],
        }
    }

    fn origin(self, settings: &Settings) -> Origin<'_> {
        match self {
            Self::Azurite => Origin::Node("3.37.0"),
            Self::Elasticmq => Origin::Java("1.6.12"),
            Self::Kafka => Origin::Java(&settings.kafka_version),
            Self::Moto => Origin::Python("5.2.5"),
            Self::Pulsar => Origin::Java("4.0.7"),
            Self::Pubsub => Origin::Go(GoModule {
                name: "pubsub",
                sources: [
                    include_str!("../../../tests/servers/pubsub/go.mod"),
                    include_str!("../../../tests/servers/pubsub/main.go"),
                ],
            }),
            Self::Namenode => Origin::Java("3.4.1"),
            Self::Mosquitto | Self::Rabbitmq | Self::Redis | Self::Sshd => Origin::Debian,
        }
    }

    /// What it consists of, if it is in Java: groups, names and versions.
    fn artifacts(self, version: &str) -> Vec<(&'static str, &'static str, &str)> {
        match self {
            Self::Kafka => vec![
                ("org.apache.kafka", "kafka_2.13", version),
                // What it writes its log lines with: without one it writes none.
                ("org.slf4j", "slf4j-simple", "1.7.36"),
            ],
            Self::Pulsar => vec![("org.apache.pulsar", "pulsar-broker", version)],
            Self::Namenode => vec![
                ("org.apache.hadoop", "hadoop-client-minicluster", version),
                ("org.apache.hadoop", "hadoop-client-runtime", version),
                // What it writes its log lines with, and what it wants at its end.
                ("org.slf4j", "slf4j-simple", "1.7.36"),
                ("ch.qos.reload4j", "reload4j", "1.2.22"),
            ],
            _ => vec![("org.elasticmq", "elasticmq-server_2.13", version)],
        }
    }

    /// What a human can do who has not got it.
    fn remedy(self, settings: &Settings) -> String {
        let (name, variable) = (self.name(), self.variable());
        match self.origin(settings) {
            Origin::Debian if self == Self::Sshd => format!(
                "run it on Debian or its kin, or set {variable} to a program that runs sshd without root"
            ),
            Origin::Debian => format!(
                "install the package {name} (`apt-get install {name}`, `brew install {}`), or set {variable}",
                name.trim_end_matches("-server"),
            ),
            Origin::Python(_) => {
                format!(
                    "install python3 with venv (`apt-get install python3-venv`), or set {variable}"
                )
            }
            Origin::Java(_) => {
                format!(
                    "install Java and Maven (`apt-get install default-jre-headless maven`), or set {variable}"
                )
            }
            Origin::Node(_) => format!("install npm (`apt-get install npm`), or set {variable}"),
            Origin::Go(_) => format!("install Go (https://go.dev/dl), or set {variable}"),
        }
    }

    pub(super) fn locate_with(
        self,
        settings: &Settings,
        progress: Progress,
    ) -> anyhow::Result<PathBuf> {
        let (name, variable) = (self.name(), self.variable());
        if let Some(path) = settings.variable(variable).map(PathBuf::from) {
            anyhow::ensure!(
                path.is_file(),
                "{variable} is set, but {} is not there",
                path.display()
            );
            return Ok(path);
        }
        let cached = settings.cache.join(self.cached_name(settings));
        if cached.is_file() {
            return Ok(cached);
        }
        if let Some(path) = self.installed(settings) {
            return Ok(path);
        }
        let _lock = lock(settings, progress)?;
        // Whoever held the lock may have got it.
        if !cached.is_file() {
            self.get(&cached, settings, progress).with_context(|| {
                format!(
                    "{name} is missing: not in {}, not on PATH, not downloaded. To have it, {}",
                    settings.cache.display(),
                    self.remedy(settings),
                )
            })?;
        }
        Ok(cached)
    }

    /// Packages of one release are no use in another.
    fn cached_name(self, settings: &Settings) -> String {
        let version = match self.origin(settings) {
            Origin::Debian => debian::release(),
            Origin::Python(version) | Origin::Java(version) | Origin::Node(version) => {
                version.to_owned()
            }
            Origin::Go(module) => hash(module.sources),
        };
        format!("{}-{version}-{}-{}", self.name(), go_os(), go_arch())
    }

    fn installed(self, settings: &Settings) -> Option<PathBuf> {
        // Of a language's packages this version counts, and no other; sshd needs libraries beside it.
        if self.origin(settings) != Origin::Debian || self == Self::Sshd {
            return None;
        }
        let mut found = settings.path.iter().map(|folder| folder.join(self.name()));
        let found = found.find(|path| path.is_file())?;
        let real = fs::canonicalize(&found).ok()?;
        if real.ends_with(WRAPPER) {
            return Some(real.with_file_name(self.name()));
        }
        Some(found)
    }

    /// Gets what it consists of, and puts a program that finds all of it at `target`.
    fn get(self, target: &Path, settings: &Settings, progress: Progress) -> anyhow::Result<()> {
        anyhow::ensure!(!settings.offline, "TIPHYS_OFFLINE is set");
        // What is half unpacked must not look like a program.
        let folder = tempfile::tempdir_in(&settings.cache).context("make a folder")?;
        let root = folder.path().join("root");
        let title = format!("downloading {}", self.name());
        progress.during(&title, || match self.origin(settings) {
            Origin::Debian => debian::get(self.packages(), folder.path(), &root),
            Origin::Python(version) => registry::python(&format!("moto[server]=={version}"), &root),
            Origin::Java(version) => registry::java(&self.artifacts(version), folder.path(), &root),
            Origin::Node(version) => registry::node(&format!("azurite@{version}"), &root),
            Origin::Go(module) => {
                registry::go(&settings.go_module.join(module.name), &root, self.name())
            }
        })?;
        let kept = settings
            .cache
            .join(format!("{}.root", self.cached_name(settings)));
        if kept.exists() {
            fs::remove_dir_all(&kept).context("remove what is half done")?;
        }
        fs::rename(&root, &kept).context("move it into the cache")?;
        let script = folder.path().join("script");
        fs::write(&script, self.script(&kept)?).context("write a script")?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).context("make it run")?;
        fs::rename(&script, target).context("move it into the cache")
    }

    /// Starts the program from what was got.
    fn script(self, root: &Path) -> anyhow::Result<String> {
        let folder = root.display();
        let line = match self {
            Self::Azurite => {
                format!("exec node '{folder}/node_modules/azurite/dist/src/queue/main.js' \"$@\"")
            }
            Self::Elasticmq => {
                format!("exec java \"$@\" -cp '{folder}/*' org.elasticmq.server.Main")
            }
            // One of its classes.
            Self::Kafka => format!("exec java -Xmx256m -cp '{folder}/*' \"$@\""),
            Self::Pulsar => {
                format!("exec java -Xmx384m -XX:MaxDirectMemorySize=256m -cp '{folder}/*' \"$@\"")
            }
            Self::Moto => format!("exec '{folder}/bin/python' -m moto.server \"$@\""),
            Self::Pubsub => format!("exec '{folder}/pubsub' \"$@\""),
            // One of its classes, with the settings of the folder that it is in.
            Self::Namenode => format!("exec java -Xmx256m -cp '.:{folder}/*' \"$@\""),
            Self::Mosquitto => return debian::script(root, "usr/sbin/mosquitto"),
            Self::Rabbitmq => {
                debian::relocate_erlang(root)?;
                return debian::script(root, "usr/lib/rabbitmq/bin/rabbitmq-server");
            }
            Self::Redis => return debian::script(root, "usr/bin/redis-server"),
            Self::Sshd => return debian::sshd(root),
        };
        Ok(format!("#!/bin/sh\n{line}\n"))
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("run `{program}`"))?;
    anyhow::ensure!(
        output.status.success(),
        "`{program}`: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
