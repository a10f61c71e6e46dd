//! Where the server programs are, and how a missing one is got.
//!
//! The order: named by the environment, in the cache folder, on `PATH`, downloaded from the
//! official releases, built by Go from `tests/servers/go.mod`. What was got once stays in the cache
//! under its version; runs at the same time wait for each other. A program that cannot be got is an
//! error with the line that installs it, never a reason to skip a test.

mod build;
mod download;
mod settings;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::Progress;
use settings::Settings;

/// The module whose `tool` lines name the servers and their versions.
const GO_MODULE: &str = include_str!("../../tests/servers/go.mod");

/// The envtest release with the control plane nearest to the one of `go.mod`.
///
/// Envtest follows minor releases, not each patch.
const ENVTEST_VERSION: &str = "v1.35.0";

/// The server programs of one run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Programs {
    /// The store of the control plane.
    pub etcd: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// NATS with JetStream.
    pub nats_server: PathBuf,
}

/// One of the programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Program {
    Etcd,
    KubeApiserver,
    NatsServer,
}

impl Programs {
    /// Finds the programs, and gets the missing ones.
    ///
    /// # Errors
    /// When one can neither be found nor got: with each attempt and the line that installs it.
    pub fn locate(progress: Progress) -> anyhow::Result<Self> {
        Self::locate_with(&Settings::from_environment()?, progress)
    }

    /// The environment variables that make [`Programs::locate`] find these programs at once.
    pub fn variables(&self) -> [(&'static str, &Path); 3] {
        [
            (Program::Etcd.variable(), &self.etcd),
            (Program::KubeApiserver.variable(), &self.kube_apiserver),
            (Program::NatsServer.variable(), &self.nats_server),
        ]
    }

    fn locate_with(settings: &Settings, progress: Progress) -> anyhow::Result<Self> {
        Ok(Self {
            etcd: locate(Program::Etcd, settings, progress)?,
            kube_apiserver: locate(Program::KubeApiserver, settings, progress)?,
            nats_server: locate(Program::NatsServer, settings, progress)?,
        })
    }
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::NatsServer => "nats-server",
        }
    }

    /// Names the program itself. `KUBEBUILDER_ASSETS` names the folder of the control plane.
    fn variable(self) -> &'static str {
        match self {
            Self::Etcd => "TIPHYS_ETCD",
            Self::KubeApiserver => "TIPHYS_KUBE_APISERVER",
            Self::NatsServer => "NATS_SERVER",
        }
    }

    fn is_in_envtest(self) -> bool {
        matches!(self, Self::Etcd | Self::KubeApiserver)
    }

    /// What Go builds, as a `tool` line of `go.mod` names it.
    fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::NatsServer => "github.com/nats-io/nats-server/v2",
        }
    }

    fn module(self) -> &'static str {
        match self {
            Self::KubeApiserver => "k8s.io/kubernetes",
            Self::Etcd | Self::NatsServer => self.package(),
        }
    }

    /// The version in `go.mod`, such as `v2.12.8`.
    fn version(self) -> anyhow::Result<&'static str> {
        GO_MODULE
            .lines()
            .filter_map(|line| line.trim().strip_prefix(self.module())?.strip_prefix(' '))
            .find_map(|rest| {
                rest.split_whitespace()
                    .next()
                    .filter(|word| word.starts_with('v'))
            })
            .with_context(|| format!("find the version of {} in go.mod", self.module()))
    }

    /// The oldest minor release that serves, when somebody else installed it.
    ///
    /// NATS 2.10 is the first with several filter subjects for a consumer and with stream metadata;
    /// Kubernetes 1.32 is the oldest whose API server streams lists by default.
    fn oldest(self) -> (u32, u32) {
        match self {
            Self::Etcd => (3, 5),
            Self::KubeApiserver => (1, 32),
            Self::NatsServer => (2, 10),
        }
    }

    fn install_line(self) -> &'static str {
        if self.is_in_envtest() {
            "install Go (https://go.dev/dl) and run `cargo xtask servers`, or set \
             KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver"
        } else {
            "install Go (https://go.dev/dl) and run `cargo xtask servers`, or run \
             `go install github.com/nats-io/nats-server/v2@v2.12.8`, or set NATS_SERVER to a \
             nats-server"
        }
    }

    /// The names it may have in the cache, the preferred one first.
    fn cached_names(self) -> anyhow::Result<Vec<String>> {
        let mut names = vec![self.cached_name(self.version()?)];
        if self.is_in_envtest() {
            names.push(self.cached_name(&format!("envtest-{ENVTEST_VERSION}")));
        }
        Ok(names)
    }

    fn cached_name(self, version: &str) -> String {
        format!("{}-{version}-{}-{}", self.name(), go_os(), go_arch())
    }
}

fn locate(program: Program, settings: &Settings, progress: Progress) -> anyhow::Result<PathBuf> {
    if let Some(path) = named_by_environment(program, settings)? {
        return Ok(path);
    }
    if let Some(path) = cached(program, settings)? {
        return Ok(path);
    }
    if let Some(path) = on_path(program, settings) {
        return Ok(path);
    }
    let _lock = lock(settings, progress)?;
    // Whoever held the lock may have got it.
    match cached(program, settings)? {
        Some(path) => Ok(path),
        None => get(program, settings, progress),
    }
}

/// A path in the environment is an order: where nothing is there, nothing else is tried.
fn named_by_environment(program: Program, settings: &Settings) -> anyhow::Result<Option<PathBuf>> {
    let own = settings.variable(program.variable()).map(PathBuf::from);
    let assets = settings
        .variable("KUBEBUILDER_ASSETS")
        .filter(|_| program.is_in_envtest())
        .map(|folder| Path::new(folder).join(program.name()));
    let (variable, path) = match (own, assets) {
        (Some(path), _) => (program.variable(), path),
        (None, Some(path)) => ("KUBEBUILDER_ASSETS", path),
        (None, None) => return Ok(None),
    };
    anyhow::ensure!(
        path.is_file(),
        "{variable} is set, but {} is not there",
        path.display()
    );
    Ok(Some(path))
}

fn cached(program: Program, settings: &Settings) -> anyhow::Result<Option<PathBuf>> {
    let names = program.cached_names()?;
    Ok(names
        .iter()
        .map(|name| settings.cache.join(name))
        .find(|path| path.is_file()))
}

fn on_path(program: Program, settings: &Settings) -> Option<PathBuf> {
    settings
        .path
        .iter()
        .map(|folder| folder.join(program.name()))
        .filter(|path| path.is_file())
        .find(|path| reported_version(path).is_some_and(|version| version >= program.oldest()))
}

fn reported_version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// The first word that starts as a version: `nats-server: v2.12.8`, `etcd Version: 3.6.8`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.strip_prefix('v').unwrap_or(word).split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

/// Held while programs are got, so that a second run waits rather than doing the work again.
fn lock(settings: &Settings, progress: Progress) -> anyhow::Result<File> {
    let cache = &settings.cache;
    std::fs::create_dir_all(cache).with_context(|| format!("make {}", cache.display()))?;
    let path = cache.join("lock");
    let file = File::create(&path).with_context(|| format!("open {}", path.display()))?;
    if file.try_lock().is_err() {
        progress
            .during(
                "waiting for another run that is getting the servers",
                || file.lock(),
            )
            .with_context(|| format!("lock {}", path.display()))?;
    }
    Ok(file)
}

fn get(program: Program, settings: &Settings, progress: Progress) -> anyhow::Result<PathBuf> {
    let not_downloaded = match download::download(program, settings, progress) {
        Ok(path) => return Ok(path),
        Err(error) => format!("not downloaded: {error:#}"),
    };
    progress.say(&format!("{} {not_downloaded}", program.name()));
    build::build(program, settings, progress).with_context(|| {
        format!(
            "{name} is missing: not in {cache}, not on PATH in version {major}.{minor} or newer, \
             {not_downloaded}. To have it, {line}",
            name = program.name(),
            cache = settings.cache.display(),
            major = program.oldest().0,
            minor = program.oldest().1,
            line = program.install_line(),
        )
    })
}

/// The operating system, as Go and the releases call it.
fn go_os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// The processor, as Go and the releases call it.
fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests;
