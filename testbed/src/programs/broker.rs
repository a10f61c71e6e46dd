//! Message brokers, from the packages of Debian and its kin: downloaded by `apt-get` and unpacked into the
//! cache. Nothing is installed: no root is needed, and no service starts. Kafka comes from Maven.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::lock;
use super::maven;
use super::program::{go_arch, go_os};
use super::settings::Settings;
use crate::Progress;

/// Where a distribution says which one it is.
const RELEASE: &str = "/etc/os-release";

/// What Debian has on `PATH` for RabbitMQ: it insists on root, or a user of its own.
const WRAPPER: &str = "rabbitmq-script-wrapper";

/// A message broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Broker {
    /// Kafka.
    Kafka,
    /// Mosquitto, for MQTT.
    Mosquitto,
    /// RabbitMQ, for AMQP.
    Rabbitmq,
    /// Redis.
    Redis,
}

impl Broker {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kafka, Self::Mosquitto, Self::Rabbitmq, Self::Redis];

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
            Self::Kafka => "TIPHYS_KAFKA",
            Self::Mosquitto => "TIPHYS_MOSQUITTO",
            Self::Rabbitmq => "TIPHYS_RABBITMQ_SERVER",
            Self::Redis => "TIPHYS_REDIS_SERVER",
        }
    }

    /// The program, and the package that has it.
    fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Mosquitto => "mosquitto",
            Self::Rabbitmq => "rabbitmq-server",
            Self::Redis => "redis-server",
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
                    "{name} is missing: not in {}, not on PATH, not downloaded. To have it, {}, or set \
                     {variable}",
                    settings.cache.display(),
                    self.install_line(),
                )
            })?;
        }
        Ok(cached)
    }

    fn install_line(self) -> String {
        if self == Self::Kafka {
            return "install Java and Maven (`apt-get install default-jre-headless maven`, \
                    `brew install maven`)"
                .to_owned();
        }
        let name = self.name();
        let short = name.trim_end_matches("-server");
        format!("install the package {name} (`apt-get install {name}`, `brew install {short}`)")
    }

    /// Packages of one release are no use in another.
    fn cached_name(self, settings: &Settings) -> String {
        if self == Self::Kafka {
            return format!("kafka-{}", settings.kafka_version);
        }
        let release = fs::read_to_string(RELEASE).unwrap_or_default();
        let release = release_name(&release);
        format!("{}-{release}-{}-{}", self.name(), go_os(), go_arch())
    }

    fn installed(self, settings: &Settings) -> Option<PathBuf> {
        if self == Self::Kafka {
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

    /// Downloads the package, with those that it needs and that are missing here, and puts a program that
    /// finds all of them at `target`.
    fn get(self, target: &Path, settings: &Settings, progress: Progress) -> anyhow::Result<()> {
        anyhow::ensure!(!settings.offline, "TIPHYS_OFFLINE is set");
        if self == Self::Kafka {
            return maven::kafka(target, settings, progress);
        }
        // What is half unpacked must not look like a program.
        let folder = tempfile::tempdir_in(&settings.cache).context("make a folder")?;
        let packages = folder.path().join("packages");
        fs::create_dir_all(packages.join("partial")).context("make a folder")?;
        let mut download = Command::new("apt-get");
        download
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(["--download-only", "-o", "Debug::NoLocking=1", "-o"])
            .arg(format!("Dir::Cache::Archives={}", packages.display()))
            .arg(self.name());
        let title = format!("downloading {} with apt-get", self.name());
        progress.during(&title, || {
            run(&mut download).or_else(|_| {
                // A machine may not have asked yet which packages there are, or long ago.
                run(Command::new("apt-get").args(["update", "--quiet"]))?;
                run(&mut download)
            })
        })?;
        let root = folder.path().join("root");
        for entry in fs::read_dir(&packages).context("list the packages")? {
            let package = entry.context("list the packages")?.path();
            if package
                .extension()
                .is_some_and(|extension| extension == "deb")
            {
                run(Command::new("dpkg-deb").arg("-x").arg(package).arg(&root))?;
            }
        }
        let kept = target.with_extension("root");
        if kept.exists() {
            fs::remove_dir_all(&kept).context("remove what is half done")?;
        }
        fs::rename(&root, &kept).context("move it into the cache")?;
        self.relocate(&kept)?;
        put_script(&self.script(&kept)?, target, folder.path())
    }

    /// Erlang has its own place written into its scripts.
    fn relocate(self, root: &Path) -> anyhow::Result<()> {
        if self != Self::Rabbitmq {
            return Ok(());
        }
        let erlang = root.join("usr/lib/erlang");
        for script in ["erl", "start"] {
            let path = erlang.join("bin").join(script);
            let text = fs::read_to_string(&path);
            let text = text.with_context(|| format!("read {}", path.display()))?;
            let text = text.replace("/usr/lib/erlang", &erlang.display().to_string());
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    /// Starts the program with the libraries and programs that came with it.
    fn script(self, root: &Path) -> anyhow::Result<String> {
        let program = match self {
            Self::Kafka => anyhow::bail!("Kafka is no package"),
            Self::Mosquitto => root.join("usr/sbin/mosquitto"),
            Self::Rabbitmq => root.join("usr/lib/rabbitmq/bin/rabbitmq-server"),
            Self::Redis => root.join("usr/bin/redis-server"),
        };
        anyhow::ensure!(program.is_file(), "there is no {}", program.display());
        let libraries: Vec<String> = folders(&root.join("usr/lib"))?
            .iter()
            .filter(|folder| folder.to_string_lossy().ends_with("-linux-gnu"))
            .map(|folder| folder.display().to_string())
            .collect();
        let (libraries, root) = (libraries.join(":"), root.display());
        Ok(format!(
            "#!/bin/sh\n\
             export LD_LIBRARY_PATH='{libraries}'\n\
             export PATH='{root}/usr/bin':\"$PATH\"\n\
             exec '{}' \"$@\"\n",
            program.display()
        ))
    }
}

/// What a release calls itself, such as `bookworm`.
fn release_name(text: &str) -> &str {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix('=').map(|value| value.trim_matches('"'))
    };
    value("VERSION_CODENAME")
        .or_else(|| value("ID"))
        .unwrap_or("unknown")
}

fn folders(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path).with_context(|| format!("list {}", path.display()))?;
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(folders.filter(|path| path.is_dir()).collect())
}

/// Puts a script that can be run at `target`, by way of `folder`.
pub(super) fn put_script(text: &str, target: &Path, folder: &Path) -> anyhow::Result<()> {
    let script = folder.join("script");
    fs::write(&script, text).context("write a script")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).context("make it run")?;
    fs::rename(&script, target).context("move it into the cache")
}

pub(super) fn run(command: &mut Command) -> anyhow::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::release_name;

    #[test]
    fn a_release_has_a_name() {
        let debian = "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(release_name(debian), "bookworm");
        assert_eq!(release_name("ID=\"alpine\"\n"), "alpine");
        assert_eq!(release_name(""), "unknown");
    }
}
