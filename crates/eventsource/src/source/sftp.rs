//! Files on an SFTP server as a source: an event when one is new, has changed or is gone.
//!
//! The directory is listed in intervals, and what was told is kept on the bus: a pod tells what happened while
//! none was there. So is the key of the server, where the spec does not say it: another one is never logged in to.

mod server;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tiphys_api::{Problem, SftpEventSource};

use self::server::Server;
use super::files::{Fields, Rules, pause, poll};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};

/// The pause between two looks if the spec does not say it, as documented by Argo Events.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// Files on a server.
#[derive(Debug)]
pub(crate) struct Sftp {
    spec: SftpEventSource,
    rules: Rules,
    pause: Duration,
}

impl SourceKind for Sftp {
    type Spec = SftpEventSource;

    fn compile(path: &str, spec: &SftpEventSource) -> Result<Self, Vec<Problem>> {
        let pause = pause(&spec.poll_interval_duration, PAUSE);
        let pause = pause.map_err(|message| {
            let path = format!("{path}.pollIntervalDuration");
            vec![Problem::error(path, message)]
        });
        let rules = Rules::compile(&Fields {
            path,
            operations: ("eventType", &spec.event_type),
            at: "watchPathConfig.",
            watched: &spec.watch_path_config.clone().unwrap_or_default(),
            metadata: &spec.metadata,
        });
        match (rules, pause) {
            (Ok(mut rules), Ok(pause)) => {
                // As Argo Events, which tells the name alone, and of a change what it tells of a new file.
                rules.is_whole = false;
                rules.is_change_new = true;
                Ok(Self {
                    spec: spec.clone(),
                    rules,
                    pause,
                })
            }
            (rules, pause) => {
                let problems = [rules.err(), pause.err()];
                Err(problems.into_iter().flatten().flatten().collect())
            }
        }
    }
}

#[async_trait]
impl Source for Sftp {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let server = tokio::select! {
            biased;
            () = context.shutdown().cancelled() => return Ok(()),
            server = Server::open(&self.spec, &self.rules, context) => server?,
        };
        let ended = poll(&self.rules, context, &server, self.pause).await;
        server.close().await;
        ended
    }

    /// A body is the name of a file in the directory.
    fn draft(&self, input: &Input<'_>, _now: Timestamp) -> Result<Draft, SimulateError> {
        self.rules.draft("sftp", input)
    }
}
