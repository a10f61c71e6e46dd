//! Files in HDFS as a source: an event when one is created, written, removed or gets other rights.
//!
//! The directory and those below it are listed in intervals, and what was told is kept on the bus: a pod tells what
//! happened while none was there.

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tiphys_api::{Code, HdfsEventSource, Problem, WatchPathConfig};
use tiphys_clients::hdfs::{Config, Error, Files, Found, Kind};

use super::files::{Entry, Fields, Lister, MOST_FILES, Names, Rules, Snapshot, pause, poll};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};

/// The pause between two looks if the spec does not say it, as in Argo Events.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// Files in HDFS.
#[derive(Debug)]
pub(crate) struct Hdfs {
    config: Config,
    rules: Rules,
    pause: Duration,
}

/// Name nodes, and what is looked for there.
struct Listing<'a> {
    files: Files,
    rules: &'a Rules,
    /// The directory, without a slash at its end.
    folder: String,
}

impl SourceKind for Hdfs {
    type Spec = HdfsEventSource;

    fn compile(path: &str, spec: &HdfsEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = kerberos(path, spec);
        if problems.is_empty() && spec.hdfs_user.is_empty() {
            let message = "the name of a user is needed";
            problems.push(Problem::error(format!("{path}.hdfsUser"), message));
        }
        let pause = pause(&spec.check_interval, PAUSE)
            .map_err(|message| vec![Problem::error(format!("{path}.checkInterval"), message)]);
        let rules = Rules::compile(&Fields {
            path,
            operations: ("type", &spec.r#type),
            at: "",
            watched: &WatchPathConfig {
                directory: spec.directory.clone(),
                path: spec.path.clone(),
                path_regexp: spec.path_regexp.clone(),
            },
            metadata: &spec.metadata,
        });
        match (rules, pause) {
            (Ok(rules), Ok(pause)) if problems.is_empty() => Ok(Self {
                config: Config {
                    addresses: (*spec.addresses).clone(),
                    user: spec.hdfs_user.to_string(),
                },
                rules,
                pause,
            }),
            (rules, pause) => {
                let more = [rules.err(), pause.err()];
                problems.extend(more.into_iter().flatten().flatten());
                Err(problems)
            }
        }
    }
}

#[async_trait]
impl Source for Hdfs {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let files = Files::new(&self.config);
        let files = files.map_err(|error| failed(&self.rules, "reach HDFS".to_owned(), error))?;
        let folder = self.rules.directory.folder.to_string_lossy();
        let listing = Listing {
            files,
            rules: &self.rules,
            folder: folder.trim_end_matches('/').to_owned(),
        };
        poll(&self.rules, context, &listing, self.pause).await
    }

    /// A body is the path of a file in the directory.
    fn draft(&self, input: &Input<'_>, _now: Timestamp) -> Result<Draft, SimulateError> {
        self.rules.draft("hdfs", input)
    }
}

/// Logins that are not known here.
fn kerberos(path: &str, spec: &HdfsEventSource) -> Vec<Problem> {
    let fields = [
        ("krbCCacheSecret", spec.krb_ccache_secret.is_some()),
        ("krbKeytabSecret", spec.krb_keytab_secret.is_some()),
        ("krbUsername", !spec.krb_username.is_empty()),
        ("krbRealm", !spec.krb_realm.is_empty()),
        ("krbConfigConfigMap", spec.krb_config_config_map.is_some()),
        (
            "krbServicePrincipalName",
            !spec.krb_service_principal_name.is_empty(),
        ),
    ];
    let told = fields.into_iter().filter(|(_, is_told)| *is_told);
    let problem = |field| {
        let message = "logins by Kerberos are not known to this version of tiphys";
        let problem = Problem::error(format!("{path}.{field}"), message);
        let problem = problem.with_code(Code::NotRun);
        problem.with_hint("an HDFS that takes simple authentication is logged in to by hdfsUser")
    };
    // One is enough to say it.
    told.take(1).map(|(field, _)| problem(field)).collect()
}

#[async_trait]
impl Lister for Listing<'_> {
    async fn list(&self) -> Result<Snapshot, SourceError> {
        let found = self.found().await;
        let found = found.map_err(|error| {
            let folder = if self.folder.is_empty() {
                "/"
            } else {
                &self.folder
            };
            failed(self.rules, format!("list {folder}"), error)
        })?;
        let files = found.into_iter().filter_map(|found| {
            let name = OsString::from(self.name(&found.path)?);
            let entry = Entry {
                inode: None,
                modified: i64::try_from(found.modified)
                    .ok()?
                    .saturating_mul(1_000_000),
                size: found.size,
                mode: found.mode.into(),
            };
            Some((name, entry))
        });
        Ok(files.collect())
    }
}

impl Listing<'_> {
    async fn found(&self) -> Result<Vec<Found>, Error> {
        match &self.rules.directory.names {
            Names::One(name) => {
                self.files.check_directory(self.root()).await?;
                let path = format!("{}/{}", self.folder, name.to_string_lossy());
                let found = self.files.look_at(&path).await?;
                Ok(found.into_iter().collect())
            }
            names @ Names::Matching { .. } => {
                let is_wanted = |path: &str| {
                    let name = self.name(path);
                    name.is_some_and(|name| names.contains(OsStr::new(name)))
                };
                self.files.list(self.root(), MOST_FILES, is_wanted).await
            }
        }
    }

    fn root(&self) -> &str {
        match self.folder.as_str() {
            "" => "/",
            folder => folder,
        }
    }

    /// The path in the directory.
    fn name<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&self.folder)?.strip_prefix('/')
    }
}

fn failed(rules: &Rules, act: String, error: Error) -> SourceError {
    let Rules { path, field, .. } = rules;
    let (reason, hint) = match error.kind() {
        Kind::Settings => (Reason::Configuration, format!("check {path}.addresses")),
        Kind::Unreachable => (Reason::Unreachable, format!("check {path}.addresses")),
        Kind::Unauthorized => (
            Reason::Unauthorized,
            "the name nodes want Kerberos, which is not known here".to_owned(),
        ),
        Kind::Forbidden => (
            Reason::Forbidden,
            format!("let the user of {path}.hdfsUser read {field}"),
        ),
        Kind::NotFound => (Reason::NotFound, format!("check {field}")),
        Kind::TooMany => (
            Reason::QuotaExceeded,
            format!("move files away, or narrow {path}.pathRegexp"),
        ),
        Kind::Refused => (Reason::Refused, String::new()),
    };
    SourceError::new(reason, act).because(error).with_hint(hint)
}
