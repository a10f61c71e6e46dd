//! A connection to an SFTP server.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{AlgorithmKind, ChannelMsg, Disconnect, Preferred};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, StatusCode};
use tokio::time::timeout;

use super::known_hosts::parts;
use super::login::Proof;
use super::{Error, HostKey, Kind, Login};
use crate::socket::connect_plain;

/// How long it may take until files can be asked for: a server may ask others who somebody is.
const OPEN_WITHIN: Duration = Duration::from_secs(20);

/// How long an answer may take: a server may read a large directory first, or one that is far away.
const ANSWER_WITHIN_SECONDS: u64 = 30;

/// How often a server that says nothing is asked whether it is there; three times in vain end the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How long the end may take.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

/// What a directory has in the bits of its mode, and what they are.
const DIRECTORY: (u32, u32) = (0o170_000, 0o040_000);

/// How to reach a server, and who to be there.
#[derive(Debug)]
pub struct Config {
    /// Host and port; without one, that of SSH.
    pub address: String,
    /// Who to be.
    pub login: Login,
    /// The keys of the server. `None`: whatever it shows is good.
    pub host_keys: Option<Vec<HostKey>>,
}

/// A connection.
pub struct Connection {
    ssh: Handle<Check>,
    files: RawSftpSession,
    host_key: HostKey,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name in its directory; what is not UTF-8 in it is replaced.
    pub name: String,
    /// How many bytes it has; 0 if the server does not say it.
    pub size: u64,
    /// When it was changed last, in seconds since 1970; 0 if the server does not say it.
    pub modified: u32,
    /// Its rights; 0 if the server does not say them.
    pub mode: u32,
}

/// Looks at the key that the server shows.
struct Check {
    wanted: Option<Vec<HostKey>>,
    shown: Arc<Mutex<Option<HostKey>>>,
}

impl client::Handler for Check {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            return Ok(false);
        };
        let key = HostKey::new(key);
        let is_wanted = self.wanted.as_ref().is_none_or(|keys| keys.contains(&key));
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        Ok(is_wanted)
    }
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// If nobody answers in time, the server's key is not one that is wanted, or the login is refused.
    pub async fn open(config: &Config) -> Result<Self, Error> {
        let opened = timeout(OPEN_WITHIN, Self::open_now(config)).await;
        opened.unwrap_or_else(|_| {
            let message = format!("no answer in {} s", OPEN_WITHIN.as_secs());
            Err(Error::new(Kind::Unreachable, message))
        })
    }

    async fn open_now(config: &Config) -> Result<Self, Error> {
        let (mut ssh, host_key) = greet(config).await?;
        let answer = log_in(&mut ssh, &config.login).await?;
        if let AuthResult::Failure {
            remaining_methods, ..
        } = answer
        {
            let taken: Vec<&str> = remaining_methods.iter().map(Into::into).collect();
            let what = match config.login.proof {
                Proof::Password(_) => "password",
                Proof::Key(_) => "key",
            };
            let message = format!(
                "the server does not accept this user with this {what}; it takes {}",
                taken.join(", ")
            );
            return Err(Error::new(Kind::Unauthorized, message));
        }
        let mut channel = ssh.channel_open_session().await?;
        channel.request_subsystem(true, "sftp").await?;
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure) | None => {
                    let message = "the server offers no SFTP to this user";
                    return Err(Error::new(Kind::Refused, message));
                }
                Some(_) => {}
            }
        }
        let options = russh_sftp::client::Config {
            request_timeout_secs: ANSWER_WITHIN_SECONDS,
            ..russh_sftp::client::Config::default()
        };
        let files = RawSftpSession::new_with_config(channel.into_stream(), options);
        files.init().await?;
        Ok(Self {
            ssh,
            files,
            host_key,
        })
    }

    /// The key that the server has shown.
    pub fn host_key(&self) -> &HostKey {
        &self.host_key
    }

    /// The files in a directory that are wanted by their names; no directories.
    ///
    /// # Errors
    /// If the directory cannot be read, or more than `most` files are wanted, or ten times as many are there.
    pub async fn list(
        &self,
        directory: &str,
        most: usize,
        is_wanted: impl Fn(&str) -> bool + Send + Sync,
    ) -> Result<Vec<Found>, Error> {
        let handle = self.files.opendir(directory).await?.handle;
        let (mut found, mut all) = (Vec::new(), 0);
        loop {
            let page = match self.files.readdir(handle.as_str()).await {
                Ok(page) => page.files,
                Err(SftpError::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(error) => return Err(error.into()),
            };
            all += page.len();
            let files = page.into_iter().filter(|file| is_wanted(&file.filename));
            found.extend(files.filter_map(|file| read(file.filename, &file.attrs)));
            if found.len() > most || all / 10 > most {
                let message = format!("more than {most} files of {all}");
                return Err(Error::new(Kind::TooMany, message));
            }
        }
        self.files.close(handle).await?;
        Ok(found)
    }

    /// One file in a directory; `None` if it is not there, or is a directory.
    ///
    /// # Errors
    /// If the directory is not there, or may not be looked at.
    pub async fn look_at(&self, directory: &str, name: &str) -> Result<Option<Found>, Error> {
        let path = format!("{}/{name}", directory.trim_end_matches('/'));
        match self.files.lstat(path).await {
            Ok(found) => Ok(read(name.to_owned(), &found.attrs)),
            Err(error) => match Error::from(error) {
                error if error.kind() == Kind::NotFound => {
                    self.files.stat(directory).await?;
                    Ok(None)
                }
                error => Err(error),
            },
        }
    }

    /// Says goodbye.
    pub async fn close(self) {
        let saying = self.ssh.disconnect(Disconnect::ByApplication, "", "");
        // Whoever has gone needs no goodbye.
        if let Ok(Err(error)) = timeout(CLOSE_WITHIN, saying).await {
            tracing::debug!(%error, "An SFTP server had gone");
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("host_key", &self.host_key.fingerprint())
            .finish_non_exhaustive()
    }
}

/// Connects, and looks at the server's key.
async fn greet(config: &Config) -> Result<(Handle<Check>, HostKey), Error> {
    let (host, port) = parts(&config.address);
    let address = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let stream = connect_plain(&address).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        Error::new(Kind::Unreachable, cause.unwrap_or_default())
    })?;
    let wanted = config.host_keys.clone();
    let mut options = client::Config {
        keepalive_interval: Some(KEEP_ALIVE),
        ..client::Config::default()
    };
    if let Some(keys) = &wanted {
        options.preferred.key = Cow::Owned(algorithms(keys));
    }
    let shown = Arc::new(Mutex::new(None));
    let check = Check {
        wanted: wanted.clone(),
        shown: shown.clone(),
    };
    let connected = client::connect_stream(Arc::new(options), stream, check).await;
    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (connected, shown) {
        (Ok(ssh), Some(key)) => Ok((ssh, key)),
        (Err(russh::Error::UnknownKey), Some(key)) => {
            let message = format!(
                "the server shows the key {} ({key}), which is not known to be its",
                key.fingerprint()
            );
            Err(Error::new(Kind::HostKey, message))
        }
        (
            Err(russh::Error::NoCommonAlgo {
                kind: AlgorithmKind::Key,
                theirs,
                ..
            }),
            _,
        ) if wanted.is_some() => {
            let message = format!(
                "the server has no key of the kind that is known to be its; it offers {}",
                theirs.join(", ")
            );
            Err(Error::new(Kind::HostKey, message))
        }
        (Err(error), _) => Err(error.into()),
        (Ok(_), None) => Err(Error::new(Kind::HostKey, "the server shows no key")),
    }
}

/// What a server is to show that is known to have these keys: it may have others.
fn algorithms(keys: &[HostKey]) -> Vec<Algorithm> {
    let is_known = |algorithm: &Algorithm| {
        keys.iter()
            .any(|key| match (key.key().algorithm(), algorithm) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (known, algorithm) => known == *algorithm,
            })
    };
    let all = Preferred::DEFAULT.key;
    all.iter().filter(|one| is_known(one)).cloned().collect()
}

async fn log_in(ssh: &mut Handle<Check>, login: &Login) -> Result<AuthResult, Error> {
    let user = login.user.as_str();
    match &login.proof {
        Proof::Password(password) => Ok(ssh.authenticate_password(user, password).await?),
        Proof::Key(file) => {
            // Servers that do not say what they take have taken this for ten years.
            let hash = match file.key.algorithm() {
                Algorithm::Rsa { .. } => ssh.best_supported_rsa_hash().await?,
                _ => None,
            };
            let key =
                PrivateKeyWithHashAlg::new(file.key.clone(), hash.unwrap_or(Some(HashAlg::Sha256)));
            Ok(ssh.authenticate_publickey(user, key).await?)
        }
    }
}

fn read(name: String, attributes: &FileAttributes) -> Option<Found> {
    let mode = attributes.permissions.unwrap_or_default();
    let (mask, directory) = DIRECTORY;
    (mode & mask != directory).then(|| Found {
        name,
        size: attributes.size.unwrap_or_default(),
        modified: attributes.mtime.unwrap_or_default(),
        mode,
    })
}
