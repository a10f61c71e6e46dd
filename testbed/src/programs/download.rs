//! Downloads a program from the official releases, checked against their published checksums.
//!
//! `curl` and `tar` do the work; a machine without them, or without a way out, falls through to the
//! build in seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256, Sha512};

use super::program::{ENVTEST_VERSION, Program, go_arch, go_os};
use super::settings::Settings;
use crate::Progress;

/// Long enough for a slow proxy, short enough for a machine without a way out.
const CONNECT_SECONDS: &str = "5";

/// Below this many bytes a second for [`STALL_SECONDS`], a download is given up.
const STALL_BYTES: &str = "10000";
const STALL_SECONDS: &str = "20";

/// An archive of a release and what it must hash to.
struct Archive {
    url: String,
    checksum: Checksum,
}

/// A published checksum, in hexadecimal.
#[derive(Debug, Eq, PartialEq)]
enum Checksum {
    Sha256(String),
    Sha512(String),
}

/// Downloads `program` into the cache.
pub(super) fn download(
    program: Program,
    settings: &Settings,
    progress: Progress,
) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(!settings.offline, "TIPHYS_OFFLINE is set");
    let folder = tempfile::tempdir_in(&settings.cache).context("make a folder for the download")?;
    let (archive, wanted) = if program.is_in_envtest() {
        let version = format!("envtest-{ENVTEST_VERSION}");
        let wanted = [Program::Etcd, Program::KubeApiserver];
        let wanted = wanted.map(|each| (each, each.cached_name(&version)));
        (envtest_archive(settings)?, wanted.to_vec())
    } else {
        let version = program.version()?;
        let name = program.cached_name(&version);
        (nats_archive(&version, settings)?, vec![(program, name)])
    };
    let file = folder.path().join("archive.tar.gz");
    progress.during(&format!("downloading {}", archive.url), || {
        fetch_file(&archive.url, &file)
    })?;
    archive.checksum.verify(&file)?;
    unpack(&file, folder.path())?;
    for (each, name) in &wanted {
        let found = find(folder.path(), each.name())
            .with_context(|| format!("{} has no {}", archive.url, each.name()))?;
        fs::rename(&found, settings.cache.join(name)).context("move it into the cache")?;
    }
    super::cached(program, settings)?.context("the archive did not have it")
}

fn envtest_archive(settings: &Settings) -> anyhow::Result<Archive> {
    let release = format!("envtest-{ENVTEST_VERSION}");
    let name = format!("{release}-{}-{}.tar.gz", go_os(), go_arch());
    let index = fetch_text(&settings.envtest_index)?;
    let checksum = envtest_checksum(&index, &name)
        .with_context(|| format!("{} has no checksum of {name}", settings.envtest_index))?;
    Ok(Archive {
        url: format!("{}/{release}/{name}", settings.envtest_releases),
        checksum,
    })
}

fn nats_archive(version: &str, settings: &Settings) -> anyhow::Result<Archive> {
    let base = format!("{}/{version}", settings.nats_releases);
    let name = format!("nats-server-{version}-{}-{}.tar.gz", go_os(), go_arch());
    let sums = fetch_text(&format!("{base}/SHA256SUMS"))?;
    let checksum = nats_checksum(&sums, &name)
        .with_context(|| format!("{base}/SHA256SUMS has no checksum of {name}"))?;
    Ok(Archive {
        url: format!("{base}/{name}"),
        checksum,
    })
}

/// In the index, the line after the archive's name that starts with `hash:`.
fn envtest_checksum(index: &str, name: &str) -> Option<Checksum> {
    let mut lines = index.lines().map(str::trim);
    lines.find(|line| line.strip_suffix(':') == Some(name))?;
    let hash = lines.next()?.strip_prefix("hash:")?.trim();
    Some(Checksum::Sha512(hash.to_owned()))
}

/// Lines of a checksum and a file name.
fn nats_checksum(sums: &str, name: &str) -> Option<Checksum> {
    sums.lines()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .find(|(_, file)| file.trim_start_matches([' ', '*']) == name)
        .map(|(hash, _)| Checksum::Sha256(hash.to_owned()))
}

impl Checksum {
    fn verify(&self, file: &Path) -> anyhow::Result<()> {
        let bytes = fs::read(file).context("read the archive")?;
        let (wanted, got) = match self {
            Self::Sha256(wanted) => (wanted, format!("{:x}", Sha256::digest(&bytes))),
            Self::Sha512(wanted) => (wanted, format!("{:x}", Sha512::digest(&bytes))),
        };
        anyhow::ensure!(
            wanted.eq_ignore_ascii_case(&got),
            "checksum {got} instead of {wanted}"
        );
        Ok(())
    }
}

fn fetch_text(url: &str) -> anyhow::Result<String> {
    let output = run(curl(url), &format!("fetch {url}"))?;
    String::from_utf8(output).with_context(|| format!("read {url}"))
}

fn fetch_file(url: &str, file: &Path) -> anyhow::Result<()> {
    let mut command = curl(url);
    command.arg("--output").arg(file);
    run(command, &format!("fetch {url}")).map(drop)
}

fn curl(url: &str) -> Command {
    let mut command = Command::new("curl");
    command
        .args(["--fail", "--silent", "--show-error", "--location"])
        .args(["--connect-timeout", CONNECT_SECONDS])
        .args(["--speed-limit", STALL_BYTES, "--speed-time", STALL_SECONDS])
        .arg(url);
    command
}

fn unpack(archive: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("tar");
    command.arg("-xzf").arg(archive).arg("-C").arg(folder);
    run(command, "unpack the archive").map(drop)
}

fn run(mut command: Command, what: &str) -> anyhow::Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{what}: run `{program}`"))?;
    anyhow::ensure!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}

/// The archives keep their programs one or two folders deep.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    let here = entries
        .iter()
        .find(|path| path.is_file() && path.ends_with(name))
        .cloned();
    here.or_else(|| {
        entries
            .iter()
            .filter(|path| path.is_dir())
            .find_map(|path| find(path, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envtest_index_gives_the_checksum_of_one_archive() {
        let index = "releases:\n  v1.35.0:\n    envtest-v1.35.0-darwin-arm64.tar.gz:\n      \
                     hash: aa11\n      selfLink: https://example.com/a\n    \
                     envtest-v1.35.0-linux-amd64.tar.gz:\n      hash: bb22\n";
        let found = envtest_checksum(index, "envtest-v1.35.0-linux-amd64.tar.gz");
        assert_eq!(found, Some(Checksum::Sha512("bb22".to_owned())));
        assert_eq!(
            envtest_checksum(index, "envtest-v1.35.0-linux-s390x.tar.gz"),
            None
        );
    }

    #[test]
    fn the_nats_sums_give_the_checksum_of_one_archive() {
        let sums = "aa11  nats-server-v2.12.8-linux-386.tar.gz\n\
                    bb22  nats-server-v2.12.8-linux-amd64.tar.gz\n";
        let found = nats_checksum(sums, "nats-server-v2.12.8-linux-amd64.tar.gz");
        assert_eq!(found, Some(Checksum::Sha256("bb22".to_owned())));
        assert_eq!(
            nats_checksum(sums, "nats-server-v2.12.8-darwin-arm64.tar.gz"),
            None
        );
    }

    #[test]
    fn a_file_with_another_checksum_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "abc").unwrap();
        let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        Checksum::Sha256(right.to_owned()).verify(&file).unwrap();
        assert!(Checksum::Sha256("00".to_owned()).verify(&file).is_err());
    }
}
