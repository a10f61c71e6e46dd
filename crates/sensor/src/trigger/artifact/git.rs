//! Files of git repositories, by the `git` program.
//!
//! Each ref is fetched without its history into a bare repository of its own, and the file is read from
//! there: no work tree, nothing left behind. Who asks for a ref that was fetched a moment ago gets that.
//! Repositories are bounded in number and bytes, for refs and URLs may come from events.

mod program;

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::{NamedTempFile, TempDir};
use tiphys_base::Cache;
use tiphys_clients::{Clients, Error};
use tokio::sync::Mutex;

use self::program::{Ran, Setting, Stop, git, run};
use super::fetch::without_login;
use super::{GitFile, GitLogin, GitRef};

/// How long a fetched ref is not asked for again: many firings make one call.
const FRESH: Duration = Duration::from_secs(5);

/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_mins(2);

/// How many bytes a repository may have here: one ref of a large one, without history, has some ten
/// mebibytes.
const LARGEST: u64 = 128 << 20;

/// How many repositories are kept, and how many bytes they have together.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();
const KEPT_BYTES: usize = 256 << 20;

/// How often the size of a repository is looked at while it is fetched.
const LOOK: Duration = Duration::from_millis(100);

/// The repositories that were fetched from. Those that were not used for the longest time are removed.
#[derive(Debug)]
pub(super) struct Repositories {
    clients: Arc<Clients>,
    known: Cache<Fetch, Arc<Repository>>,
    /// Where they are.
    place: PathBuf,
    largest: u64,
    fresh: Duration,
}

/// What is fetched from where, as whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Fetch {
    url: String,
    reference: GitRef,
    login: Option<GitLogin>,
}

/// A bare repository for one ref. Its folder is removed when nobody uses it any more.
#[derive(Debug)]
struct Repository {
    folder: TempDir,
    /// In bytes, after the last fetch.
    size: AtomicUsize,
    /// Locked while it is fetched.
    last: Mutex<Option<Fetched>>,
}

/// A commit in the repository.
#[derive(Debug, Clone)]
struct Fetched {
    commit: String,
    at: Instant,
}

impl Repositories {
    pub(super) fn new(clients: Arc<Clients>) -> Self {
        Self {
            clients,
            known: Cache::within(KEPT, KEPT_BYTES, |repository: &Arc<Repository>| {
                repository.size.load(Ordering::Relaxed)
            }),
            place: std::env::temp_dir(),
            largest: LARGEST,
            fresh: FRESH,
        }
    }

    /// Reads a file of at most `limit` bytes.
    pub(super) async fn read(&self, file: &GitFile, limit: usize) -> Result<Vec<u8>, Error> {
        let fetch = Fetch {
            url: file.url.clone(),
            reference: file.reference.clone(),
            login: file.login.clone(),
        };
        let (repository, commit) = self.fetched(&fetch).await?;
        let folder = repository.folder.path();
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
        if let Some(known) = self.known.get(fetch) {
            return Ok(known);
        }
        let folder = tempfile::Builder::new()
            .prefix("tiphys-git-")
            .tempdir_in(&self.place);
        let folder = folder
            .map_err(|error| Error::unavailable(format!("make a folder for git: {error}")))?;
        let repository = Arc::new(Repository {
            folder,
            size: AtomicUsize::new(0),
            last: Mutex::default(),
        });
        Ok(self.known.get_or_insert(fetch.clone(), repository))
    }

    /// The repository of a ref, and the commit that the ref names, which is in there.
    async fn fetched(&self, fetch: &Fetch) -> Result<(Arc<Repository>, String), Error> {
        loop {
            let repository = self.repository(fetch)?;
            let mut last = repository.last.lock().await;
            if let Some(known) = last.as_ref().filter(|known| fetch.stays(known, self.fresh)) {
                let commit = known.commit.clone();
                drop(last);
                return Ok((repository, commit));
            }
            let folder = repository.folder.path();
            if last.is_none() {
                let init = ["init", "--bare", "--quiet", "--template=", "."];
                git(folder, &init).await?;
            }
            let commit = match self.fetch(fetch, folder).await {
                Ok(Some(commit)) => commit,
                Ok(None) if last.is_some() => {
                    // Earlier commits may have taken the room.
                    self.known.remove(fetch);
                    continue;
                }
                failed => {
                    if last.is_none() {
                        self.known.remove(fetch);
                    }
                    failed?;
                    let (act, limit) = (fetch.act(), self.largest >> 20);
                    let message = format!("{act}: the repository has more than {limit} MiB");
                    return Err(Error::refused(message));
                }
            };
            let at = Instant::now();
            *last = Some(Fetched {
                commit: commit.clone(),
                at,
            });
            drop(last);
            let size = usize::try_from(size_of(folder).await).unwrap_or(usize::MAX);
            repository.size.store(size, Ordering::Relaxed);
            self.known.insert(fetch.clone(), Arc::clone(&repository));
            return Ok((repository, commit));
        }
    }

    /// Fetches a ref; `None`: that took more room than a repository may have.
    async fn fetch(&self, fetch: &Fetch, folder: &Path) -> Result<Option<String>, Error> {
        let setting = self.setting(fetch).await?;
        let act = fetch.act();
        let mut missing = String::new();
        for name in &fetch.names() {
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
            let stop = async {
                tokio::select! {
                    () = tokio::time::sleep(FETCH_TIMEOUT) => Stop::TooLong,
                    () = outgrows(folder, self.largest) => Stop::TooLarge,
                }
            };
            match run(folder, &arguments, &setting, stop).await? {
                Ran::Stopped(Stop::TooLarge) => return Ok(None),
                Ran::Stopped(Stop::TooLong) => {
                    let seconds = FETCH_TIMEOUT.as_secs();
                    let message = format!("{act}: no answer in {seconds} s");
                    return Err(Error::unavailable(message));
                }
                Ran::Well(_) if size_of(folder).await > self.largest => return Ok(None),
                Ran::Well(_) => {
                    let text =
                        git(folder, &["rev-parse", "--verify", "FETCH_HEAD^{commit}"]).await?;
                    return Ok(Some(String::from_utf8_lossy(&text).trim().to_owned()));
                }
                Ran::Complained(message) if is_missing(&message) => missing = message,
                Ran::Complained(message) => {
                    self.forget_refused(fetch, &setting, &message).await;
                    return Err(Error::unavailable(format!("{act}: {message}"))
                        .with_hint("does the URL exist, and may the login read it?"));
                }
            }
        }
        Err(Error::refused(format!("{act}: {missing}")))
    }

    /// A token that GitHub has revoked is not used again: the next attempt asks for another one.
    async fn forget_refused(&self, fetch: &Fetch, setting: &Setting, message: &str) {
        if let (Some(GitLogin::App(app)), Some(token)) = (&fetch.login, &setting.token)
            && message.contains("Authentication failed")
        {
            app.forget_for(&self.clients, &fetch.url, token).await;
        }
    }

    /// Hands the login to the program: never as an argument, which others could see.
    async fn setting(&self, fetch: &Fetch) -> Result<Setting, Error> {
        let mut setting = Setting::default();
        match &fetch.login {
            None => {}
            Some(GitLogin::Basic { username, password }) => {
                let values = &self.clients.values;
                let name = values.find(username).await?.text();
                let password = values.find(password).await?.text();
                setting.log_in(&fetch.url, name, password);
            }
            Some(GitLogin::App(app)) => {
                let token = app.token_for(&self.clients, &fetch.url).await?;
                // By GitHub's rules.
                setting.log_in(&fetch.url, "x-access-token".to_owned(), token.clone());
                setting.token = Some(token);
            }
            Some(GitLogin::Ssh {
                private_key,
                insecure_ignore_host_key,
            }) => {
                let key = self.clients.values.find(private_key).await?;
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

impl Setting {
    /// Gives name and password to the repository's own server alone.
    fn log_in(&mut self, url: &str, name: String, password: String) {
        self.variables = vec![
            ("TIPHYS_GIT_USERNAME", name.into()),
            ("TIPHYS_GIT_PASSWORD", password.into()),
        ];
        let answer = "!f() { test \"$1\" = get && \
            printf 'username=%s\\npassword=%s\\n' \
            \"$TIPHYS_GIT_USERNAME\" \"$TIPHYS_GIT_PASSWORD\"; }; f";
        let server = server(url);
        self.config = vec![(format!("credential.{server}.helper"), answer.to_owned())];
    }
}

impl Fetch {
    /// The refs that are tried, in this order.
    fn names(&self) -> Vec<String> {
        match &self.reference {
            GitRef::Default => vec!["refs/heads/master".to_owned(), "HEAD".to_owned()],
            GitRef::Branch(name) => vec![format!("refs/heads/{name}")],
            GitRef::Tag(name) => vec![format!("refs/tags/{name}")],
            GitRef::Ref(name) => vec![name.clone()],
        }
    }

    /// What is attempted, for people.
    fn act(&self) -> String {
        format!("fetch {} of {}", self.names()[0], without_login(&self.url))
    }

    /// Whether a ref that was fetched needs no fetching again: a commit never does.
    fn stays(&self, known: &Fetched, fresh: Duration) -> bool {
        let is_commit = matches!(&self.reference, GitRef::Ref(name) if *name == known.commit);
        is_commit || known.at.elapsed() < fresh
    }
}

/// Resolves when a folder has more than so many bytes.
async fn outgrows(folder: &Path, limit: u64) {
    while size_of(folder).await <= limit {
        tokio::time::sleep(LOOK).await;
    }
}

/// How many bytes the files of a folder have.
async fn size_of(folder: &Path) -> u64 {
    let folder = folder.to_owned();
    let size = tokio::task::spawn_blocking(move || files_size(&folder));
    size.await.unwrap_or_default()
}

fn files_size(folder: &Path) -> u64 {
    // What disappears meanwhile is temporary.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => files_size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    });
    sizes.sum()
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

#[cfg(test)]
mod tests {
    use std::process::Stdio;

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

    fn nobody() -> Arc<Clients> {
        Arc::new(Clients::new(None, Arc::new(NoValues)))
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

        let repositories = Repositories::new(nobody());
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

    /// Each ref that an event named left a repository behind, of any size, until the process ended.
    #[tokio::test]
    async fn a_repository_is_bounded_and_leaves_nothing_behind() {
        let (origin, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = origin.path();
        let mut random = fastrand::Rng::with_seed(1);
        let mut commit = |size: usize| {
            let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
                .take(size)
                .collect();
            std::fs::write(at.join("large.bin"), bytes).unwrap();
            git_here(at, &["add", "."]);
            git_here(at, &["commit", "--quiet", "-m", "c"]);
        };
        git_here(at, &["init", "--quiet", "-b", "main", "."]);
        std::fs::write(at.join("job.yaml"), "one").unwrap();
        let repositories = Repositories {
            place: place.path().to_owned(),
            largest: 2 << 20,
            fresh: Duration::ZERO,
            ..Repositories::new(nobody())
        };
        let job = file(at, GitRef::Branch("main".into()), "job.yaml");
        let folders = || std::fs::read_dir(place.path()).unwrap().count();
        // Three commits do not fit at a time.
        for _ in 0..3 {
            commit(900_000);
            assert_eq!(repositories.read(&job, 10).await.unwrap(), b"one");
            assert_eq!(folders(), 1);
        }
        commit(3_000_000);
        let refused = repositories.read(&job, 10).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Refused(_))
                && refused.to_string().contains("more than 2 MiB"),
            "{refused}"
        );
        assert_eq!(folders(), 0);
        commit(900_000);
        assert_eq!(repositories.read(&job, 10).await.unwrap(), b"one");
        drop(repositories);
        assert_eq!(folders(), 0);
    }
}
