//! What is asked of SQS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tiphys_clients::aws::{Error, LoginRef, Service};

use super::message::Message;
use super::{FIFO, Sqs, login};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::source::aws::failed;
use crate::source::broker::incoming;
use crate::source::queue::{HIDDEN_FOR, Handles, Queue, Received};

/// How long an answer may take, beside what it waits for messages.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

const HINT: &str = "it needs sqs:GetQueueUrl, sqs:ReceiveMessage, sqs:DeleteMessage and \
                    sqs:ChangeMessageVisibility for the queue, and kms:Decrypt if that is encrypted";

/// A queue, and who asks.
pub(super) struct Messages<'a> {
    source: &'a Sqs,
    context: &'a SourceContext,
    service: Service,
    login: LoginRef,
    url: String,
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "QueueUrl")]
    url: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Page {
    messages: Vec<Message>,
}

/// What became of the parts of a batch.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Batch {
    failed: Vec<Failed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    #[serde(default)]
    sender_fault: bool,
    #[serde(default)]
    code: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    id: String,
    receipt_handle: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility_timeout: Option<u64>,
}

impl<'a> Messages<'a> {
    /// Finds the queue.
    pub(super) async fn open(
        source: &'a Sqs,
        context: &'a SourceContext,
    ) -> Result<Self, SourceError> {
        let spec = &source.spec;
        let login = login(spec).login(&context.event().namespace);
        let service = Service::new(
            context.clients(),
            "sqs",
            &spec.region,
            &spec.endpoint,
            login.clone(),
        );
        let service = service.map_err(|error| failed("ask SQS", error))?;
        let mut queue = Self {
            source,
            context,
            service,
            login,
            url: String::new(),
        };
        let mut wanted = json!({"QueueName": &*spec.queue});
        if !spec.queue_account_id.is_empty() {
            wanted["QueueOwnerAWSAccountId"] = spec.queue_account_id.as_str().into();
        }
        let found: Found = queue
            .call("find", "GetQueueUrl", &wanted, ANSWER_WITHIN)
            .await?;
        queue.url = found.url;
        Ok(queue)
    }

    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        act: &str,
        operation: &str,
        body: &Value,
        within: Duration,
    ) -> Result<T, SourceError> {
        let operation = format!("AmazonSQS.{operation}");
        let service = &self.service;
        let answered = service
            .json(self.context.clients(), &operation, body, within)
            .await;
        answered.map_err(|error| self.failed(act, error))
    }

    /// With the field that a human has to look at.
    fn failed(&self, act: &str, error: Error) -> SourceError {
        let Sqs { path, spec, .. } = self.source;
        let (queue, region) = (&*spec.queue, &*spec.region);
        let act = format!("{act} queue {queue} in {region}");
        match error.reason {
            Reason::Unauthorized | Reason::Missing => {
                let whom = match self.login {
                    LoginRef::Keys(_) => format!("{path}.accessKey and secretKey"),
                    LoginRef::Role(_) => format!("{path}.roleARN"),
                    _ => "the login of the pod".to_owned(),
                };
                failed(format!("{act} with {whom}"), error)
            }
            Reason::Forbidden => {
                let hint = format!("{}: {HINT}", error.hint);
                failed(act, error).with_hint(hint)
            }
            Reason::NotFound => failed(act, error).with_hint(format!(
                "check {path}.queue, {path}.region and {path}.queueAccountId; who may not see a queue is told \
                 that there is none"
            )),
            _ => failed(act, error),
        }
    }

    /// Calls an operation for several messages. Those that it has to be called for again.
    async fn batch(
        &self,
        act: &str,
        operation: &str,
        receipts: &[Arc<String>],
        time: Option<Duration>,
    ) -> Result<Handles<String>, SourceError> {
        let entries = receipts.iter().enumerate().map(|(index, receipt)| Entry {
            id: index.to_string(),
            receipt_handle: receipt,
            visibility_timeout: time.map(|time| time.as_secs()),
        });
        let entries: Vec<Entry<'_>> = entries.collect();
        let body = json!({"QueueUrl": self.url, "Entries": entries});
        let batch: Batch = self.call(act, operation, &body, ANSWER_WITHIN).await?;
        let again = batch.failed.into_iter().filter_map(|failed| {
            let Failed {
                id,
                sender_fault,
                code,
            } = failed;
            tracing::debug!(code, operation, "A message of SQS may come again");
            let receipt = receipts.get(id.parse::<usize>().ok()?)?;
            (!sender_fault).then(|| receipt.clone())
        });
        Ok(again.collect())
    }

    fn received(&self, message: Message) -> Received<String> {
        let spec = &self.source.spec;
        let payload = message.payload(*spec.json_body, &self.source.metadata);
        let size = message.body.len();
        let event = match payload {
            Err(error) if *spec.dlq => {
                let id = &message.id;
                Err(format!(
                    "message {id} is left to the dead-letter queue: {error}"
                ))
            }
            payload => {
                let event = incoming(payload, &message.body.clone().into());
                let event = event.identified_by([&*spec.queue, &message.id]);
                Ok(match message.group() {
                    Some(group) if spec.queue.ends_with(FIFO) => event.in_order(group),
                    _ => event,
                })
            }
        };
        Received {
            handle: message.receipt,
            size,
            event,
        }
    }
}

#[async_trait]
impl Queue for Messages<'_> {
    type Handle = String;

    const BATCH: usize = 10;

    async fn receive(
        &self,
        most: usize,
        waits: bool,
    ) -> Result<Vec<Received<String>>, SourceError> {
        let wait = if waits { self.source.wait_seconds } else { 0 };
        let body = json!({
            "QueueUrl": self.url,
            "AttributeNames": ["MessageGroupId"],
            "MessageAttributeNames": ["All"],
            "MaxNumberOfMessages": most,
            "VisibilityTimeout": HIDDEN_FOR.as_secs(),
            "WaitTimeSeconds": wait,
        });
        let within = ANSWER_WITHIN + Duration::from_secs(wait.into());
        let page: Page = self
            .call("receive from", "ReceiveMessage", &body, within)
            .await?;
        let messages = page.messages.into_iter();
        Ok(messages.map(|message| self.received(message)).collect())
    }

    async fn delete(&self, handles: Handles<String>) -> Result<Handles<String>, SourceError> {
        self.batch("delete messages of", "DeleteMessageBatch", &handles, None)
            .await
    }

    async fn hide(&self, handles: Handles<String>, time: Duration) -> Result<(), SourceError> {
        let operation = "ChangeMessageVisibilityBatch";
        self.batch("hide messages of", operation, &handles, Some(time))
            .await
            .map(drop)
    }
}
