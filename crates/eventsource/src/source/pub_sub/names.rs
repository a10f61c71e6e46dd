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
        return Some((message, "write the name alone: the project is a field of its own"));
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
    let mut json = String::from(event);
    let mut mark = '{';
    let mut member = |name: &str, write: &mut dyn FnMut(&mut String)| {
        json.push(mark);
        mark = ',';
        write_string(name, &mut json);
        json.push(':');
        write(&mut json);
    };
    let texts = [
        ("projectID", project),
        ("topicProjectID", topic_project),
        ("topic", &spec.topic),
        ("subscriptionID", ""),
    ];
    for (name, text) in texts {
        member(name, &mut |json| write_string(text, json));
    }
    if let Some(secret) = &spec.credential_secret {
        member("credentialSecret", &mut |json| {
            json.push('{');
            if !secret.name.is_empty() {
                json.push_str("\"name\":");
                write_string(&secret.name, json);
                json.push(',');
            }
            json.push_str("\"key\":");
            write_string(&secret.key, json);
            if let Some(optional) = secret.optional {
                json.push_str(&format!(",\"optional\":{optional}"));
            }
            json.push('}');
        });
    }
    for (name, flag) in [
        ("deleteSubscriptionOnFinish", *spec.delete_subscription_on_finish),
        ("jsonBody", *spec.json_body),
    ] {
        if flag {
            member(name, &mut |json| json.push_str("true"));
        }
    }
    if !spec.metadata.is_empty() {
        member("metadata", &mut |json| {
            let mut mark = '{';
            for (name, value) in spec.metadata.iter() {
                json.push(mark);
                mark = ',';
                write_string(name, json);
                json.push(':');
                write_string(value, json);
            }
            json.push('}');
        });
    }
    if let Some(filter) = &spec.filter {
        member("filter", &mut |json| {
            json.push('{');
            if !filter.expression.is_empty() {
                json.push_str("\"expression\":");
                write_string(&filter.expression, json);
            }
            json.push('}');
        });
    }
    json.push('}');
    json.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
