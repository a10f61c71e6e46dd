//! Files of git repositories, by the `git` program.
//!
//! Each ref is fetched without its history into a bare repository of its own that lives as long as
//! the process, and the file is read from there: no work tree, nothing left behind. Who asks for a
//! ref that was fetched a moment ago gets that.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tempfile::{NamedTempFile, TempDir};
use tiphys_clients::Error;
use tiphys_clients::values::Values;
use tokio::process::Command;

use super::fetch::without_login;
use super::{GitFile, GitLogin, GitRef};

/// How long a fetched ref is not asked for again: many firings make one call.
const FRESH: Duration = Duration::from_secs(5);

/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_mins(2);

/// Ways to a repository; others run programs that a URL names.
const PROTOCOLS: &str = "file:git:http:https:ssh";

/// The repositories that were fetched from.
#[derive(Debug)]
pub(super) struct Repositories {
    values: Arc<dyn Values>,
    folder: OnceLock<Arc<TempDir>>,
    known: Mutex<HashMap<Fetch, Arc<Repository>>>,
}

/// What is fetched from where, as whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Fetch {
    url: String,
    reference: GitRef,
    login: Option<GitLogin>,
}

/// A bare repository for one ref.
#[derive(Debug)]
struct Repository {
    folder: PathBuf,
    /// Locked while it is fetched.
    last: tokio::sync::Mutex<Option<Fetched>>,
}

/// A commit in the repository.
#[derive(Debug, Clone)]
struct Fetched {
    commit: String,
    at: Instant,
}

/// What the `git` program gets besides its arguments.
#[derive(Default)]
struct Setting {
    variables: Vec<(&'static str, OsString)>,
    config: Vec<(String, String)>,
    /// Removed when the program has ended.
    key: Option<NamedTempFile>,
}

impl Repositories {
    pub(super) fn new(values: Arc<dyn Values>) -> Self {
        Self {
            values,
            folder: OnceLock::new(),
            known: Mutex::default(),
        }
    }

    /// Reads a file of at most `limit` bytes.
    pub(super) async fn read(&self, file: &GitFile, limit: usize) -> Result<Vec<u8>, Error> {
        let fetch = Fetch {
            url: file.url.clone(),
            reference: file.reference.clone(),
            login: file.login.clone(),
        };
        let repository = self.repository(&fetch)?;
        let folder = repository.folder.as_path();
        let commit = self.commit(&fetch, &repository).await?;
        let refuse = |message: &str| Error::refused(format!("{} {message}", file.path));
        let entry = git(folder, &["ls-tree", "-z", "-l", &commit, "--", &file.path]).await?;
        let entry = String::from_utf8_lossy(&entry).into_owned();
        let words: Vec<&str> = entry.split_whitespace().take(4).collect();
        let [mode, kind, blob, size] = words.as_slice() else {
            return Err(refuse(&format!("is not in commit {commit}")));
        };
        if *kind != "blob" || *mode == "120000" {
            return Err(refuse("is no file"));
        }
        if size.parse::<usize>().is_ok_and(|size| size > limit) {
            return Err(refuse(&format!("has more than {limit} bytes")));
        }
        git(folder, &["cat-file", "blob", blob]).await
    }

    fn repository(&self, fetch: &Fetch) -> Result<Arc<Repository>, Error> {
        let folder = self.folder()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = folder.path().join(known.len().to_string());
        let repository = || {
            Arc::new(Repository {
                folder,
                last: tokio::sync::Mutex::default(),
            })
        };
        Ok(Arc::clone(
            known.entry(fetch.clone()).or_insert_with(repository),
        ))
    }

    /// The folder of all repositories.
    fn folder(&self) -> Result<Arc<TempDir>, Error> {
        if let Some(folder) = self.folder.get() {
            return Ok(Arc::clone(folder));
        }
        let folder = tempfile::Builder::new().prefix("tiphys-git-").tempdir();
        let folder = folder
            .map_err(|error| Error::unavailable(format!("make a folder for git: {error}")))?;
        Ok(Arc::clone(self.folder.get_or_init(|| Arc::new(folder))))
    }

    /// The commit that a ref names, which is in the repository then.
    async fn commit(&self, fetch: &Fetch, repository: &Repository) -> Result<String, Error> {
        let folder = repository.folder.as_path();
        let mut last = repository.last.lock().await;
        if let Some(known) = last.as_ref().filter(|known| fetch.stays(known)) {
            return Ok(known.commit.clone());
        }
        if !folder.join("HEAD").exists() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::unavailable(format!("make a folder for git: {error}")))?;
            git(folder, &["init", "--bare", "--quiet", "."]).await?;
        }
        let commit = self.fetch(fetch, folder).await?;
        *last = Some(Fetched {
            commit: commit.clone(),
            at: Instant::now(),
        });
        Ok(commit)
    }

    async fn fetch(&self, fetch: &Fetch, folder: &Path) -> Result<String, Error> {
        let setting = self.setting(fetch).await?;
        let names: Vec<String> = match &fetch.reference {
            GitRef::Default => vec!["refs/heads/master".to_owned(), "HEAD".to_owned()],
            GitRef::Branch(name) => vec![format!("refs/heads/{name}")],
            GitRef::Tag(name) => vec![format!("refs/tags/{name}")],
            GitRef::Ref(name) => vec![name.clone()],
        };
        let act = format!("fetch {} of {}", names[0], without_login(&fetch.url));
        let mut missing = String::new();
        for name in &names {
            let arguments = [
                "fetch",
                "--quiet",
                "--depth",
                "1",
                "--no-tags",
                "--",
                &fetch.url,
                name,
            ];
            let run = run(folder, &arguments, &setting);
            let result = tokio::time::timeout(FETCH_TIMEOUT, run)
                .await
                .map_err(|_| {
                    Error::unavailable(format!("{act}: no answer in {} s", FETCH_TIMEOUT.as_secs()))
                })?;
            match result? {
                Ok(_) => {
                    let text =
                        git(folder, &["rev-parse", "--verify", "FETCH_HEAD^{commit}"]).await?;
                    return Ok(String::from_utf8_lossy(&text).trim().to_owned());
                }
                Err(message) if is_missing(&message) => missing = message,
                Err(message) => {
                    return Err(Error::unavailable(format!("{act}: {message}"))
                        .with_hint("does the URL exist, and may the login read it?"));
                }
            }
        }
        Err(Error::refused(format!("{act}: {missing}")))
    }

    /// Hands the login to the program: never as an argument, which others could see.
    async fn setting(&self, fetch: &Fetch) -> Result<Setting, Error> {
        let mut setting = Setting::default();
        match &fetch.login {
            None => {}
            Some(GitLogin::Basic { username, password }) => {
                setting.variables = vec![
                    (
                        "TIPHYS_GIT_USERNAME",
                        self.values.find(username).await?.text().into(),
                    ),
                    (
                        "TIPHYS_GIT_PASSWORD",
                        self.values.find(password).await?.text().into(),
                    ),
                ];
                let answer = "!f() { test \"$1\" = get && \
                    printf 'username=%s\\npassword=%s\\n' \
                    \"$TIPHYS_GIT_USERNAME\" \"$TIPHYS_GIT_PASSWORD\"; }; f";
                // Only the repository's own server is given the password.
                let server = server(&fetch.url);
                setting.config = vec![(format!("credential.{server}.helper"), answer.to_owned())];
            }
            Some(GitLogin::Ssh {
                private_key,
                insecure_ignore_host_key,
            }) => {
                let key = self.values.find(private_key).await?;
                let file = key_file(key.bytes())
                    .map_err(|error| Error::unavailable(format!("write the SSH key: {error}")))?;
                let hosts = if *insecure_ignore_host_key {
                    "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
                } else {
                    "-o StrictHostKeyChecking=yes"
                };
                let command = format!(
                    "ssh -i '{}' -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 {hosts}",
                    file.path().display()
                );
                setting.variables = vec![("GIT_SSH_COMMAND", command.into())];
                setting.key = Some(file);
            }
        }
        Ok(setting)
    }
}

impl Fetch {
    /// Whether a ref that was fetched needs no fetching again: a commit never does.
    fn stays(&self, known: &Fetched) -> bool {
        let is_commit = matches!(&self.reference, GitRef::Ref(name) if *name == known.commit);
        is_commit || known.at.elapsed() < FRESH
    }
}

/// A private key in a file that only this user can read, with the line break at its end that `ssh`
/// insists on.
fn key_file(key: &[u8]) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("tiphys-key-").tempfile()?;
    file.write_all(key)?;
    file.write_all(b"\n")?;
    file.flush()?;
    Ok(file)
}

/// Scheme and host of a URL.
fn server(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split('/').next().unwrap_or_default();
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}")
        }
        None => url.to_owned(),
    }
}

fn is_missing(message: &str) -> bool {
    message.contains("couldn't find remote ref") || message.contains("not our ref")
}

/// Runs `git` on what is already here.
async fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, Error> {
    let result = run(folder, arguments, &Setting::default()).await?;
    result.map_err(|message| Error::refused(format!("git {}: {message}", arguments[0])))
}

/// Runs `git`; what it complains about is the inner error.
async fn run(
    folder: &Path,
    arguments: &[&str],
    setting: &Setting,
) -> Result<Result<Vec<u8>, String>, Error> {
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
        .env("GIT_CONFIG_COUNT", setting.config.len().to_string())
        .envs(setting.variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for (index, (key, value)) in setting.config.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    let output = command.output().await.map_err(|error| {
        Error::unavailable(format!("run git: {error}"))
            .with_hint("objects from git need the `git` program in PATH")
    })?;
    if output.status.success() {
        return Ok(Ok(output.stdout));
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = complaint
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    Ok(Err(lines.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiphys_clients::values::NoValues;

    fn git_here(folder: &Path, arguments: &[&str]) {
        let status = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    fn file(repository: &Path, reference: GitRef, path: &str) -> GitFile {
        let url = format!("file://{}", repository.display());
        GitFile {
            url,
            reference,
            path: path.into(),
            login: None,
        }
    }

    #[tokio::test]
    async fn a_file_is_read_at_a_branch_a_tag_and_a_commit() {
        let origin = tempfile::tempdir().unwrap();
        let at = origin.path();
        git_here(at, &["init", "--quiet", "-b", "main", "."]);
        std::fs::write(at.join("job.yaml"), "one").unwrap();
        std::os::unix::fs::symlink("job.yaml", at.join("link.yaml")).unwrap();
        git_here(at, &["add", "."]);
        git_here(at, &["commit", "--quiet", "-m", "one"]);
        git_here(at, &["tag", "-a", "v1", "-m", "v1"]);
        std::fs::write(at.join("job.yaml"), "two").unwrap();
        git_here(at, &["commit", "--quiet", "-am", "two"]);

        let repositories = Repositories::new(Arc::new(NoValues));
        for (reference, expected) in [
            (GitRef::Default, "two"),
            (GitRef::Branch("main".into()), "two"),
            (GitRef::Tag("v1".into()), "one"),
            (GitRef::Ref("refs/tags/v1".into()), "one"),
        ] {
            let read = repositories
                .read(&file(at, reference, "job.yaml"), 10)
                .await
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&read), expected);
        }
        for (reference, path) in [
            (GitRef::Branch("other".into()), "job.yaml"),
            (GitRef::Default, "other.yaml"),
            (GitRef::Default, "link.yaml"),
        ] {
            let error = repositories
                .read(&file(at, reference, path), 10)
                .await
                .unwrap_err();
            assert!(matches!(error, Error::Refused(_)), "{path}: {error}");
        }
        let too_long = repositories
            .read(&file(at, GitRef::Default, "job.yaml"), 2)
            .await;
        assert!(matches!(too_long, Err(Error::Refused(_))));
        let gone = repositories
            .read(&file(&at.join("gone"), GitRef::Default, "x"), 10)
            .await;
        assert!(matches!(gone, Err(Error::Unavailable { .. })), "{gone:?}");
    }
}
