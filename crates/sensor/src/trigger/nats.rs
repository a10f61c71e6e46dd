//! The `nats` trigger: renders a message.

use tiphys_api::{NatsTrigger, Problem, TlsConfig, TriggerParameter};

use super::written::{Compile, Written, payload};
use super::{FireError, Source, Steps};
use crate::action::{Action, BasicAuth, NatsAction, NatsAuth, Tls, ValueRef};
use crate::parameter::Parameter;
use crate::view::Views;

/// A compiled `nats` template.
#[derive(Debug)]
pub(super) struct Template(Written<Message>);

/// A message without its events.
#[derive(Debug)]
struct Message {
    url: String,
    subject: String,
    payload: Vec<Parameter>,
    auth: Option<tiphys_api::NatsAuth>,
    tls: Option<TlsConfig>,
}

impl Template {
    pub(super) fn compile(
        spec: &NatsTrigger,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        Written::compile(spec, field, problems).map(Self)
    }

    pub(super) fn render(
        &self,
        views: &Views<'_>,
        source: &Source<'_>,
        steps: &mut Steps,
    ) -> Result<Action, FireError> {
        self.0
            .render(views, steps, |message| message.render(views, source))
            .map(Action::Nats)
    }
}

impl Compile for Message {
    type Spec = NatsTrigger;
    const FIELD: &str = "nats";

    fn parameters(spec: &NatsTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(spec: &NatsTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        if spec.url.is_empty() {
            problems.push(Problem::error(
                format!("{field}.url"),
                "nats server url can't be empty",
            ));
        }
        if !is_subject(&spec.subject) {
            let problem = Problem::error(format!("{field}.subject"), subject_fault(&spec.subject));
            problems.push(problem);
        }
        let Some(payload) = &spec.payload else {
            problems.push(Problem::error(
                format!("{field}.payload"),
                "payload can't be nil",
            ));
            return None;
        };
        if let Some(Err(error)) = spec.tls.as_ref().map(|tls| Tls::of(tls, "")) {
            problems.push(Problem::error(format!("{field}.tls"), error.to_string()));
        }
        let payload = Parameter::compile_all(payload, &format!("{field}.payload"), problems);
        (problems.len() == before).then(|| Self {
            url: spec.url.to_string(),
            subject: spec.subject.to_string(),
            payload,
            auth: spec.auth.clone(),
            tls: spec.tls.clone(),
        })
    }
}

/// Whether a message can be published under `text`: no empty part, no blank, no wildcard.
fn is_subject(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty()
            && !matches!(part, "*" | ">")
            && !part.contains(|char: char| char.is_whitespace() || char.is_control())
    })
}

fn subject_fault(text: &str) -> String {
    if text.is_empty() {
        return "nats subject can't be empty".to_owned();
    }
    format!("{text:?} is no subject to publish under: it has an empty part, a blank or a wildcard")
}

impl Message {
    fn render(&self, views: &Views<'_>, source: &Source<'_>) -> Result<NatsAction, FireError> {
        let namespace = source.namespace;
        let tls = self
            .tls
            .as_ref()
            .map(|tls| Tls::of(tls, namespace))
            .transpose();
        Ok(NatsAction {
            url: self.url.clone(),
            subject: self.subject.clone(),
            payload: payload(&self.payload, views)?,
            auth: self.auth.as_ref().and_then(|auth| login(auth, namespace)),
            tls: tls.map_err(|error| FireError::Object(error.to_string()))?,
        })
    }
}

/// The first that is set.
fn login(auth: &tiphys_api::NatsAuth, namespace: &str) -> Option<NatsAuth> {
    let secret = |selector: &Option<_>| {
        selector
            .as_ref()
            .map(|selector| ValueRef::secret(selector, namespace))
    };
    let basic = auth
        .basic
        .as_ref()
        .map(|basic| NatsAuth::Basic(BasicAuth::of(basic, namespace)));
    basic
        .or_else(|| secret(&auth.token).map(NatsAuth::Token))
        .or_else(|| secret(&auth.nkey).map(NatsAuth::Nkey))
        .or_else(|| secret(&auth.credential).map(NatsAuth::Credential))
}

#[cfg(test)]
mod tests {
    use super::is_subject;

    #[test]
    fn a_message_is_published_under_a_subject_without_wildcards() {
        for subject in ["orders", "orders.new", "a.b*c", "$JS.x"] {
            assert!(is_subject(subject), "{subject}");
        }
        for subject in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a.*",
            "a.>",
            "a b",
            "a\r\nPUB x 0",
        ] {
            assert!(!is_subject(subject), "{subject}");
        }
    }
}
