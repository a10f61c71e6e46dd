//! Messages of a queue of Azure Queue Storage as a source. A message is deleted after the bus has its event; all
//! pods share the messages.

mod account;
mod message;
mod queue;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tiphys_api::{AzureQueueStorageEventSource, Problem, SecretKeySelector};

use self::message::Message;
use self::queue::Messages;
use super::queue::{HOLD_LIMIT, Work};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::served::payload::metadata;

/// How long an empty queue is not asked again if the spec does not say it, as by Argo Events.
const PAUSE: Duration = Duration::from_secs(3);

/// Messages of a queue.
#[derive(Debug)]
pub(crate) struct AzureQueueStorage {
    path: String,
    login: LoginBy,
    queue: String,
    pause: Duration,
    is_encoded: bool,
    is_json: bool,
    /// What cannot be read stays in the queue.
    is_left: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

/// Who asks for messages.
#[derive(Debug)]
enum LoginBy {
    /// Who holds this connection string.
    ConnectionString(SecretKeySelector),
    /// The pod, at the account of this name.
    Pod(String),
}

impl LoginBy {
    /// The field that names it.
    fn field(&self) -> &'static str {
        match self {
            Self::ConnectionString(_) => "connectionString",
            Self::Pod(_) => "storageAccountName",
        }
    }
}

impl SourceKind for AzureQueueStorage {
    type Spec = AzureQueueStorageEventSource;

    fn compile(path: &str, spec: &AzureQueueStorageEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if !is_name(&spec.queue_name) {
            let message = format!("{:?} is no name of a queue", &*spec.queue_name);
            let problem = Problem::error(format!("{path}.queueName"), message);
            problems.push(problem.with_hint("3 to 63 small letters, digits and single hyphens"));
        }
        let pause = spec.wait_time_in_seconds.map_or(Some(PAUSE), |seconds| {
            u64::try_from(seconds).ok().map(Duration::from_secs)
        });
        if pause.is_none() {
            let path = format!("{path}.waitTimeInSeconds");
            problems.push(Problem::error(path, "a number of seconds is needed"));
        }
        let account = &*spec.storage_account_name;
        let login = match &spec.connection_string {
            Some(secret) => LoginBy::ConnectionString(secret.clone()),
            None => LoginBy::Pod(account.clone()),
        };
        if spec.connection_string.is_none() && !is_account(account) {
            let message = format!("{account:?} is no name of a storage account");
            let problem = Problem::error(format!("{path}.storageAccountName"), message);
            problems.push(problem.with_hint("3 to 24 small letters and digits"));
        }
        match pause {
            Some(pause) if problems.is_empty() => Ok(Self {
                path: path.to_owned(),
                login,
                queue: spec.queue_name.to_string(),
                pause,
                is_encoded: *spec.decode_message,
                is_json: *spec.json_body,
                is_left: *spec.dlq,
                metadata: metadata(&spec.metadata),
            }),
            _ => Err(problems),
        }
    }
}

#[async_trait]
impl Source for AzureQueueStorage {
    fn placement(&self) -> Placement {
        Placement::AllPods
    }

    fn hold_limit(&self) -> Option<Duration> {
        Some(HOLD_LIMIT)
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let messages = Messages::new(self, context);
        Work::new(&messages, context).run().await;
        Ok(())
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => &br#"{"message":"hello"}"#[..],
            Input::Body { body, .. } => body,
            _ => return Err(input.unfit("azureQueueStorage")),
        };
        let message = Message::of(body, now);
        let payload = message.payload(body, self.is_json, &self.metadata);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

fn is_name(queue: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&queue.len())
        && queue.bytes().all(is_letter)
        && !queue.starts_with('-')
        && !queue.ends_with('-')
        && !queue.contains("--")
}

fn is_account(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=24).contains(&name.len()) && name.bytes().all(is_letter)
}
