//! One message, and what Slack's answer means.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use reqwest::{Client, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tiphys_api::message::with_causes;
use tiphys_base::Failure as Told;
use tiphys_clients::http::{Settings, is_busy, read, retry_after, unsent};
use tiphys_clients::{Clients, Error};

use super::{Action, Icon};

/// Where messages are posted.
pub(super) const URL: &str = "https://slack.com/api/chat.postMessage";

/// How much of an answer is read.
const ANSWER: usize = 1 << 20;

/// How long an exchange may take.
const WITHIN: Duration = Duration::from_secs(30);

/// What Slack says to an app that it does not let in.
const LOGIN: [&str; 7] = [
    "account_inactive",
    "invalid_auth",
    "missing_scope",
    "not_authed",
    "token_expired",
    "token_revoked",
    "no_permission",
];

/// What it says of a channel that somebody has to open to the app.
const CLOSED: [&str; 3] = ["not_in_channel", "restricted_action", "is_archived"];

/// What it says of a thread whose first message is gone.
const GONE: [&str; 3] = [
    "cannot_reply_to_message",
    "message_not_found",
    "thread_not_found",
];

/// Why a message was not posted.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such thread any more.
    ThreadGone(Error),
    /// Anything else.
    Other(Error),
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::ThreadGone(error) | Self::Other(error) => error,
        }
    }
}

/// As Slack wants it.
#[derive(Serialize)]
struct Message<'a> {
    channel: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_emoji: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reply_broadcast: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    ok: bool,
    error: String,
    ts: String,
    response_metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    messages: Vec<String>,
}

/// The client.
pub(super) fn client(clients: &Clients) -> Result<Client, Error> {
    clients.http.get(&Settings::default())
}

/// Posts a message, as an answer in the thread that began with the message `thread`. Gives what Slack
/// knows the message by.
pub(super) async fn post(
    action: &Action,
    thread: Option<&str>,
    clients: &Clients,
) -> Result<String, Failure> {
    let act = format!("post in #{}", action.channel);
    let sent = async {
        let token = clients.values.find(&action.token).await?.text();
        let request = client(clients)?
            .post(URL)
            .timeout(WITHIN)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .bearer_auth(token.trim())
            .body(message(action, thread)?);
        let sent = request.send().await;
        sent.map_err(|error| unsent(error, true, &act))
    };
    let response = sent.await.map_err(Failure::Other)?;
    judge(response, &act, &action.token.to_string()).await
}

fn message(action: &Action, thread: Option<&str>) -> Result<Vec<u8>, Error> {
    let list = |text: &'_ str| -> Result<Option<Box<RawValue>>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        let list = RawValue::from_string(text.to_owned());
        list.map(Some)
            .map_err(|error| Error::refused(format!("read a list of the message: {error}")))
    };
    let (attachments, blocks) = (list(&action.attachments)?, list(&action.blocks)?);
    let message = Message {
        channel: &action.channel,
        text: &action.message,
        attachments: attachments.as_deref(),
        blocks: blocks.as_deref(),
        username: action.username.as_deref(),
        icon_emoji: match &action.icon {
            Some(Icon::Emoji(name)) => Some(name),
            _ => None,
        },
        icon_url: match &action.icon {
            Some(Icon::Url(url)) => Some(url),
            _ => None,
        },
        thread_ts: thread,
        reply_broadcast: thread.is_some()
            && action
                .thread
                .as_ref()
                .is_some_and(|thread| thread.broadcast),
    };
    serde_json::to_vec(&message)
        .map_err(|error| Error::refused(format!("write the message: {error}")))
}

async fn judge(mut response: Response, act: &str, token: &str) -> Result<String, Failure> {
    let status = response.status();
    let (is_busy, asked) = (is_busy(&response), retry_after(&response));
    let body = read(&mut response, ANSWER).await;
    let other = |error| Err(Failure::Other(error));
    if is_busy {
        let busy = Error::unavailable(format!("{act}: Slack is busy ({status})"));
        return other(busy.with_retry_after(asked));
    }
    if !status.is_success() {
        return other(Error::refused(format!("{act}: Slack answers {status}")));
    }
    let body = match body {
        Ok((body, _)) => body,
        Err(error) => {
            let message = format!("{act}: read the answer: {}", with_causes(&error));
            return other(Error::refused(message));
        }
    };
    let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
        return other(Error::refused(format!("{act}: the answer is not Slack's")));
    };
    if answer.ok {
        return Ok(answer.ts);
    }
    Err(answer.failure(act, token, asked))
}

impl Answer {
    fn failure(self, act: &str, token: &str, asked: Option<Duration>) -> Failure {
        let error = match self.error.as_str() {
            "" => "no reason is given",
            error => error,
        };
        let public = format!("{act}: {error}");
        let wait = |hint: String| Error::unavailable(public.clone()).with_hint(hint);
        match error {
            "ratelimited" | "service_unavailable" => {
                Failure::Other(Error::unavailable(public).with_retry_after(asked))
            }
            error if LOGIN.contains(&error) => Failure::Other(wait(format!(
                "check {token} and the scopes of the app: chat:write, chat:write.public, chat:write.customize for `sender`"
            ))),
            error if CLOSED.contains(&error) => Failure::Other(wait(
                "let the app in: invite it, or reopen the channel".to_owned(),
            )),
            error => {
                // What Slack says of it quotes the message.
                let details = self.response_metadata.messages.join("; ");
                let is_gone = GONE.contains(&error);
                let text = if details.is_empty() {
                    public.clone()
                } else {
                    format!("{public}: {details}")
                };
                let error = Error::Refused(Told::with_values(text, public));
                if is_gone {
                    Failure::ThreadGone(error)
                } else {
                    Failure::Other(error)
                }
            }
        }
    }
}
