//! Files in the pod as a source: an event when one is created, written, removed, renamed, or gets other
//! rights.
//!
//! The kernel tells what happens in a directory; where it does not, as on a network file system, the
//! directory is looked at in intervals. What is there is remembered, so that nothing is missed when the
//! kernel has dropped messages; with `catchup` it is kept on the bus, so that a pod tells what happened
//! before it was there.

mod look;
mod watch;

use std::io::{self, ErrorKind};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tiphys_api::{FileEventSource, Problem};
use tokio::time::Instant;

use self::look::{look, look_at};
use self::watch::{News, Watch};
use super::files::{Fields, Rules, Snapshot, Telling};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};
use crate::status::Condition;

/// Files that are ready to be watched.
#[derive(Debug)]
pub(crate) struct File {
    rules: Rules,
    polls: bool,
    catches_up: bool,
}

impl SourceKind for File {
    type Spec = FileEventSource;

    fn compile(path: &str, spec: &FileEventSource) -> Result<Self, Vec<Problem>> {
        let mut rules = Rules::compile(&Fields {
            path,
            operations: ("eventType", &spec.event_type),
            at: "watchPathConfig.",
            watched: &spec.watch_path_config.clone().unwrap_or_default(),
            metadata: &spec.metadata,
        })?;
        // As Argo Events, which gives the whole path only if the kernel tells.
        rules.is_whole = !*spec.polling;
        Ok(Self {
            rules,
            polls: *spec.polling,
            catches_up: *spec.catchup,
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
        let watch = Watch::open(&self.rules.directory, self.polls);
        let mut watch = watch.map_err(|error| self.failed(error))?;
        let seen = self.look().await?;
        let mut telling = Telling::new(&self.rules, context, seen);
        if self.catches_up {
            telling.catch_up().await?;
        }
        context.condition(Condition::Working);
        loop {
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => break,
                settled = telling.settled() => telling.settle(settled).await?,
                permit = context.publisher().permit(), if !telling.is_idle() => telling.hand_on(permit),
                news = watch.next(), if telling.is_idle() => {
                    let news = news.map_err(|error| self.failed(error))?;
                    self.hear(news, &mut watch, &mut telling).await?;
                }
            }
        }
        telling.finish().await
    }

    /// A body is the name of a file in the directory.
    fn draft(&self, input: &Input<'_>, _now: Timestamp) -> Result<Draft, SimulateError> {
        self.rules.draft("file", input)
    }
}

impl File {
    async fn hear(
        &self,
        news: News,
        watch: &mut Watch,
        telling: &mut Telling<'_>,
    ) -> Result<(), SourceError> {
        match news {
            News::Look => {
                let began = Instant::now();
                let now = self.look().await?;
                watch.looked(began.elapsed());
                telling.compare(now).await
            }
            News::Told(operation, name) => {
                if !self.rules.directory.names.contains(&name) {
                    return Ok(());
                }
                let directory = Arc::clone(&self.rules.directory);
                let looking = name.clone();
                let entry = move || look_at(&directory, &looking);
                let entry = tokio::task::spawn_blocking(entry).await;
                telling
                    .hear(operation, name, entry.unwrap_or_default())
                    .await
            }
        }
    }

    async fn look(&self) -> Result<Snapshot, SourceError> {
        let directory = Arc::clone(&self.rules.directory);
        let looked = tokio::task::spawn_blocking(move || look(&directory)).await;
        let looked = looked.unwrap_or_else(|error| Err(io::Error::other(error)));
        looked.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> SourceError {
        let field = &self.rules.field;
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
                    self.rules.path
                ),
            ),
            _ => (Reason::Unreachable, format!("check {field}")),
        };
        let act = format!("watch {}", self.rules.directory.folder.display());
        SourceError::new(reason, act).because(error).with_hint(hint)
    }
}

/// Whether the node gives no further watch.
fn is_limit(error: &io::Error) -> bool {
    // EMFILE, ENFILE
    error.kind() == ErrorKind::StorageFull || matches!(error.raw_os_error(), Some(23 | 24))
}

#[cfg(test)]
mod tests;
