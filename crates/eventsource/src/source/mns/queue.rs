//! What is asked of MNS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::BASE64;
use futures::{StreamExt as _, stream};
use hmac::{Hmac, Mac as _};
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use quick_xml::escape::escape;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use sha1::Sha1;
use tiphys_api::message::shortened;
use tiphys_clients::http::{Settings, parse, read};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::Mns;
use super::message::{Message, Page};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::incoming::Incoming;
use crate::source::queue::{HIDDEN_FOR, Handles, Queue, Received};

/// How long an answer may take, beside what it is to wait for messages.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How long a call waits for messages, in seconds: the longest that MNS allows, as Argo Events waits.
const WAIT: u64 = 30;

/// The largest answer that is read, in bytes: 16 messages of 64 KiB, with entities for some of their letters.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// How many calls about one message are under way side by side.
const SIDE_BY_SIDE: usize = 8;

/// How much of what the service says of a failure is reported, in bytes.
const LONGEST_REASON: usize = 200;

/// The version of the interface: there is no newer one.
const VERSION: &str = "2015-06-06";

/// What bodies are.
const XML: &str = "text/xml;charset=utf-8";

/// A message that a queue hides for less is hidden for longer at once: before it is usual there is no time.
const SHORT: i64 = 20_000;

/// A queue, and who asks.
pub(super) struct Messages<'a> {
    source: &'a Mns,
    context: &'a SourceContext,
}

/// What a message is known by; it changes each time that it is hidden for longer.
pub(super) struct Handle {
    receipt: Mutex<String>,
}

/// Why something was not done, or several things.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Refusal {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message")]
    message: String,
    #[serde(rename = "Error")]
    parts: Vec<Part>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Part {
    #[serde(rename = "ErrorCode")]
    code: String,
    #[serde(rename = "ReceiptHandle")]
    receipt: String,
}

#[derive(Deserialize)]
struct Hidden {
    #[serde(rename = "ReceiptHandle")]
    receipt: String,
}

/// What the service said.
enum Answer {
    Done(Vec<u8>),
    Refused(StatusCode, Refusal),
}

impl<'a> Messages<'a> {
    pub(super) fn new(source: &'a Mns, context: &'a SourceContext) -> Self {
        Self { source, context }
    }

    /// A request about messages. The Secrets are read each time, so that rotated ones count.
    async fn request(
        &self,
        act: &str,
        method: Method,
        query: &[(&str, &str)],
        body: String,
    ) -> Result<RequestBuilder, SourceError> {
        let Mns {
            queue, endpoint, ..
        } = self.source;
        let user = self.context.secret(&self.source.access_key).await?.text();
        let key = self.context.secret(&self.source.secret_key).await?.text();
        let failed = || SourceError::new(Reason::Configuration, act);
        let url = parse(&format!("{endpoint}/queues/{queue}/messages"));
        let mut url = url.map_err(|error| failed().because(error))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let date = date(self.context.clock().now());
        let signature = sign(&key, &signed(&method, &date, &url));
        let login = HeaderValue::from_str(&format!("MNS {}:{signature}", user.trim()));
        let mut login = login.map_err(|_| {
            failed().because(format!(
                "{}.accessKey cannot stand in a header",
                self.source.path
            ))
        })?;
        login.set_sensitive(true);
        let client = self.context.clients().http.get(&Settings::default());
        let client = client.map_err(|error| failed().because(error))?;
        let request = client
            .request(method, url)
            .header(http::header::AUTHORIZATION, login)
            .header(http::header::CONTENT_TYPE, XML)
            .header(http::header::DATE, date)
            .header("x-mns-version", VERSION);
        Ok(request.body(body))
    }

    /// One call.
    async fn call(
        &self,
        act: &str,
        method: Method,
        query: &[(&str, &str)],
        body: String,
        within: Duration,
    ) -> Result<Answer, SourceError> {
        let act = self.act(act);
        let request = self.request(&act, method, query, body).await?;
        let answer = async {
            let mut response = request.send().await?;
            let status = response.status();
            let (body, _) = read(&mut response, LARGEST_ANSWER).await?;
            Ok((status, body))
        };
        let failed = || SourceError::new(Reason::Unreachable, act.clone());
        match timeout(within, answer).await {
            Ok(Ok((status, body))) if status.is_success() => Ok(Answer::Done(body)),
            Ok(Ok((status, body))) => {
                let refusal = quick_xml::de::from_str(&String::from_utf8_lossy(&body));
                Ok(Answer::Refused(status, refusal.unwrap_or_default()))
            }
            Ok(Err(error)) => {
                let error: reqwest::Error = error;
                let hint = format!("check {}.endpoint", self.source.path);
                Err(failed().because(error.without_url()).with_hint(hint))
            }
            Err(_) => {
                let seconds = within.as_secs();
                Err(failed().because(format!("no answer in {seconds} s")))
            }
        }
    }

    fn act(&self, act: &str) -> String {
        format!("{act} queue {}", self.source.queue)
    }

    /// Why the service did not do it, with the field that a human has to look at.
    fn refused(&self, act: &str, status: StatusCode, refusal: &Refusal) -> SourceError {
        let path = &self.source.path;
        let reason = reason(status, &refusal.code);
        let text = shortened(&refusal.message, LONGEST_REASON);
        let why = format!("{status} {}: {text}", refusal.code);
        let act = self.act(act);
        let act = match reason {
            Reason::Unauthorized => format!("{act} with {path}.accessKey and secretKey"),
            _ => act,
        };
        let hint = match reason {
            Reason::Unauthorized => "check both keys in the Secret".to_owned(),
            Reason::Forbidden => {
                "it needs mns:ReceiveMessage, mns:DeleteMessage and mns:ChangeMessageVisibility for the queue"
                    .to_owned()
            }
            Reason::NotFound => format!("check {path}.queue and {path}.endpoint"),
            _ if refusal.code == "TimeExpired" => "the clock of the node is wrong".to_owned(),
            _ => String::new(),
        };
        SourceError::new(reason, act).because(why).with_hint(hint)
    }

    fn received(&self, message: Message) -> Received<Handle> {
        let event = Incoming::new(message.payload());
        Received {
            event: Ok(event.identified_by([&self.source.queue, &message.id])),
            size: message.body.len(),
            handle: Handle {
                receipt: Mutex::new(message.receipt),
            },
        }
    }

    /// Hides one message. Nothing, if it is somebody else's by now, or gone.
    async fn hide_one(&self, handle: &Handle, time: Duration) -> Result<(), SourceError> {
        let act = "hide a message of";
        // Whoever calls next needs what this call leads to.
        let mut receipt = handle.receipt.lock().await;
        // MNS knows no shorter time.
        let seconds = time.as_secs().max(1).to_string();
        let query = [
            ("ReceiptHandle", receipt.as_str()),
            ("VisibilityTimeout", &seconds),
        ];
        let called = self.call(act, Method::PUT, &query, String::new(), ANSWER_WITHIN);
        match called.await? {
            Answer::Done(body) => {
                if let Ok(hidden) =
                    quick_xml::de::from_str::<Hidden>(&String::from_utf8_lossy(&body))
                {
                    *receipt = hidden.receipt;
                }
                Ok(())
            }
            Answer::Refused(_, refusal) if is_over(&refusal.code) => Ok(()),
            Answer::Refused(status, refusal) => Err(self.refused(act, status, &refusal)),
        }
    }
}

#[async_trait]
impl Queue for Messages<'_> {
    type Handle = Handle;

    const BATCH: usize = 16;

    async fn receive(
        &self,
        most: usize,
        waits: bool,
    ) -> Result<Vec<Received<Handle>>, SourceError> {
        let act = "receive from";
        let (most, wait) = (most.to_string(), WAIT.to_string());
        let mut query = vec![("numOfMessages", most.as_str())];
        let mut within = ANSWER_WITHIN;
        if waits {
            query.push(("waitseconds", &wait));
            within += Duration::from_secs(WAIT);
        }
        let called = self.call(act, Method::GET, &query, String::new(), within);
        let body = match called.await? {
            Answer::Done(body) => body,
            Answer::Refused(_, refusal) if refusal.code == "MessageNotExist" => {
                return Ok(Vec::new());
            }
            Answer::Refused(status, refusal) => return Err(self.refused(act, status, &refusal)),
        };
        let page = quick_xml::de::from_str(&String::from_utf8_lossy(&body));
        let page: Page = page
            .map_err(|error| SourceError::new(Reason::Malformed, self.act(act)).because(error))?;
        let soon = self.context.clock().now().as_millisecond() + SHORT;
        let messages = page.messages.into_iter().map(|message| async move {
            let is_short = message.visible_at < soon;
            let received = self.received(message);
            if is_short {
                self.hide_one(&received.handle, HIDDEN_FOR).await?;
            }
            Ok(received)
        });
        let messages = stream::iter(messages.collect::<Vec<_>>()).buffered(SIDE_BY_SIDE);
        let messages: Vec<Result<_, SourceError>> = messages.collect().await;
        messages.into_iter().collect()
    }

    async fn delete(&self, handles: Handles<Handle>) -> Result<Handles<Handle>, SourceError> {
        let act = "delete messages of";
        let mut receipts = Vec::new();
        for handle in &handles {
            receipts.push(handle.receipt.lock().await.clone());
        }
        let called = self.call(act, Method::DELETE, &[], list(&receipts), ANSWER_WITHIN);
        match called.await? {
            Answer::Done(_) => Ok(Vec::new()),
            Answer::Refused(status, refusal) if refusal.parts.is_empty() => {
                Err(self.refused(act, status, &refusal))
            }
            Answer::Refused(_, refusal) => {
                let again = refusal.parts.iter().filter(|part| !is_over(&part.code));
                let again = again.filter_map(|part| {
                    let at = receipts
                        .iter()
                        .position(|receipt| *receipt == part.receipt)?;
                    Some(Arc::clone(handles.get(at)?))
                });
                Ok(again.collect())
            }
        }
    }

    async fn hide(&self, handles: Handles<Handle>, time: Duration) -> Result<(), SourceError> {
        let calls = handles.iter().map(|handle| self.hide_one(handle, time));
        let calls = stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(SIDE_BY_SIDE);
        let hidden: Vec<Result<(), SourceError>> = calls.collect().await;
        hidden.into_iter().collect()
    }
}

/// Whether a message is somebody else's by now, or gone.
fn is_over(code: &str) -> bool {
    matches!(code, "MessageNotExist" | "ReceiptHandleError")
}

fn reason(status: StatusCode, code: &str) -> Reason {
    match (status, code) {
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidAuthorizationHeader") => {
            Reason::Unauthorized
        }
        (_, "QueueNotExist") => Reason::NotFound,
        (_, "QpsLimitExceeded") | (StatusCode::TOO_MANY_REQUESTS, _) => Reason::TooManyRequests,
        (StatusCode::UNAUTHORIZED, _) => Reason::Unauthorized,
        (StatusCode::FORBIDDEN, _) => Reason::Forbidden,
        (StatusCode::NOT_FOUND, _) => Reason::NotFound,
        (status, _) if status.is_server_error() => Reason::Unreachable,
        (StatusCode::BAD_REQUEST, _) => Reason::Invalid,
        _ => Reason::Refused,
    }
}

/// What a request says of the messages that it is about.
pub(super) fn list(receipts: &[String]) -> String {
    let mut text = r#"<ReceiptHandles xmlns="http://mns.aliyuncs.com/doc/v1/">"#.to_owned();
    for receipt in receipts {
        text.extend(["<ReceiptHandle>", &escape(receipt), "</ReceiptHandle>"]);
    }
    text.push_str("</ReceiptHandles>");
    text
}

/// What is signed: no digest of the body is sent.
pub(super) fn signed(method: &Method, date: &str, url: &Url) -> String {
    let query = url.query().map(|query| format!("?{query}"));
    format!(
        "{method}\n\n{XML}\n{date}\nx-mns-version:{VERSION}\n{}{}",
        url.path(),
        query.unwrap_or_default()
    )
}

pub(super) fn sign(key: &str, text: &str) -> String {
    // A key of any length will do.
    let mac = Hmac::<Sha1>::new_from_slice(key.trim().as_bytes());
    mac.map_or_else(
        |_| String::new(),
        |mac| BASE64.encode(&mac.chain_update(text).finalize().into_bytes()),
    )
}

/// A time as HTTP writes it.
fn date(now: Timestamp) -> String {
    let now = now.to_zoned(TimeZone::UTC);
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
