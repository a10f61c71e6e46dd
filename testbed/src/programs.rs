//! Where the server programs are, and how a missing one is got.
//!
//! The order: named by the environment, in the cache folder, on `PATH`, downloaded from the
//! official releases, built by Go from `tests/servers/go.mod`. What was got once stays in the cache
//! under its version; runs at the same time wait for each other. A program that cannot be got is an
//! error with the line that installs it, never a reason to skip a test.

mod broker;
mod build;
mod download;
mod maven;
mod node;
mod program;
mod settings;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::Progress;
pub use broker::Broker;
pub use node::NodePrograms;
use program::Program;
use settings::Settings;

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

impl Programs {
    /// Finds the programs, and gets the missing ones.
    ///
    /// # Errors
    /// When one can neither be found nor got: with each attempt and the line that installs it.
    pub fn locate(progress: Progress) -> anyhow::Result<Self> {
        Self::locate_with(&Settings::from_environment()?, progress)
    }

    /// The environment variables that make [`Programs::locate`] find these programs at once.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let programs = [
            (Program::Etcd, &self.etcd),
            (Program::KubeApiserver, &self.kube_apiserver),
            (Program::NatsServer, &self.nats_server),
        ];
        programs
            .into_iter()
            .filter_map(|(program, path)| Some((program.variable()?, path.as_path())))
    }

    fn locate_with(settings: &Settings, progress: Progress) -> anyhow::Result<Self> {
        let all = [Program::Etcd, Program::KubeApiserver, Program::NatsServer];
        let [etcd, kube_apiserver, nats_server] = locate(all, settings, progress)?;
        Ok(Self {
            etcd,
            kube_apiserver,
            nats_server,
        })
    }
}

/// Finds NATS alone, or gets it: where somebody else brings the control plane.
///
/// # Errors
/// When it can neither be found nor got: with each attempt and the line that installs it.
pub fn nats_server(progress: Progress) -> anyhow::Result<PathBuf> {
    let [program] = locate(
        [Program::NatsServer],
        &Settings::from_environment()?,
        progress,
    )?;
    Ok(program)
}

/// Finds the program that speaks to a bus with the libraries of Argo Events, or builds it.
///
/// # Errors
/// When it cannot be built: with the line that installs what is missing.
pub fn bus_client(progress: Progress) -> anyhow::Result<PathBuf> {
    let [program] = cached_or_got(
        [Program::BusClient],
        &Settings::from_environment()?,
        progress,
    )?;
    Ok(program)
}

fn locate<const N: usize>(
    programs: [Program; N],
    settings: &Settings,
    progress: Progress,
) -> anyhow::Result<[PathBuf; N]> {
    let find = |program| match named_by_environment(program, settings)? {
        Some(path) => Ok(Some(path)),
        None => Ok(cached(program, settings)?.or_else(|| on_path(program, settings))),
    };
    complete(programs, find, settings, progress)
}

fn cached_or_got<const N: usize>(
    programs: [Program; N],
    settings: &Settings,
    progress: Progress,
) -> anyhow::Result<[PathBuf; N]> {
    complete(
        programs,
        |program| cached(program, settings),
        settings,
        progress,
    )
}

/// The programs that `find` finds, and the others from the cache, once they are got together: what
/// several of them are made from is built once.
fn complete<const N: usize>(
    programs: [Program; N],
    find: impl Fn(Program) -> anyhow::Result<Option<PathBuf>>,
    settings: &Settings,
    progress: Progress,
) -> anyhow::Result<[PathBuf; N]> {
    let is_missing = |program: &Program| Ok(find(*program)?.is_none());
    let missing: Vec<Program> = keep(&programs, is_missing)?;
    if !missing.is_empty() {
        let _lock = lock(settings, progress)?;
        // Whoever held the lock may have got them.
        let is_missing = |program: &Program| Ok(cached(*program, settings)?.is_none());
        get(&keep(&missing, is_missing)?, settings, progress)?;
    }
    let mut paths = programs.map(|_| PathBuf::new());
    for (program, path) in programs.into_iter().zip(&mut paths) {
        let found = match find(program)? {
            Some(found) => Some(found),
            None => cached(program, settings)?,
        };
        *path = found.with_context(|| format!("find {} where it was put", program.name()))?;
    }
    Ok(paths)
}

fn keep(
    programs: &[Program],
    is_wanted: impl Fn(&Program) -> anyhow::Result<bool>,
) -> anyhow::Result<Vec<Program>> {
    let mut kept = Vec::new();
    for program in programs {
        if is_wanted(program)? {
            kept.push(*program);
        }
    }
    Ok(kept)
}

/// A path in the environment is an order: where nothing is there, nothing else is tried.
fn named_by_environment(program: Program, settings: &Settings) -> anyhow::Result<Option<PathBuf>> {
    let Some(variable) = program.variable() else {
        return Ok(None);
    };
    let own = settings.variable(variable).map(PathBuf::from);
    let assets = settings
        .variable("KUBEBUILDER_ASSETS")
        .filter(|_| program.is_in_envtest())
        .map(|folder| Path::new(folder).join(program.name()));
    let (variable, path) = match (own, assets) {
        (Some(path), _) => (variable, path),
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
    let oldest = program.oldest()?;
    settings
        .path
        .iter()
        .map(|folder| folder.join(program.name()))
        .filter(|path| path.is_file())
        .find(|path| reported_version(path).is_some_and(|version| version >= oldest))
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

fn get(programs: &[Program], settings: &Settings, progress: Progress) -> anyhow::Result<()> {
    let mut left = Vec::new();
    let mut faults = Vec::new();
    for program in programs {
        // One archive has two of them.
        if cached(*program, settings)?.is_some() {
            continue;
        }
        let mut tried = vec![format!("not in {}", settings.cache.display())];
        if let Some((major, minor)) = program.oldest() {
            tried.push(format!("not on PATH in version {major}.{minor} or newer"));
            match download::download(*program, settings, progress) {
                Ok(_) => continue,
                Err(error) => {
                    let failure = format!("not downloaded: {error:#}");
                    progress.say(&format!("{} {failure}", program.name()));
                    tried.push(failure);
                }
            }
        }
        left.push(*program);
        faults.push(format!(
            "{} is missing: {}. To have it, {}",
            program.name(),
            tried.join(", "),
            program.install_line()
        ));
    }
    if left.is_empty() {
        return Ok(());
    }
    build::build(&left, settings, progress).with_context(|| faults.join("\n"))
}

#[cfg(test)]
mod tests;
