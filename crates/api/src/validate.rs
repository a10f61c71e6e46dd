//! The static rules: what is wrong with an object, found without running anything.
//!
//! The rules and their messages are those of Argo Events' validation, which stops at the first; here
//! all are reported, each with its field. Rules beyond Argo's refuse only what could never work.

mod dependency;
mod event_bus;
mod event_source;
mod pace;
mod parameter;
mod server_settings;
mod silent;
mod trigger;

pub use event_bus::event_bus;
pub use event_source::event_source;

use std::collections::HashSet;

use jiff::tz::TimeZone;
use tiphys_base::text::without_passwords;

use crate::field_path;
use crate::problem::{Code, Problem};
use crate::{BasicAuth, NatsAuth, SaslConfig, Sensor, Template, TlsConfig, asks_for_tls, worker};

/// Everything that is wrong with a sensor, in the order of its fields.
pub fn sensor(sensor: &Sensor) -> Vec<Problem> {
    let mut problems = Problems::default();
    let spec = &sensor.spec;
    object_name(sensor.metadata.name.as_deref(), &mut problems);
    if *spec.error_on_failed_round {
        problems.no_effect("spec.errorOnFailedRound", "has no effect");
    }
    dependency::dependencies(&spec.dependencies, &mut problems);
    trigger::triggers(spec, &mut problems);
    template(spec.template.as_ref(), &mut problems);
    problems.0
}

/// Most problems of one object: nobody reads more, and objects are untrusted.
const MOST_PROBLEMS: usize = 1_000;

/// Collects problems.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.push(Problem::error(path, message));
    }

    fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.push(Problem::warning(path, message));
    }

    /// A warning about what changes nothing.
    fn no_effect(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.push(Problem::warning(path, message).with_code(Code::NoEffect));
    }

    fn push(&mut self, problem: Problem) {
        if self.0.len() < MOST_PROBLEMS {
            self.0.push(problem);
        }
    }

    /// An error if `value` is empty: `<field> must be specified`.
    fn needed(&mut self, parent: &str, field: &str, value: &str) {
        self.needed_if(value.is_empty(), parent, field);
    }

    fn needed_if(&mut self, is_missing: bool, parent: &str, field: &str) {
        if is_missing {
            self.error(
                field_path::join(parent, field),
                format!("{field} must be specified"),
            );
        }
    }

    /// An error if `name` is none of `known`.
    fn one_of(&mut self, path: String, message: String, name: &str, known: &[&str]) {
        let problem = Problem::error(path, message).with_suggestion(name, known.iter().copied());
        let problem = match problem.hint {
            Some(_) => problem,
            None => problem.with_hint(format!("one of {}", known.join(", "))),
        };
        self.push(problem);
    }

    /// An error for each name that was there before.
    fn unique<'a>(
        &mut self,
        names: impl Iterator<Item = (String, &'a str)>,
        message: impl Fn(&str) -> String,
    ) {
        let mut seen = HashSet::new();
        for (path, name) in names {
            if !name.is_empty() && !seen.insert(name) {
                self.error(path, message(name));
            }
        }
    }
}

/// Object names become label values of everything that is made for the object.
fn object_name(name: Option<&str>, problems: &mut Problems) {
    const LONGEST_LABEL: usize = 63;
    let name = name.unwrap_or_default();
    if name.len() > LONGEST_LABEL {
        let message = format!("{} characters; as a label it may have 63", name.len());
        problems.warning("metadata.name", message);
    }
    subject_part("metadata.name", name, problems);
}

/// Names of event sources and events are tokens of a subject on the bus, and names of sensors are
/// names of buckets there.
fn subject_part(path: &str, name: &str, problems: &mut Problems) {
    let odd = name
        .chars()
        .find(|c| matches!(c, '.' | '*' | '>' | '/' | '\\') || c.is_whitespace() || c.is_control());
    if let Some(odd) = odd {
        let message = format!("{odd:?} in a name has a meaning of its own on the bus");
        let hint = "letters, digits, `-` and `_` are safe";
        problems.push(Problem::warning(path, message).with_hint(hint));
    }
}

/// Names of dependencies and triggers are keys of a bucket on the bus.
fn bucket_key(path: &str, name: &str, problems: &mut Problems) {
    let odd = name
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"-_=".contains(*c));
    if let Some(odd) = odd {
        let message = format!("{odd:?} in a name has a meaning of its own on the bus");
        let hint = "letters, digits, `-`, `_` and `=` are safe";
        problems.push(Problem::warning(path, message).with_hint(hint));
    }
}

/// What of a pod's template counts, and what does not.
fn template(template: Option<&Template>, problems: &mut Problems) {
    let container = template.and_then(|template| template.container.as_ref());
    let Some(container) = container else { return };
    let path = "spec.template.container";
    for (at, variable) in container.env.iter().enumerate() {
        if worker::OWN_VARIABLES.contains(&variable.name.as_str()) {
            let message = format!("has no effect: {} is set by the controller", variable.name);
            problems.no_effect(field_path::index(&format!("{path}.env"), at), message);
        }
    }
    for (at, mount) in container.volume_mounts.iter().enumerate() {
        if worker::hides_spec(&mount.mount_path) {
            let mount = field_path::index(&format!("{path}.volumeMounts"), at);
            let message = "has no effect: what the pod runs is mounted there";
            problems.no_effect(format!("{mount}.mountPath"), message);
        }
    }
}

fn timezone(path: &str, name: &str, message: impl Fn() -> String, problems: &mut Problems) {
    let known = name.is_empty() || name == "Local" || TimeZone::get(name).is_ok();
    if !known {
        let hint = "an IANA name like Europe/Paris";
        problems.push(Problem::error(path, message()).with_hint(hint));
    }
}

fn tls(parent: &str, field: &str, config: Option<&TlsConfig>, problems: &mut Problems) {
    if let Some(Err(error)) = config.map(TlsConfig::mode) {
        problems.error(
            field_path::join(parent, field),
            format!("invalid tls config: {error}"),
        );
    }
}

/// A warning if a password or token, which is the field `login` or in a URL, goes to a NATS server that
/// may be anybody.
fn nats_login(
    parent: &str,
    login: Option<&str>,
    urls: &str,
    config: Option<&TlsConfig>,
    problems: &mut Problems,
) {
    let hint = match config {
        Some(config) if *config.insecure_skip_verify => {
            "remove insecureSkipVerify, and name the authority in caCertSecret"
        }
        None if !urls.is_empty() && !asks_for_tls(urls) => "begin the URL with tls://, or set tls",
        _ => return,
    };
    let Some(field) = login.or_else(|| urls.contains('@').then_some("url")) else {
        return;
    };
    let message = format!(
        "the login goes to {}, whoever answers there: the server is not verified",
        without_passwords(urls)
    );
    let warning = Problem::warning(format!("{parent}.{field}"), message).with_code(Code::Insecure);
    problems.push(warning.with_hint(hint));
}

/// The field of a login that tells the server a secret: the first that is set counts, and keys sign.
fn told_login(auth: Option<&NatsAuth>) -> Option<&'static str> {
    let auth = auth?;
    match (&auth.basic, &auth.token) {
        (Some(_), _) => Some("auth.basic"),
        (None, Some(_)) => Some("auth.token"),
        (None, None) => None,
    }
}

fn basic_auth(parent: &str, field: &str, auth: Option<&BasicAuth>, problems: &mut Problems) {
    let Some(auth) = auth else { return };
    let path = field_path::join(parent, field);
    if auth.username.is_none() {
        problems.error(format!("{path}.username"), "username missing");
    }
    if auth.password.is_none() {
        problems.error(format!("{path}.password"), "password missing");
    }
}

fn sasl(parent: &str, config: Option<&SaslConfig>, problems: &mut Problems) {
    const MECHANISMS: [&str; 5] = [
        "PLAIN",
        "OAUTHBEARER",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512",
        "GSSAPI",
    ];
    let Some(config) = config else { return };
    let path = field_path::join(parent, "sasl");
    let mechanism = config.mechanism.as_str();
    if !mechanism.is_empty() && !MECHANISMS.contains(&mechanism) {
        let message = format!("invalid sasl config: mechanism {mechanism:?} is not known");
        problems.one_of(format!("{path}.mechanism"), message, mechanism, &MECHANISMS);
    }
    problems.needed_if(config.user_secret.is_none(), &path, "userSecret");
    problems.needed_if(config.password_secret.is_none(), &path, "passwordSecret");
    if config.oauth.is_some() && mechanism != "OAUTHBEARER" {
        let path = field_path::join(&path, "oauth");
        problems.no_effect(path, "has no effect without the mechanism OAUTHBEARER");
    }
}

#[cfg(test)]
mod tests;
