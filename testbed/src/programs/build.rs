//! Builds a program with Go from `tests/servers/go.mod`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::program::Program;
use super::settings::Settings;
use crate::Progress;

/// Builds `program` into the cache.
pub(super) fn build(
    program: Program,
    settings: &Settings,
    progress: Progress,
) -> anyhow::Result<PathBuf> {
    let version = program.version()?;
    let target = settings.cache.join(program.cached_name(&version));
    // A build that is killed half-way must not leave something that looks like the program.
    let folder = tempfile::tempdir_in(&settings.cache).context("make a folder for the build")?;
    let fresh = folder.path().join(program.name());
    let title = format!(
        "building {} {version} with Go ({})",
        program.name(),
        usual_time(program)
    );
    let output = progress
        .during(&title, || {
            go_build(program, &version, settings, &fresh).output()
        })
        .context("run `go`")?;
    anyhow::ensure!(
        output.status.success(),
        "`go build` of {} failed ({}):\n{}",
        program.name(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    std::fs::rename(&fresh, &target).with_context(|| format!("move to {}", target.display()))?;
    Ok(target)
}

fn go_build(program: Program, version: &str, settings: &Settings, output: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .arg("build")
        .arg("-C")
        .arg(&settings.go_module)
        .args(["-trimpath", "-buildvcs=false", "-ldflags"])
        .arg(linker_flags(program, version))
        .arg("-o")
        .arg(output)
        .arg(program.package())
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .stdin(Stdio::null());
    command
}

/// Kubernetes learns its version from the linker; without it, it calls itself v0.0.0 and clients
/// take it for a server older than anything they support.
fn linker_flags(program: Program, version: &str) -> String {
    let stripped = "-s -w";
    if !program.is_of_kubernetes() {
        return stripped.to_owned();
    }
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    let package = "k8s.io/component-base/version";
    format!(
        "{stripped} -X {package}.gitVersion={version} -X {package}.gitMajor={major} \
         -X {package}.gitMinor={minor}"
    )
}

/// On two processors, with nothing built before.
fn usual_time(program: Program) -> &'static str {
    match program {
        Program::KubeApiserver => "about 4 minutes",
        Program::Etcd | Program::KubeControllerManager | Program::Coredns => "about a minute",
        Program::Pause | Program::Podrm | Program::BusClient => "some seconds",
        _ => "about half a minute",
    }
}
