//! Files in the pod as a source: an event when one is created, written, removed, renamed, or gets other
//! rights.
//!
//! The kernel tells what happens in a directory; where it does not, as on a network file system, the
//! directory is looked at in intervals. What is there is remembered, so that nothing is missed when the
//! kernel has dropped messages; with `catchup` it is kept on the bus, so that a pod tells what happened
//! before it was there.

mod kept;
mod snapshot;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use jiff::Timestamp;
use tiphys_api::{FileEventSource, Problem};
use tokio::time::Instant;

use self::kept::Kept;
use self::snapshot::{Change, Directory, Names, Operation, Snapshot, difference};
use self::watch::{News, Watch};
use super::broker::Members;
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Check, Draft, Input, SimulateError};
use crate::incoming::{Incoming, Verdict};
use crate::pump::InHand;
use crate::served::payload::metadata;
use crate::status::Condition;

/// Files that are ready to be watched.
#[derive(Debug)]
pub(crate) struct File {
    /// The event's place in the spec.
    path: String,
    operations: Vec<Operation>,
    directory: Arc<Directory>,
    polls: bool,
    catches_up: bool,
    /// As JSON.
    metadata: String,
}

/// Files that are being watched.
struct Watching<'a> {
    source: &'a File,
    context: &'a SourceContext,
    watch: Watch,
    seen: Snapshot,
    kept: Option<Kept>,
    /// What happened and was not handed on yet.
    due: VecDeque<Change>,
    in_hand: InHand<OsString>,
    /// How many events about a file have no verdict yet, if that has to be known.
    pending: HashMap<OsString, usize>,
}

impl SourceKind for File {
    type Spec = FileEventSource;

    fn compile(path: &str, spec: &FileEventSource) -> Result<Self, Vec<Problem>> {
        let operations = Operation::parse(&spec.event_type).map_err(|unknown| {
            let message = format!("unknown operation {unknown:?}");
            vec![Problem::error(format!("{path}.eventType"), message)]
        })?;
        let watched = spec.watch_path_config.clone().unwrap_or_default();
        let directory = Directory::compile(&watched).map_err(|(field, message)| {
            let path = format!("{path}.watchPathConfig.{field}");
            vec![Problem::error(path, message)]
        })?;
        Ok(Self {
            path: path.to_owned(),
            operations,
            directory: Arc::new(directory),
            polls: *spec.polling,
            catches_up: *spec.catchup,
            metadata: match metadata(&spec.metadata) {
                none if none.is_empty() => "null".to_owned(),
                metadata => metadata,
            },
        })
    }
}

#[async_trait]
impl Source for File {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        // Watched first: what happens while it is looked at is told, too.
        let watch = Watch::open(&self.directory, self.polls).map_err(|error| self.failed(error))?;
        let seen = self.look().await?;
        let mut watching = Watching {
            source: self,
            context,
            watch,
            kept: None,
            seen,
            due: VecDeque::new(),
            in_hand: context.publisher().in_hand(),
            pending: HashMap::new(),
        };
        if self.catches_up {
            watching.catch_up().await?;
        }
        context.condition(Condition::Working);
        watching.run().await
    }

    /// A body is the name of a file in the directory.
    fn draft(&self, input: &Input<'_>, _now: Timestamp) -> Result<Draft, SimulateError> {
        let name = match (input, &self.directory.names) {
            (Input::Example, Names::One(name)) => name.to_string_lossy().into_owned(),
            (Input::Example, Names::Matching { .. }) => "example".to_owned(),
            (Input::Body { body, .. }, _) => String::from_utf8_lossy(body).trim_end().to_owned(),
            _ => return Err(input.unfit("file")),
        };
        let operation = self.operations.first().copied();
        let payload = self.payload(operation.unwrap_or(Operation::Create), OsStr::new(&name));
        let is_met = self.directory.names.contains(OsStr::new(&name));
        let condition = format!("the file in {}", self.directory);
        let why = format!("{name:?} is not the file in {}", self.directory);
        let check = Check::new(condition, is_met, why).with_saw(format!("{name:?}"));
        Ok(Draft {
            checks: match input {
                Input::Example => Vec::new(),
                _ => vec![check],
            },
            ..Draft::of(payload)
        })
    }
}

impl File {
    async fn look(&self) -> Result<Snapshot, SourceError> {
        let directory = Arc::clone(&self.directory);
        let looked = tokio::task::spawn_blocking(move || directory.look()).await;
        let looked = looked.unwrap_or_else(|error| Err(io::Error::other(error)));
        looked.map_err(|error| self.failed(error))
    }

    fn incoming(&self, change: &Change) -> Incoming {
        let known = change.entry.map(|entry| entry.to_string());
        let identity = [
            change.operation.name().to_owned(),
            snapshot::encoded(&change.name),
            known.unwrap_or_default(),
        ];
        let incoming = Incoming::new(self.payload(change.operation, &change.name));
        // A file that went, and of which nothing else is known, is like no other.
        let incoming = match change.entry {
            Some(_) => incoming.identified_by(identity),
            None => incoming,
        };
        incoming.in_order(&*self.path)
    }

    fn payload(&self, operation: Operation, name: &OsStr) -> Bytes {
        // As Argo Events, which gives the whole path only if the kernel tells.
        let name = if self.polls {
            name.to_owned()
        } else {
            self.directory.folder.join(name).into_os_string()
        };
        Members::with_room_for(name.len())
            .text("name", name.as_encoded_bytes())
            .json("op", operation.bits().to_string().as_bytes())
            .finish(&self.metadata)
    }

    fn failed(&self, error: io::Error) -> SourceError {
        let field = format!("{}.watchPathConfig.directory", self.path);
        let (reason, hint) = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => (
                Reason::NotFound,
                format!(
                    "check {field}; a volume is mounted by spec.template.volumes and spec.template.container.volumeMounts"
                ),
            ),
            ErrorKind::PermissionDenied => (
                Reason::Forbidden,
                format!(
                    "check {field}; spec.template.securityContext says as whom the pod reads it"
                ),
            ),
            _ if is_limit(&error) => (
                Reason::QuotaExceeded,
                format!(
                    "raise fs.inotify.max_user_instances and max_user_watches of the node, or set {}.polling",
                    self.path
                ),
            ),
            _ => (Reason::Unreachable, format!("check {field}")),
        };
        let act = format!("watch {}", self.directory.folder.display());
        SourceError::new(reason, act).because(error).with_hint(hint)
    }
}

/// Whether the node gives no further watch.
fn is_limit(error: &io::Error) -> bool {
    // EMFILE, ENFILE
    error.kind() == ErrorKind::StorageFull || matches!(error.raw_os_error(), Some(23 | 24))
}

impl Watching<'_> {
    /// Tells what happened since what is kept; if nothing is, everything that is there is known already.
    async fn catch_up(&mut self) -> Result<(), SourceError> {
        let kept = Kept::open(self.context).await?;
        match kept.load().await? {
            None => {
                kept.begin(&self.seen).await?;
                self.kept = Some(kept);
                Ok(())
            }
            Some(before) => {
                self.kept = Some(kept);
                let changes = difference(&before, &self.seen);
                self.note(changes).await
            }
        }
    }

    async fn run(mut self) -> Result<(), SourceError> {
        loop {
            tokio::select! {
                biased;
                () = self.context.shutdown().cancelled() => break,
                settled = self.in_hand.settled() => self.settle(settled).await?,
                permit = self.context.publisher().permit(), if !self.due.is_empty() => {
                    if let Some(change) = self.due.pop_front() {
                        let incoming = self.source.incoming(&change);
                        self.in_hand.hand_on(permit, incoming, change.name);
                    }
                }
                news = self.watch.next(), if self.due.is_empty() => {
                    let news = news.map_err(|error| self.source.failed(error))?;
                    self.hear(news).await?;
                }
            }
        }
        while !self.in_hand.is_empty() {
            let settled = self.in_hand.settled().await;
            self.settle(settled).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, news: News) -> Result<(), SourceError> {
        match news {
            News::Look => {
                let began = Instant::now();
                let now = self.source.look().await?;
                self.watch.looked(began.elapsed());
                let changes = difference(&self.seen, &now);
                self.seen = now;
                self.note(changes).await
            }
            News::Told(operation, name) => {
                if !self.source.directory.names.contains(&name) {
                    return Ok(());
                }
                let directory = Arc::clone(&self.source.directory);
                let looking = name.clone();
                let entry = tokio::task::spawn_blocking(move || directory.look_at(&looking)).await;
                let entry = entry.unwrap_or_default();
                let before = match entry {
                    Some(entry) => self.seen.insert(name.clone(), entry),
                    None => self.seen.remove(&name),
                };
                // What went is known by what it was.
                let is_gone = matches!(operation, Operation::Remove | Operation::Rename);
                let entry = if is_gone { before } else { entry.or(before) };
                let change = Change {
                    operation,
                    name,
                    entry,
                };
                self.note(vec![change]).await
            }
        }
    }

    /// Puts down what is to be told, and keeps the rest.
    async fn note(&mut self, changes: Vec<Change>) -> Result<(), SourceError> {
        let mut silent = Vec::new();
        for change in changes {
            if !self.source.operations.contains(&change.operation) {
                silent.push(change.name);
                continue;
            }
            if self.kept.is_some() {
                *self.pending.entry(change.name.clone()).or_default() += 1;
            }
            self.due.push_back(change);
        }
        self.keep(silent).await
    }

    /// Keeps what is settled, however much it is, at once.
    async fn settle(&mut self, first: (OsString, Verdict)) -> Result<(), SourceError> {
        let mut done = Vec::new();
        let mut next = Some(first);
        while let Some((name, verdict)) = next {
            if let (Some(pending), false) = (
                self.pending.get_mut(&name),
                matches!(verdict, Verdict::GivenBack(_)),
            ) {
                *pending -= 1;
                if *pending == 0 {
                    self.pending.remove(&name);
                }
                done.push(name);
            }
            next = self.in_hand.settled().now_or_never();
        }
        self.keep(done).await
    }

    /// Keeps how these files are, except those about which there is more to tell.
    async fn keep(&self, mut names: Vec<OsString>) -> Result<(), SourceError> {
        let Some(kept) = &self.kept else {
            return Ok(());
        };
        names.retain(|name| !self.pending.contains_key(name));
        names.sort();
        names.dedup();
        let entries = names.iter().map(|name| (&**name, self.seen.get(name)));
        kept.store(entries).await
    }
}

#[cfg(test)]
mod tests;
