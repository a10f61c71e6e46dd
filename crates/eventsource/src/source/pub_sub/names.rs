//! The names of a subscription and its topic, those that are left out included: as Argo Events makes them.

use tiphys_api::PubSubEventSource;
use tiphys_lang::json::write_string;

/// Whole names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// `projects/PROJECT/subscriptions/NAME`.
    pub(super) subscription: String,
    /// `projects/PROJECT/topics/NAME`, if the spec names one.
    pub(super) topic: Option<String>,
}

/// What is wrong with the name of a topic or a subscription, and what to do about it.
pub(super) fn fault(name: &str) -> Option<(String, &'static str)> {
    if name.contains('/') {
        let message = format!("{name:?} is a path");
        return Some((
            message,
            "write the name alone: the project is a field of its own",
        ));
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+%".contains(&byte);
    let is_name = (3..=255).contains(&name.len())
        && name.as_bytes()[0].is_ascii_alphabetic()
        && name.bytes().all(is_letter)
        && !name.to_ascii_lowercase().starts_with("goog");
    (!is_name).then(|| {
        let hint = "3 to 255 letters, digits, and -_.~+%, of which the first is a letter; those that begin with \
                    goog are Google's";
        (format!("{name:?} is no name in Pub/Sub"), hint)
    })
}

impl Names {
    /// The names of the event `event` in `project`.
    pub(super) fn of(event: &str, spec: &PubSubEventSource, project: &str) -> Self {
        let topic_project = match spec.topic_project_id.as_str() {
            "" if !spec.topic.is_empty() => project,
            given => given,
        };
        let subscription = match spec.subscription_id.as_str() {
            "" => format!("{event}-{}", hash(event, spec, project, topic_project)),
            given => given.to_owned(),
        };
        let topic = spec.topic.as_str();
        let topic = (!topic.is_empty()).then(|| format!("projects/{topic_project}/topics/{topic}"));
        Self {
            subscription: format!("projects/{project}/subscriptions/{subscription}"),
            topic,
        }
    }
}

/// FNV-1a over the event's name and Go's JSON of its settings: with the same ones, Argo Events names a
/// subscription so, and the messages in it are not lost when tiphys takes over.
fn hash(event: &str, spec: &PubSubEventSource, project: &str, topic_project: &str) -> u32 {
    let mut settings = Json::default();
    settings.text("projectID", project);
    settings.text("topicProjectID", topic_project);
    settings.text("topic", &spec.topic);
    settings.text("subscriptionID", "");
    if let Some(secret) = &spec.credential_secret {
        let mut inner = Json::default();
        inner.text_if_any("name", &secret.name);
        inner.text("key", &secret.key);
        if let Some(optional) = secret.optional {
            inner.member("optional", if optional { "true" } else { "false" });
        }
        settings.member("credentialSecret", &inner.finish());
    }
    for (name, flag) in [
        (
            "deleteSubscriptionOnFinish",
            *spec.delete_subscription_on_finish,
        ),
        ("jsonBody", *spec.json_body),
    ] {
        if flag {
            settings.member(name, "true");
        }
    }
    if !spec.metadata.is_empty() {
        let mut inner = Json::default();
        for (name, value) in spec.metadata.iter() {
            inner.text(name, value);
        }
        settings.member("metadata", &inner.finish());
    }
    if let Some(filter) = &spec.filter {
        let mut inner = Json::default();
        inner.text_if_any("expression", &filter.expression);
        settings.member("filter", &inner.finish());
    }
    let settings = settings.finish();
    event
        .bytes()
        .chain(settings.bytes())
        .fold(0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
}

/// An object, as Go writes it.
#[derive(Default)]
struct Json(String);

impl Json {
    fn member(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        write_string(name, &mut self.0);
        self.0.push(':');
        self.0.push_str(json);
    }

    fn text(&mut self, name: &str, text: &str) {
        let mut json = String::new();
        write_string(text, &mut json);
        self.member(name, &json);
    }

    fn text_if_any(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.text(name, text);
        }
    }

    fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}
