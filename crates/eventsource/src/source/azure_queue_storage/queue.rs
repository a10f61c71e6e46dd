//! What is asked of Azure Queue Storage.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::RequestBuilder;
use serde::Deserialize;
use tiphys_api::message::shortened;
use tiphys_clients::azure::entra::STORAGE;
use tiphys_clients::http::{Settings, parse, read};
use tiphys_clients::tls::Tls;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::account::Account;
use super::message::{Message, Page};
use super::{AzureQueueStorage, LoginBy};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::incoming::Incoming;
use crate::source::queue::{HIDDEN_FOR, Handles, Queue, Received};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// The largest answer that is read, in bytes: 32 messages of 64 KiB, with entities for some of their letters.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// How many calls about one message are under way side by side.
const SIDE_BY_SIDE: usize = 8;

/// How much of what the service says of a failure is reported, in bytes.
const LONGEST_REASON: usize = 200;

/// A queue, and who asks.
pub(super) struct Messages<'a> {
    source: &'a AzureQueueStorage,
    context: &'a SourceContext,
}

/// What a message is known by; it changes with each call about it.
pub(super) struct Handle {
    id: String,
    receipt: Mutex<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Refusal {
    code: String,
    message: String,
}

impl<'a> Messages<'a> {
    pub(super) fn new(source: &'a AzureQueueStorage, context: &'a SourceContext) -> Self {
        Self { source, context }
    }

    /// A request about the messages, or about one of them. The Secret is read each time, so that a rotated one
    /// counts.
    async fn request(
        &self,
        act: &str,
        method: Method,
        message: &str,
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, SourceError> {
        let AzureQueueStorage { queue, .. } = self.source;
        let account = self.account().await?;
        let failed = || SourceError::new(Reason::Configuration, act);
        let url = format!("{}/{queue}/messages{message}", account.endpoint);
        let mut url = parse(&url).map_err(|error| failed().because(error))?;
        url.query_pairs_mut().extend_pairs(query);
        let signed = account.sign(&method, url, &date(self.context.clock().now()));
        let (url, headers) = signed.map_err(|error| failed().because(error))?;
        let client = self.context.clients().http.get(&Settings {
            tls: Tls::default(),
            proxies: true,
            follows: false,
        });
        let client = client.map_err(|error| failed().because(error))?;
        // An empty body, whose length has to be said.
        Ok(client.request(method, url).headers(headers).body(""))
    }

    /// The account, and who asks.
    async fn account(&self) -> Result<Account, SourceError> {
        let (path, context) = (&self.source.path, self.context);
        match &self.source.login {
            LoginBy::ConnectionString(secret) => {
                let text = context.secret(secret).await?;
                Account::read(&text.text()).map_err(|error| {
                    let act = format!("read {path}.connectionString");
                    SourceError::new(Reason::Configuration, act).because(error)
                })
            }
            LoginBy::Pod(name) => {
                let clients = context.clients();
                let token = clients.entra.token(clients, STORAGE).await;
                let token = token.map_err(|error| {
                    let act = format!("log in to the account of {path}.storageAccountName");
                    let hint = error.hint.clone();
                    SourceError::new(error.reason, act)
                        .because(error)
                        .with_hint(hint)
                })?;
                Ok(Account::of_token(name, token.text))
            }
        }
    }

    /// One call.
    async fn call(
        &self,
        act: &str,
        method: Method,
        message: &str,
        query: &[(&str, &str)],
    ) -> Result<(HeaderMap, Vec<u8>), SourceError> {
        let act = format!("{act} queue {}", self.source.queue);
        let request = self.request(&act, method, message, query).await?;
        let answer = async {
            let mut response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let (body, _) = read(&mut response, LARGEST_ANSWER).await?;
            Ok((status, headers, body))
        };
        let failed = || SourceError::new(Reason::Unreachable, act.clone());
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok((status, headers, body))) if status.is_success() => Ok((headers, body)),
            Ok(Ok((status, headers, body))) => Err(self.refused(&act, status, &headers, &body)),
            Ok(Err(error)) => {
                let error: reqwest::Error = error;
                Err(failed().because(error.without_url()))
            }
            Err(_) => {
                let seconds = ANSWER_WITHIN.as_secs();
                Err(failed().because(format!("no answer in {seconds} s")))
            }
        }
    }

    /// Why the service did not do it, with the field that a human has to look at.
    fn refused(
        &self,
        act: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> SourceError {
        let path = &self.source.path;
        let refusal: Refusal =
            quick_xml::de::from_str(String::from_utf8_lossy(body).trim_start_matches('\u{feff}'))
                .unwrap_or_default();
        let header = headers
            .get("x-ms-error-code")
            .and_then(|code| code.to_str().ok());
        let code = header.unwrap_or(&refusal.code);
        let reason = reason(status, code);
        // Further lines are about the request, with its signature.
        let text = refusal.message.lines().next().unwrap_or_default();
        let why = format!("{status} {code}: {}", shortened(text, LONGEST_REASON));
        let (login, field) = (&self.source.login, self.source.login.field());
        let whom = match reason {
            Reason::Unauthorized => format!("{act} with {path}.{field}"),
            _ => act.to_owned(),
        };
        let error = SourceError::new(reason, whom).because(why);
        match (reason, login) {
            (Reason::Unauthorized, LoginBy::ConnectionString(_)) => {
                error.with_hint("check the key or the signature in the Secret")
            }
            (Reason::Unauthorized, LoginBy::Pod(_)) => {
                // The next request asks for another one.
                self.context.clients().entra.forget(STORAGE);
                error.with_hint("check the identity of the service account of the pod")
            }
            (Reason::Forbidden, LoginBy::ConnectionString(_)) => {
                error.with_hint("a signature needs the right to process messages of queues")
            }
            (Reason::Forbidden, LoginBy::Pod(_)) => error.with_hint(
                "give the identity of the pod the role Storage Queue Data Message Processor",
            ),
            (Reason::NotFound, _) => error.with_hint(format!(
                "check {path}.queueName and the account in {path}.{field}"
            )),
            _ => error,
        }
    }

    fn received(&self, message: Message) -> Received<Handle> {
        let AzureQueueStorage {
            queue,
            is_encoded,
            is_json,
            is_left,
            metadata,
            ..
        } = self.source;
        let body = message.body(*is_encoded);
        let payload = body.and_then(|body| {
            let payload = message.payload(&body, *is_json, metadata);
            payload.map_err(|error| error.to_string())
        });
        let size = message.text.len();
        let id = message.id;
        let event = match payload {
            Ok(payload) => Ok(Incoming::new(payload)),
            Err(error) if *is_left => Err(format!("message {id} is left in the queue: {error}")),
            Err(error) => Ok(Incoming::unreadable(message.text, error)),
        };
        Received {
            event: event.map(|event| event.identified_by([queue, &id])),
            handle: Handle {
                id,
                receipt: Mutex::new(message.receipt),
            },
            size,
        }
    }

    /// Calls for one message. Nothing, if it is somebody else's by now, or gone.
    async fn about(
        &self,
        act: &str,
        method: Method,
        handle: &Handle,
        visible_in: Option<Duration>,
    ) -> Result<(), SourceError> {
        // Whoever calls next needs what this call leads to.
        let mut receipt = handle.receipt.lock().await;
        let seconds = visible_in.map(|time| time.as_secs().to_string());
        let mut query = vec![("popreceipt", receipt.as_str())];
        query.extend(
            seconds
                .as_deref()
                .map(|seconds| ("visibilitytimeout", seconds)),
        );
        let called = self
            .call(act, method, &format!("/{}", handle.id), &query)
            .await;
        match called {
            Ok((headers, _)) => {
                let next = headers
                    .get("x-ms-popreceipt")
                    .and_then(|next| next.to_str().ok());
                if let Some(next) = next {
                    next.clone_into(&mut receipt);
                }
                Ok(())
            }
            Err(error) if matches!(error.reason(), Reason::Gone | Reason::Conflict) => {
                tracing::debug!(id = handle.id, "A message of Azure may come again");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Calls for each message, and waits for all. The first failure.
    async fn about_all(
        &self,
        act: &str,
        method: &Method,
        handles: &[Arc<Handle>],
        visible_in: Option<Duration>,
    ) -> Result<Handles<Handle>, SourceError> {
        let calls = handles.iter().map(|handle| async move {
            let done = self.about(act, method.clone(), handle, visible_in).await;
            (handle, done)
        });
        let mut calls = stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(SIDE_BY_SIDE);
        let (mut left, mut failure) = (Vec::new(), None);
        while let Some((handle, done)) = calls.next().await {
            if let Err(error) = done {
                left.push(handle.clone());
                failure = failure.or(Some(error));
            }
        }
        match failure {
            Some(error) if left.len() == handles.len() => Err(error),
            _ => Ok(left),
        }
    }
}

#[async_trait]
impl Queue for Messages<'_> {
    type Handle = Handle;

    const BATCH: usize = 32;

    async fn receive(
        &self,
        most: usize,
        _waits: bool,
    ) -> Result<Vec<Received<Handle>>, SourceError> {
        let (most, hidden) = (most.to_string(), HIDDEN_FOR.as_secs().to_string());
        let query = [("numofmessages", &*most), ("visibilitytimeout", &*hidden)];
        let act = "receive from";
        let (_, body) = self.call(act, Method::GET, "", &query).await?;
        let text = String::from_utf8_lossy(&body);
        let page: Page =
            quick_xml::de::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
                SourceError::new(
                    Reason::Malformed,
                    format!("{act} queue {}", self.source.queue),
                )
                .because(error)
            })?;
        let messages = page.messages.into_iter();
        Ok(messages.map(|message| self.received(message)).collect())
    }

    async fn delete(&self, handles: Handles<Handle>) -> Result<Handles<Handle>, SourceError> {
        let act = "delete a message of";
        self.about_all(act, &Method::DELETE, &handles, None).await
    }

    async fn hide(&self, handles: Handles<Handle>, time: Duration) -> Result<(), SourceError> {
        let act = "hide a message of";
        let left = self
            .about_all(act, &Method::PUT, &handles, Some(time))
            .await;
        left.map(drop)
    }

    fn pause(&self) -> Duration {
        self.source.pause
    }
}

fn reason(status: StatusCode, code: &str) -> Reason {
    match (status, code) {
        (_, "MessageNotFound") => Reason::Gone,
        (_, "PopReceiptMismatch") => Reason::Conflict,
        (StatusCode::UNAUTHORIZED, _)
        | (_, "AuthenticationFailed" | "InvalidAuthenticationInfo") => Reason::Unauthorized,
        (StatusCode::FORBIDDEN, _) => Reason::Forbidden,
        (StatusCode::NOT_FOUND, _) => Reason::NotFound,
        (StatusCode::TOO_MANY_REQUESTS, _) | (_, "ServerBusy") => Reason::TooManyRequests,
        (status, _) if status.is_server_error() => Reason::Unreachable,
        (StatusCode::BAD_REQUEST, _) => Reason::Invalid,
        _ => Reason::Refused,
    }
}

/// A time as HTTP writes it.
fn date(now: Timestamp) -> String {
    let now = now.to_zoned(TimeZone::UTC);
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
