//! Messages of a queue of Alibaba's Message Service (MNS, now SMQ) as a source. A message is deleted after the bus
//! has its event; all pods share the messages.

mod message;
mod queue;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tiphys_api::{MnsEventSource, Problem, SecretKeySelector};
use tiphys_clients::http::parse;

use self::message::Message;
use self::queue::Messages;
use super::queue::{HOLD_LIMIT, Work};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};

/// Messages of a queue.
#[derive(Debug)]
pub(crate) struct Mns {
    path: String,
    access_key: SecretKeySelector,
    secret_key: SecretKeySelector,
    queue: String,
    /// Without a slash at its end.
    endpoint: String,
}

impl SourceKind for Mns {
    type Spec = MnsEventSource;

    fn compile(path: &str, spec: &MnsEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, message: String| {
            problems.push(Problem::error(format!("{path}.{field}"), message));
        };
        if !is_name(&spec.queue) {
            wrong("queue", format!("{:?} is no name of a queue", &*spec.queue));
        }
        let endpoint = spec.endpoint.trim_end_matches('/');
        if let Err(error) = parse(endpoint) {
            wrong("endpoint", format!("{endpoint:?} is no URL: {error}"));
        }
        let keys = (spec.access_key.clone(), spec.secret_key.clone());
        for (field, key) in [("accessKey", &keys.0), ("secretKey", &keys.1)] {
            if key.is_none() {
                wrong(field, "a key of a Secret is needed".to_owned());
            }
        }
        match keys {
            (Some(access_key), Some(secret_key)) if problems.is_empty() => Ok(Self {
                path: path.to_owned(),
                access_key,
                secret_key,
                queue: spec.queue.to_string(),
                endpoint: endpoint.to_owned(),
            }),
            _ => Err(problems),
        }
    }
}

#[async_trait]
impl Source for Mns {
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

    fn draft(&self, input: &Input<'_>, _now: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => &b"hello"[..],
            Input::Body { body, .. } => body,
            _ => return Err(input.unfit("mns")),
        };
        Ok(Draft::of(Message::of(body).payload()))
    }
}

fn is_name(queue: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !queue.is_empty() && queue.len() <= 256 && queue.bytes().all(is_letter)
}
