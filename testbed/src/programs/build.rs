//! Builds programs with Go from `tests/servers/go.mod`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::program::Program;
use super::settings::Settings;
use crate::Progress;

/// Builds `programs` into the cache, all at once: most of their packages are the same, and while one is
/// linked on one core, others are compiled on the rest.
pub(super) fn build(
    programs: &[Program],
    settings: &Settings,
    progress: Progress,
) -> anyhow::Result<()> {
    // A build that is killed half-way must not leave something that looks like a program.
    let folder = tempfile::tempdir_in(&settings.cache).context("make a folder for the build")?;
    let mut names = Vec::new();
    for program in programs {
        names.push(format!("{} {}", program.name(), program.version()?));
    }
    let names = names.join(", ");
    let title = format!("building {names} with Go ({})", usual_time(programs));
    let mut build = go_build(programs, settings, folder.path())?;
    let output = progress
        .during(&title, || build.output())
        .context("run `go`")?;
    anyhow::ensure!(
        output.status.success(),
        "`go build` of {names} failed ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    for program in programs {
        let fresh = folder.path().join(program.built_name());
        let target = settings
            .cache
            .join(program.cached_name(&program.version()?));
        std::fs::rename(&fresh, &target)
            .with_context(|| format!("move to {}", target.display()))?;
    }
    Ok(())
}

fn go_build(programs: &[Program], settings: &Settings, folder: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("go");
    command
        .arg("build")
        .arg("-C")
        .arg(&settings.go_module)
        .args(["-trimpath", "-buildvcs=false", "-ldflags"])
        .arg(linker_flags(programs)?)
        .arg("-o")
        // A folder, in which each program gets the name of its package.
        .arg(format!("{}/", folder.display()))
        .args(programs.iter().map(|program| program.package()))
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .stdin(Stdio::null());
    Ok(command)
}

/// Kubernetes learns its version from the linker; without it, it calls itself v0.0.0 and clients
/// take it for a server older than anything they support.
fn linker_flags(programs: &[Program]) -> anyhow::Result<String> {
    let stripped = "-s -w";
    let mut programs = programs.iter();
    let Some(program) = programs.find(|program| program.is_of_kubernetes()) else {
        return Ok(stripped.to_owned());
    };
    let version = program.version()?;
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    let package = "k8s.io/component-base/version";
    Ok(format!(
        "{stripped} -X {package}.gitVersion={version} -X {package}.gitMajor={major} \
         -X {package}.gitMinor={minor}"
    ))
}

/// On two processors, with nothing built before.
fn usual_time(programs: &[Program]) -> &'static str {
    let builds = |wanted| programs.contains(&wanted);
    if builds(Program::Kubelet) {
        "about 8 minutes"
    } else if builds(Program::KubeApiserver) {
        "about 4 minutes"
    } else if builds(Program::Etcd) || builds(Program::Coredns) {
        "about a minute"
    } else {
        "about half a minute"
    }
}
