//! What objects from git repositories need: `git` with its way to web servers, `ssh`, and the shell that git hands
//! commands to. All of it, with its libraries, is that of the machine that packs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::archive::Layer;
use super::content::{add, libraries, read};

/// Where git of every distribution looks for its parts, once it is told.
const PARTS: &str = "usr/lib/git-core";

/// The programs and their libraries.
pub(super) fn layer() -> anyhow::Result<Layer> {
    let parts = output(Command::new("git").arg("--exec-path"))?;
    let parts = Path::new(parts.trim());
    let web = parts.join("git-remote-http");
    let programs = [
        (found("git")?, "usr/bin/git"),
        (web.clone(), &format!("{PARTS}/git-remote-http")),
        (web, &format!("{PARTS}/git-remote-https")),
        (found("ssh")?, "usr/bin/ssh"),
        (found("sh")?, "bin/sh"),
    ];
    let mut layer = Layer::new();
    for (program, place) in programs {
        add(&mut layer, place, 0o755, read(&program)?);
        for library in libraries(&program)? {
            let content = read(&library)?;
            add(&mut layer, &library.to_string_lossy(), 0o755, content);
        }
    }
    Ok(layer)
}

/// Where the shell would find a program.
fn found(program: &str) -> anyhow::Result<PathBuf> {
    let found = output(Command::new("sh").args(["-c", &format!("command -v {program}")]));
    let found = found.with_context(|| format!("no `{program}` here: install it"))?;
    Ok(PathBuf::from(found.trim()))
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("run `{program}`"))?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "`{program}` failed: {}",
        error.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::image::archive::Entry;
    use crate::image::content::texts;

    fn unpack(layer: &Layer, root: &Path) {
        for (path, entry) in layer {
            let path = root.join(path);
            match entry {
                Entry::Folder { .. } => fs::create_dir_all(path).unwrap(),
                Entry::File { mode, content } => {
                    fs::write(&path, content).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                }
            }
        }
    }

    /// Runs a program with the layer as all that there is.
    fn run(root: &Path, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("unshare")
            .args(["--map-root-user", "--root"])
            .arg(root)
            .args(arguments)
            .env_clear()
            .env("PATH", "/:/usr/bin")
            .env("HOME", "/tmp")
            .output()
            .unwrap();
        let texts = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&texts).into_owned();
        (output.status.success(), text)
    }

    #[test]
    fn git_has_all_that_it_needs() {
        let root = tempfile::tempdir().unwrap();
        let mut files = layer().unwrap();
        for (path, text) in texts() {
            add(&mut files, path, 0o644, text.into_bytes());
        }
        unpack(&files, root.path());
        fs::create_dir(root.path().join("tmp")).unwrap();
        // Containers have it.
        fs::create_dir(root.path().join("dev")).unwrap();
        fs::write(root.path().join("dev/null"), "").unwrap();
        let (is_well, said) = run(root.path(), &["git", "--version"]);
        assert!(is_well && said.starts_with("git version"), "{said}");
        let (is_well, said) = run(root.path(), &["ssh", "-V"]);
        assert!(is_well && said.starts_with("OpenSSH"), "{said}");
        // Nobody is there: what says so is git's part for web servers.
        let address = "https://127.0.0.1:9/manifests.git";
        let (_, said) = run(root.path(), &["git", "ls-remote", address]);
        assert!(
            said.contains("Failed to connect to 127.0.0.1 port 9"),
            "{said}"
        );
        // A program for an editor, or a login, is run by the shell.
        let greeting = ["git", "-c", "alias.greet=!echo \"hello $0\"", "greet"];
        let (is_well, said) = run(root.path(), &greeting);
        assert!(is_well && said.starts_with("hello "), "{said}");
    }
}
