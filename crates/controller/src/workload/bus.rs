//! The bus of an event source or sensor (pure): how it is reached, whether pods are made for it, and what
//! its state means for pods that do not reach it.

use std::sync::Arc;

use kube::ResourceExt;
use tiphys_api::{BusConfig, Condition, ConditionStatus, EventBus, suggestion};
use tiphys_base::Reason;

use crate::condition::{READY, Verdict};
use crate::event_bus::AVAILABLE;

/// The bus that an object names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    /// The object, if it is there.
    pub(super) found: Option<&'a EventBus>,
    /// Whether pods were made for it before.
    pub(super) has_pods: bool,
}

/// Whether a bus works.
enum State<'a> {
    Works,
    Starting(&'a Condition),
    Failing(&'a Condition),
}

impl<'a> Named<'a> {
    /// How the bus is reached; otherwise why nothing can be deployed. Pods that are there already are
    /// looked after whether it works or not: new ones have to wait for one that does. `others` are the
    /// buses of the namespace.
    pub(super) fn config(
        self,
        others: impl FnOnce() -> Vec<String>,
    ) -> Result<&'a BusConfig, Verdict> {
        let Some(bus) = self.found else {
            return Err(self.missing(&others()));
        };
        let name = self.name;
        let config = bus.status.as_ref().map(|status| &*status.config);
        let Some(config) = config.filter(|config| is_set(config)) else {
            return Err(match condition(bus, READY) {
                Some(ready) if *ready.status == ConditionStatus::False => self.failing(ready),
                _ => Verdict::fails(
                    Reason::EventBusNotReady,
                    format!("EventBus {name} is being set up"),
                ),
            });
        };
        if config.jet_stream.is_none() || config.nats.is_some() {
            let message =
                "Failed to build Deployment spec.: unsupported event bus: only JetStream is run";
            return Err(Verdict::fails(Reason::BuildDeploymentSpecFailed, message));
        }
        match state(bus) {
            State::Starting(available) if !self.has_pods => Err(self.starting(available)),
            State::Failing(available) if !self.has_pods => Err(self.failing(available)),
            _ => Ok(config),
        }
    }

    /// What pods say of their connection, with what is known of the bus.
    pub(super) fn connection(self, verdict: &Verdict) -> Verdict {
        let is_known = verdict.reason.as_str() != Reason::NoReport.as_str();
        let Some(bus) = self.found.filter(|_| is_known) else {
            return verdict.clone();
        };
        if verdict.status == ConditionStatus::True {
            return verdict.clone();
        }
        match state(bus) {
            State::Starting(available) => self.starting(available),
            State::Failing(available) => self.failing(available),
            State::Works => Verdict {
                message: self.advised(bus, verdict),
                ..verdict.clone()
            },
        }
    }

    fn missing(self, others: &[String]) -> Verdict {
        let Self {
            namespace, name, ..
        } = self;
        let hint = match suggestion(name, others.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}` in spec.eventBusName?"),
            None if others.is_empty() => {
                "apply one of this name, or name another in spec.eventBusName".to_owned()
            }
            None => format!(
                "apply it, or name another in spec.eventBusName: there is {}",
                others.join(", ")
            ),
        };
        let message = format!("there is no EventBus {name} in namespace {namespace}; {hint}");
        Verdict::fails(Reason::EventBusNotFound, message)
    }

    /// How long that is usual is for the bus to say.
    fn starting(self, available: &Condition) -> Verdict {
        let message = format!(
            "EventBus {} is starting: {}",
            self.name, &*available.message
        );
        Verdict::unknown(Reason::WaitingForEventBus, message)
    }

    fn failing(self, condition: &Condition) -> Verdict {
        let Self {
            namespace, name, ..
        } = self;
        let Condition {
            reason, message, ..
        } = condition;
        let message = format!(
            "EventBus {name} does not work: {}: {}; see `kubectl -n {namespace} describe eventbus {name}`",
            &**reason, &**message
        );
        Verdict::fails(Reason::EventBusFailing, message)
    }

    /// What a human can do about a connection to a bus of which nothing bad is known.
    fn advised(self, bus: &EventBus, verdict: &Verdict) -> String {
        const LOGIN: &str = Reason::Unauthorized.as_str();
        const CERTIFICATE: &str = Reason::InvalidCertificate.as_str();
        const STREAM: &str = Reason::StreamFailed.as_str();
        const CONNECT: [&str; 2] = [
            Reason::ConnectionFailed.as_str(),
            Reason::Disconnected.as_str(),
        ];
        let name = self.name;
        let server = bus.status.as_ref();
        let server = server.and_then(|status| status.config.jet_stream.as_ref());
        let said = match &*verdict.message {
            "" => format!("EventBus {name}: connecting"),
            message => format!("EventBus {name}: {message}"),
        };
        let advice = match verdict.reason.as_str() {
            LOGIN => {
                let secret = server.and_then(|server| server.access_secret.as_ref());
                let secret = secret.map_or("accessSecret".to_owned(), |secret| {
                    format!("key {} of Secret {}", &*secret.key, &*secret.name)
                });
                format!("its servers refuse the login in {secret}: correct it there")
            }
            CERTIFICATE => "renew the certificate of its servers, or correct the authority in the \
                            EventBus' tls.caCertSecret"
                .to_owned(),
            STREAM => "see that JetStream is enabled on its servers and has room, and that \
                       streamConfig.replicas is not above their number"
                .to_owned(),
            reason if CONNECT.contains(&reason) => {
                "see that the URL of the EventBus is right, that \
                       its servers run, and that no NetworkPolicy keeps the pods from them"
                    .to_owned()
            }
            _ => return said,
        };
        format!("{said}; {advice}")
    }
}

/// A bus that nobody has said anything about is taken at its configuration's word.
fn state(bus: &EventBus) -> State<'_> {
    match condition(bus, AVAILABLE) {
        Some(available) => match *available.status {
            ConditionStatus::True => State::Works,
            ConditionStatus::False => State::Failing(available),
            ConditionStatus::Unknown => State::Starting(available),
        },
        None => State::Works,
    }
}

fn condition<'a>(bus: &'a EventBus, r#type: &str) -> Option<&'a Condition> {
    let mut conditions = bus.status.as_ref()?.conditions.iter();
    conditions.find(|condition| *condition.r#type == *r#type)
}

fn is_set(config: &BusConfig) -> bool {
    config.nats.is_some() || config.jet_stream.is_some() || config.kafka.is_some()
}

/// The names of the buses of a namespace, in order.
pub(super) fn names(buses: &[Arc<EventBus>], namespace: &str) -> Vec<String> {
    let here = buses
        .iter()
        .filter(|bus| bus.metadata.namespace.as_deref() == Some(namespace));
    let mut names: Vec<String> = here.map(|bus| bus.name_any()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests;
