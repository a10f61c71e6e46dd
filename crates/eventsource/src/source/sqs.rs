//! Messages of an SQS queue as a source. A message is deleted after the bus has its event; all pods share the
//! messages.

mod message;
mod queue;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tiphys_api::{Problem, SqsEventSource};
use tiphys_clients::aws::LoginFields;

use self::message::Message;
use self::queue::Messages;
use super::aws::login_problem;
use super::queue::{HOLD_LIMIT, Work};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::served::payload::metadata;

/// How long a call waits for messages if the spec does not say it, and the longest that SQS allows, in
/// seconds.
const WAIT: (u32, u32) = (3, 20);

/// Messages of a queue.
#[derive(Debug)]
pub(crate) struct Sqs {
    path: String,
    spec: SqsEventSource,
    wait_seconds: u32,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for Sqs {
    type Spec = SqsEventSource;

    fn compile(path: &str, spec: &SqsEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, message: String, hint: &str| {
            let problem = Problem::error(format!("{path}.{field}"), message);
            problems.push(problem.with_hint(hint));
        };
        let queue = spec.queue.as_str();
        if !is_name(queue) {
            let hint =
                "write the name of the queue, not its URL or ARN; its account is queueAccountId";
            wrong("queue", format!("{queue:?} is no name of a queue"), hint);
        }
        let wait_seconds = match *spec.wait_time_seconds {
            0 => Some(WAIT.0),
            seconds => u32::try_from(seconds)
                .ok()
                .filter(|seconds| *seconds <= WAIT.1),
        };
        if wait_seconds.is_none() {
            let message = format!(
                "{} is not between 1 and {}",
                *spec.wait_time_seconds, WAIT.1
            );
            wrong("waitTimeSeconds", message, "these are seconds");
        }
        problems.extend(login_problem(path, &login(spec)));
        match wait_seconds {
            Some(wait_seconds) if problems.is_empty() => Ok(Self {
                path: path.to_owned(),
                spec: spec.clone(),
                wait_seconds,
                metadata: metadata(&spec.metadata),
            }),
            _ => Err(problems),
        }
    }
}

#[async_trait]
impl Source for Sqs {
    fn placement(&self) -> Placement {
        Placement::AllPods
    }

    fn hold_limit(&self) -> Option<Duration> {
        Some(HOLD_LIMIT)
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let messages = Messages::open(self, context);
        let messages = tokio::select! {
            () = context.shutdown().cancelled() => return Ok(()),
            messages = messages => messages?,
        };
        Work::new(&messages, context).run().await;
        Ok(())
    }

    fn draft(&self, input: &Input<'_>, _: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => &br#"{"message":"hello"}"#[..],
            Input::Body { body, .. } => body,
            _ => return Err(input.unfit("sqs")),
        };
        let message = Message::of(&String::from_utf8_lossy(body));
        let payload = message.payload(*self.spec.json_body, &self.metadata);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

/// Who asks.
fn login(spec: &SqsEventSource) -> LoginFields<'_> {
    LoginFields {
        access_key: spec.access_key.as_ref(),
        secret_key: spec.secret_key.as_ref(),
        session_token: spec.session_token.as_ref(),
        role_arn: &spec.role_arn,
    }
}

fn is_name(queue: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let name = queue.strip_suffix(FIFO).unwrap_or(queue);
    !name.is_empty() && queue.len() <= 80 && name.bytes().all(is_letter)
}

/// How the names of queues end whose messages have an order.
const FIFO: &str = ".fifo";
