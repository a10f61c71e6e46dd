//! Packages of Debian and its kin, downloaded by `apt-get`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::run;

/// Where a distribution says which one it is.
const RELEASE: &str = "/etc/os-release";

/// What the release of this machine calls itself.
pub(super) fn release() -> String {
    let release = fs::read_to_string(RELEASE).unwrap_or_default();
    release_name(&release).to_owned()
}

/// Downloads packages, with those that they need and that are missing here, and unpacks them at `root`.
pub(super) fn get(wanted: &[&str], folder: &Path, root: &Path) -> anyhow::Result<()> {
    let packages = folder.join("packages");
    fs::create_dir_all(packages.join("partial")).context("make a folder")?;
    // There is nothing to unpack if all of them are installed.
    fs::create_dir_all(root.join("usr/lib")).context("make a folder")?;
    let mut download = Command::new("apt-get");
    download
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(["--download-only", "-o", "Debug::NoLocking=1", "-o"])
        .arg(format!("Dir::Cache::Archives={}", packages.display()))
        .args(wanted);
    run(&mut download).or_else(|_| {
        // A machine may not have asked yet which packages there are, or long ago.
        run(Command::new("apt-get").args(["update", "--quiet"]))?;
        run(&mut download)
    })?;
    for entry in fs::read_dir(&packages).context("list the packages")? {
        let package = entry.context("list the packages")?.path();
        if package
            .extension()
            .is_some_and(|extension| extension == "deb")
        {
            run(Command::new("dpkg-deb").arg("-x").arg(package).arg(root))?;
        }
    }
    Ok(())
}

/// Erlang has its own place written into its scripts.
pub(super) fn relocate_erlang(root: &Path) -> anyhow::Result<()> {
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

/// Starts a program with the libraries and programs that came with it.
pub(super) fn script(root: &Path, program: &str) -> anyhow::Result<String> {
    let program = root.join(program);
    anyhow::ensure!(program.is_file(), "there is no {}", program.display());
    start(root, &program, "")
}

/// Starts `sshd`, which may be installed already, with the libraries that say who it is.
pub(super) fn sshd(root: &Path) -> anyhow::Result<String> {
    let unpacked = root.join("usr/sbin/sshd");
    let program = if unpacked.is_file() {
        unpacked
    } else {
        PathBuf::from("/usr/sbin/sshd")
    };
    let libraries = "export LD_PRELOAD='libnss_wrapper.so libuid_wrapper.so'\n";
    start(root, &program, libraries)
}

fn start(root: &Path, program: &Path, more: &str) -> anyhow::Result<String> {
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
         {more}\
         exec '{}' \"$@\"\n",
        program.display()
    ))
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
