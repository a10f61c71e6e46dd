//! The `slack` trigger: posts a message in a channel.
//!
//! Messages of one `messageAggregationKey` stand in one thread. Which one that is is kept on the bus, so
//! that a restart begins no second one.

mod post;
mod threads;

use std::hash::{Hash as _, Hasher};

use serde::Serialize;
use serde::de::IgnoredAny;
use tiphys_api::{
    Problem, SecretKeySelector, SlackTrigger, TriggerKind, TriggerParameter, TriggerTemplate,
};
use tiphys_clients::ValueRef;

pub(super) use self::threads::Threads;

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};

/// A message to be posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Name or id of the channel, without a leading `#`.
    pub channel: String,
    /// The text; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// A list of attachments, as JSON; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub attachments: String,
    /// A list of blocks, as JSON; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub blocks: String,
    /// The thread that it belongs to. `None`: to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
    /// Who it is from. `None`: the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The picture that is shown with it. `None`: the app's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<Icon>,
    /// Where the token of the app is.
    pub token: ValueRef,
}

/// The thread that a message belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    /// What all its messages have in common.
    pub key: String,
    /// They are shown in the channel, too.
    pub broadcast: bool,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Icon {
    /// Its name between colons.
    Emoji(String),
    /// Where it is.
    Url(String),
}

/// A compiled `slack` template.
#[derive(Debug)]
pub(super) struct Template {
    spec: SlackTrigger,
    token: SecretKeySelector,
}

impl Kind for Template {
    type Spec = SlackTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::Slack;
    // Slack has nothing to tell a second message from the first by.
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&SlackTrigger> {
        template.slack.as_deref()
    }

    fn parameters(spec: &SlackTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(spec: &SlackTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let Some(token) = &spec.slack_token else {
            let field = format!("{field}.slackToken");
            problems.push(Problem::error(field, "must be specified"));
            return None;
        };
        let icon = spec.sender.as_ref().map_or("", |sender| &sender.icon);
        if !icon.is_empty() && self::icon(icon).is_none() {
            let message = format!("{icon:?} is neither an emoji, such as `:ship:`, nor a URL");
            problems.push(Problem::warning(format!("{field}.sender.icon"), message));
        }
        Some(Self {
            spec: spec.clone(),
            token: token.clone(),
        })
    }

    /// With what Argo Events says of it.
    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let spec = &self.spec;
        let mut unmet = Vec::new();
        if channel(spec).is_empty() {
            unmet.push(Unmet::new("channel", "no slack channel provided"));
        }
        if spec.message.is_empty() && spec.attachments.is_empty() && spec.blocks.is_empty() {
            let message =
                "no text to post: At least one of message/attachments/blocks should be provided";
            unmet.push(Unmet {
                also: &["attachments", "blocks"],
                ..Unmet::new("message", message)
            });
        }
        for (name, text) in [("attachments", &spec.attachments), ("blocks", &spec.blocks)] {
            unmet.extend(Unmet::of(name, list(name, text)));
        }
        unmet
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let spec = &self.spec;
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let sender = spec.sender.as_ref();
        Ok(Action {
            channel: channel(spec).to_owned(),
            message: spec.message.to_string(),
            attachments: spec.attachments.to_string(),
            blocks: spec.blocks.to_string(),
            thread: spec.thread.as_ref().and_then(|thread| {
                Some(Thread {
                    key: given(&thread.message_aggregation_key)?,
                    broadcast: *thread.broadcast_message_to_channel,
                })
            }),
            username: sender.and_then(|sender| given(&sender.username)),
            icon: sender.and_then(|sender| icon(&sender.icon)),
            token: ValueRef::secret(&self.token, input.namespace),
        })
    }

    /// A channel may be closed to the app, and not the next one.
    fn target(action: &Action, target: &mut impl Hasher) {
        (post::URL, action.token.to_string(), &action.channel).hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let channel = &action.channel;
        let act = match &action.thread {
            Some(Thread { key, .. }) => format!("post in #{channel}, thread {key}"),
            None => format!("post in #{channel}"),
        };
        let mut parts = vec![Part::Act(act)];
        parts.extend(Part::lines(&action.message));
        for (name, list) in [
            ("attachments", &action.attachments),
            ("blocks", &action.blocks),
        ] {
            if !list.is_empty() {
                parts.push(Part::Line(format!("{name}: {list}")));
            }
        }
        parts
    }

    /// Makes the client.
    async fn warm(&self, context: &Context, _: &str) {
        drop(post::client(&context.clients));
    }

    async fn perform(
        action: &Action,
        context: &Context,
        caller: Caller<'_>,
    ) -> Result<(), PerformError> {
        let Some(thread) = &action.thread else {
            let post = post::post(action, None, &context.clients).await;
            return post.map(drop).map_err(post::Failure::into_error);
        };
        context.threads.post(action, thread, context, caller).await
    }
}

fn channel(spec: &SlackTrigger) -> &str {
    spec.channel.strip_prefix('#').unwrap_or(&spec.channel)
}

/// A list, as JSON, if there is one.
fn list(name: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let list = serde_json::from_str::<Vec<IgnoredAny>>(text);
    list.map(drop)
        .map_err(|error| format!("slack.{name} is no list in JSON: {error}"))
}

fn icon(text: &str) -> Option<Icon> {
    let is_emoji = text.len() > 2 && text.starts_with(':') && text.ends_with(':');
    if is_emoji {
        return Some(Icon::Emoji(text.to_owned()));
    }
    let url = tiphys_clients::http::parse(text).ok()?;
    url.host_str()?;
    Some(Icon::Url(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_an_emoji_or_a_url() {
        let emoji = Icon::Emoji(":ship:".to_owned());
        assert_eq!(icon(":ship:"), Some(emoji));
        let url = "https://us.example/ship.png";
        assert_eq!(icon(url), Some(Icon::Url(url.to_owned())));
        for none in [
            "",
            ":",
            "::",
            "ship",
            "ftp://us.example/ship.png",
            "https://",
        ] {
            assert_eq!(icon(none), None, "{none}");
        }
    }
}
