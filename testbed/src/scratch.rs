//! The folder of a run, and the watchdog that clears up after it however it ends.
//!
//! `Drop` does not run when a test binary is killed, aborted, or ends with a server in a static. The
//! watchdog is a shell that reads a pipe held by this process: the kernel closes the pipe with the
//! process, and the shell then kills what is still running and removes the folder.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

/// Set to keep the folder, with its logs and data, after the run.
const KEEP_VARIABLE: &str = "E2E_KEEP";

/// Reads `watch`, `forget` and `keep` lines until the pipe closes; `$1` is the folder.
///
/// The second `rm` is for a killed server that was still writing during the first one.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM
groups=' '
keep=
while read -r verb value; do
    case $verb in
        watch) groups="$groups$value " ;;
        forget) groups="${groups%% $value *} ${groups#* $value }" ;;
        keep) keep=yes ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group"
done
[ -n "$keep" ] || rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"#;

/// A folder under the system's temporary folder, removed when this is dropped or this process ends.
///
/// With `E2E_KEEP=1` in the environment it stays, and its path is printed.
///
/// # Guarantees
/// No process started in it outlives this process.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    watchdog: Arc<Watchdog>,
    keep: bool,
}

/// The other end of the shell's pipe.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Mutex<Option<(Child, ChildStdin)>>,
}

impl Scratch {
    /// Makes a folder whose name starts with `tiphys-` and `name`.
    ///
    /// # Errors
    /// When the folder cannot be made or its watchdog not started.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let keep = std::env::var_os(KEEP_VARIABLE).is_some_and(|value| !value.is_empty());
        let path = tempfile::Builder::new()
            .prefix(&format!("tiphys-{name}-"))
            .tempdir()
            .context("make a temporary folder")?
            .keep();
        let watchdog = Arc::new(Watchdog::start(&path)?);
        if keep {
            watchdog.tell("keep");
        }
        Ok(Self {
            path,
            watchdog,
            keep,
        })
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into the folder and returns its path.
    ///
    /// Whoever reads it meanwhile sees the old content or the new one, never a part.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, name: &str, content: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        self.replace(&path, content)
            .with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    fn replace(&self, path: &Path, content: &str) -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
        file.write_all(content.as_bytes())?;
        file.persist(path)?;
        Ok(())
    }

    pub(crate) fn watchdog(&self) -> Arc<Watchdog> {
        Arc::clone(&self.watchdog)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.watchdog.release();
        if self.keep {
            eprintln!("{KEEP_VARIABLE} is set: {} stays", self.path.display());
        }
    }
}

impl Watchdog {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("start the watchdog shell")?;
        let pipe = shell
            .stdin
            .take()
            .context("take the watchdog's standard input")?;
        Ok(Self {
            shell: Mutex::new(Some((shell, pipe))),
        })
    }

    /// From here on the process group `id` is killed when this process ends.
    pub(crate) fn watch(&self, id: u32) {
        self.tell(&format!("watch {id}"));
    }

    /// The process group `id` has ended; its number may be given to somebody else.
    pub(crate) fn forget(&self, id: u32) {
        self.tell(&format!("forget {id}"));
    }

    fn tell(&self, line: &str) {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pipe)) = shell.as_mut() {
            // A watchdog that somebody killed cannot be told; the drops still clear up.
            drop(writeln!(pipe, "{line}"));
        }
    }

    /// Lets the shell do its work and waits until it is done.
    fn release(&self) {
        let shell = self
            .shell
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((mut child, pipe)) = shell {
            drop(pipe);
            drop(child.wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_gone_after_a_drop() {
        let scratch = Scratch::new("unit").unwrap();
        let file = scratch.write("a.txt", "a").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a");
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
    }
}
