//! The server: who it is, how it is reached and as whom, and what it has.

use std::ffi::OsString;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tiphys_api::{SecretKeySelector, SftpEventSource};
use tiphys_clients::sftp::{
    Config, Connection, Error, Found, HostKey, KeyFile, Kind, KnownHosts, Login, Proof,
};

use super::super::files::{Entry, Lister, MOST_FILES, Names, Rules, Snapshot};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// A server.
#[derive(Debug)]
pub(super) struct Server<'a> {
    rules: &'a Rules,
    connection: Connection,
    /// The directory as the server knows it.
    folder: String,
}

/// What the key of a server is known by.
enum Trust {
    /// The spec says it in this field.
    Said(Vec<HostKey>, &'static str),
    /// It was the first that this server has shown.
    Shown(HostKey),
    /// Nothing: this is the first time.
    First,
}

/// The key of a server, as it is kept on the bus.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    address: String,
    host_key: String,
}

impl<'a> Server<'a> {
    /// Connects and logs in, and keeps the key of the server.
    pub(super) async fn open(
        spec: &SftpEventSource,
        rules: &'a Rules,
        context: &SourceContext,
    ) -> Result<Self, SourceError> {
        let address = context.text(spec.address.as_ref()).await?;
        let address = address.trim().to_owned();
        let (login, file) = login(spec, rules, context).await?;
        let cursor = context.cursor().await?;
        let kept = cursor.load().await?;
        let kept = kept.and_then(|kept| serde_json::from_slice::<Kept>(&kept).ok());
        let kept = kept.filter(|kept| kept.address == address);
        let trust = trust(spec, rules, context, &address, file.as_ref(), kept.as_ref()).await?;
        let config = Config {
            host_keys: match &trust {
                Trust::Said(keys, _) => Some(keys.clone()),
                Trust::Shown(key) => Some(vec![key.clone()]),
                Trust::First => None,
            },
            address,
            login,
        };
        let connection = Connection::open(&config).await.map_err(|error| {
            // The address itself is in a Secret, and so is the user's name.
            let act = format!("open an SFTP session at {}.address", rules.path);
            let hint = hint(error.kind(), spec, rules, &trust);
            failed(act, error).with_hint(hint)
        })?;
        let host_key = connection.host_key().to_string();
        if kept.is_none_or(|kept| kept.host_key != host_key) {
            let kept = Kept {
                address: config.address,
                host_key,
            };
            let kept = serde_json::to_vec(&kept).unwrap_or_default();
            cursor.store(Bytes::from(kept)).await?;
        }
        Ok(Self {
            rules,
            connection,
            folder: rules.directory.folder.to_string_lossy().into_owned(),
        })
    }

    pub(super) async fn close(self) {
        self.connection.close().await;
    }
}

#[async_trait]
impl Lister for Server<'_> {
    async fn list(&self) -> Result<Snapshot, SourceError> {
        let names = &self.rules.directory.names;
        let found = match names {
            Names::One(name) => {
                let name = name.to_string_lossy();
                let found = self.connection.look_at(&self.folder, &name).await;
                found.map(|found| found.into_iter().collect())
            }
            Names::Matching { .. } => {
                let is_wanted = |name: &str| names.contains(name.as_ref());
                let listing = self.connection.list(&self.folder, MOST_FILES, is_wanted);
                listing.await
            }
        };
        let found: Vec<Found> = found.map_err(|error| {
            let Rules { path, field, .. } = self.rules;
            let hint = match error.kind() {
                Kind::NotFound => format!(
                    "check {field}: it is a path from the root that the server shows this user"
                ),
                Kind::Forbidden => format!("let the user of {path}.username read {field}"),
                Kind::TooMany => {
                    format!("move files away, or narrow {path}.watchPathConfig.pathRegexp")
                }
                _ => String::new(),
            };
            failed(format!("list {}", self.folder), error).with_hint(hint)
        })?;
        let files = found.into_iter().map(|found| {
            let entry = Entry {
                inode: None,
                modified: i64::from(found.modified) * 1_000_000_000,
                size: found.size,
                mode: found.mode,
            };
            (OsString::from(found.name), entry)
        });
        Ok(files.collect())
    }
}

/// Who to be, and the file of the key, if it is one.
async fn login(
    spec: &SftpEventSource,
    rules: &Rules,
    context: &SourceContext,
) -> Result<(Login, Option<KeyFile>), SourceError> {
    let user = context.text(spec.username.as_ref()).await?;
    let Some(key) = &spec.ssh_key_secret else {
        let password = context.text(spec.password.as_ref()).await?;
        let proof = Proof::Password(password);
        return Ok((Login { user, proof }, None));
    };
    let field = format!("{}.sshKeySecret", rules.path);
    let file = KeyFile::parse(&context.secret(key).await?.text());
    let file = file.map_err(|error| {
        failed(format!("read the key of {field}"), error).with_hint(format!(
            "{field} names a private key without a passphrase, and lines with public keys of the server, if any"
        ))
    })?;
    let login = Login {
        user,
        proof: Proof::Key(file.clone()),
    };
    Ok((login, Some(file)))
}

/// What the key of the server is known by.
async fn trust(
    spec: &SftpEventSource,
    rules: &Rules,
    context: &SourceContext,
    address: &str,
    file: Option<&KeyFile>,
    kept: Option<&Kept>,
) -> Result<Trust, SourceError> {
    if let Some(known) = &spec.known_hosts {
        let keys = known_keys(known, rules, context, address).await?;
        return Ok(Trust::Said(keys, "knownHosts"));
    }
    let beside = file.map(KeyFile::host_keys).unwrap_or_default();
    if !beside.is_empty() {
        return Ok(Trust::Said(beside.to_vec(), "sshKeySecret"));
    }
    let shown = kept.and_then(|kept| HostKey::parse(&kept.host_key).ok());
    Ok(shown.map_or(Trust::First, Trust::Shown))
}

async fn known_keys(
    known: &SecretKeySelector,
    rules: &Rules,
    context: &SourceContext,
    address: &str,
) -> Result<Vec<HostKey>, SourceError> {
    let field = format!("{}.knownHosts", rules.path);
    let text = context.secret(known).await?.text();
    let act = format!("look for the key of {}.address in {field}", rules.path);
    let keys = KnownHosts::parse(&text)
        .map_err(|error| failed(&act, error))?
        .of(address);
    if keys.is_empty() {
        return Err(SourceError::new(Reason::Missing, act)
            .because("no line of it is for this server")
            .with_hint("`ssh-keyscan -p PORT HOST` prints the lines; compare them with what the server's owner says"));
    }
    Ok(keys)
}

/// What a human can do about a session that cannot be opened.
fn hint(kind: Kind, spec: &SftpEventSource, rules: &Rules, trust: &Trust) -> String {
    let path = &rules.path;
    match (kind, trust) {
        (Kind::Unauthorized, _) => {
            let field = match spec.ssh_key_secret {
                Some(_) => "sshKeySecret",
                None => "password",
            };
            format!("check {path}.username and {path}.{field}")
        }
        (Kind::HostKey, Trust::Said(_, field)) => format!(
            "if the owner of the server says that this is its key, put it into the Secret of {path}.{field}"
        ),
        (Kind::HostKey, _) => format!(
            "it had another key before: if the owner of the server says that this is its new one, name a Secret with \
             it by {path}.knownHosts"
        ),
        (Kind::Unreachable, _) => format!("check {path}.address"),
        (Kind::Key, _) => format!("check {path}.sshKeySecret"),
        _ => String::new(),
    }
}

fn failed(act: impl Into<String>, error: Error) -> SourceError {
    let reason = match error.kind() {
        Kind::Key => Reason::Configuration,
        Kind::Unreachable => Reason::Unreachable,
        Kind::HostKey | Kind::Unauthorized => Reason::Unauthorized,
        Kind::Forbidden => Reason::Forbidden,
        Kind::NotFound => Reason::NotFound,
        Kind::TooMany => Reason::QuotaExceeded,
        Kind::Refused => Reason::Refused,
    };
    SourceError::new(reason, act).because(error)
}
