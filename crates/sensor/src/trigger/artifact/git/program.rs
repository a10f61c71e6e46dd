//! Runs the `git` program: without a shell, with bounded output, and with all that it starts until it ends.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::NamedTempFile;
use tiphys_clients::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// Ways to a repository; others run programs that a URL names.
const PROTOCOLS: &str = "file:git:http:https:ssh";

/// How much of what the program prints is kept: an object, and some lines of complaints.
const OUTPUT: u64 = 2 << 20;
const COMPLAINT: u64 = 16 << 10;

/// What the program keeps to: large files are not unfolded in memory, what is fetched stays packed, and
/// nothing is tidied up in the background.
const MANNERS: [(&str, &str); 4] = [
    ("core.bigFileThreshold", "2m"),
    ("fetch.unpackLimit", "1"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
];

/// What the `git` program gets besides its arguments.
#[derive(Default)]
pub(super) struct Setting {
    pub(super) variables: Vec<(&'static str, OsString)>,
    pub(super) config: Vec<(String, String)>,
    /// The token in them that was given to a GitHub App.
    pub(super) token: Option<String>,
    /// Removed when the program has ended.
    pub(super) key: Option<NamedTempFile>,
}

/// What became of a program.
pub(super) enum Ran {
    /// It has printed this.
    Well(Vec<u8>),
    /// It has failed, and said this.
    Complained(String),
    /// It was stopped, with all that it has started.
    Stopped(Stop),
}

/// Why a program is stopped.
pub(super) enum Stop {
    TooLong,
    TooLarge,
}

/// A program with all that it has started: they end together, for what goes on writing would outlive the
/// folder.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn end(&mut self) {
        if let Some(group) = self.0.take() {
            // It may have ended by itself.
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs `git` on what is already here.
pub(super) async fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, Error> {
    let never = std::future::pending();
    match run(folder, arguments, &Setting::default(), never).await? {
        Ran::Well(output) => Ok(output),
        Ran::Complained(message) => Err(Error::refused(format!("git {}: {message}", arguments[0]))),
        Ran::Stopped(_) => Err(Error::unavailable(format!(
            "git {}: it was stopped",
            arguments[0]
        ))),
    }
}

/// Runs `git`, unless `stop` resolves before it has ended.
pub(super) async fn run(
    folder: &Path,
    arguments: &[&str],
    setting: &Setting,
    stop: impl Future<Output = Stop>,
) -> Result<Ran, Error> {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("GIT_DIR")
        .env("HOME", folder)
        .env("LC_ALL", "C")
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs(setting.variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let known = setting.config.iter().map(|(key, value)| (&**key, &**value));
    let config: Vec<(&str, &str)> = MANNERS.into_iter().chain(known).collect();
    command.env("GIT_CONFIG_COUNT", config.len().to_string());
    for (index, (key, value)) in config.into_iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    let failed = |error| {
        Error::unavailable(format!("run git: {error}"))
            .with_hint("objects from git need the `git` program in PATH")
    };
    let mut child = command.spawn().map_err(failed)?;
    let mut group = Group::of(&child);
    let (output, complaint) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        tokio::try_join!(
            kept(output, OUTPUT),
            kept(complaint, COMPLAINT),
            child.wait()
        )
    };
    let mut ended = std::pin::pin!(ended);
    let ended = tokio::select! {
        biased;
        ended = &mut ended => ended,
        why = stop => {
            group.end();
            // The pipes are closed when the last of them is gone.
            drop(ended.await);
            return Ok(Ran::Stopped(why));
        }
    };
    let (output, complaint, status) = ended.map_err(failed)?;
    group.0 = None;
    if status.success() {
        return Ok(Ran::Well(output));
    }
    let complaint = String::from_utf8_lossy(&complaint);
    let lines: Vec<&str> = complaint
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    Ok(Ran::Complained(lines.join("; ")))
}

/// Reads a pipe to its end, and keeps at most `limit` bytes.
async fn kept(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(limit).read_to_end(&mut kept).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}
