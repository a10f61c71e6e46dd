//! A firing: what its events ask for, as data.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tiphys_api::message::with_causes;
use tiphys_api::{Problem, TlsConfig, TriggerKind, field_path};
use tiphys_base::Failure;
use tiphys_clients::TlsRef;
use tiphys_eventbus::Event;

use super::k8s::{Ownership, Turn};
use super::policy::Policy;
use super::{Action, Template, Trigger};
use crate::engine::Member;
use crate::parameter::{self, Applied, Parameter};
use crate::view::Views;

/// Why a firing gave no action.
#[derive(Debug, thiserror::Error)]
pub enum FireError {
    /// A parameter of the trigger could not be applied to its template.
    #[error("apply template parameter {index}")]
    TemplateParameter {
        /// Its place in `parameters`.
        index: usize,
        /// Why.
        #[source]
        source: parameter::Error,
    },
    /// With its parameters applied, the template is none.
    #[error("the template is not valid with its parameters applied: {}", join(.0))]
    Template(Vec<Problem>),
    /// A parameter could not be applied to the trigger's object.
    #[error("apply resource parameter {index}")]
    ResourceParameter {
        /// Its place in the template's `parameters`.
        index: usize,
        /// Why.
        #[source]
        source: parameter::Error,
    },
    /// An item of the payload could not be written.
    #[error("apply payload item {index}")]
    Payload {
        /// Its place in the template's `payload`.
        index: usize,
        /// Why.
        #[source]
        source: parameter::Error,
    },
    /// The value of a header could not be found.
    #[error("resolve dynamic header {index}")]
    DynamicHeader {
        /// Its place in the template's `dynamicHeaders`.
        index: usize,
        /// Why.
        #[source]
        source: parameter::Error,
    },
    /// The outcome is none that could be sent.
    #[error("{0}")]
    Object(String),
}

fn join(problems: &[Problem]) -> String {
    let place = |problem: &Problem| format!("{}: {}", problem.field_path, problem.message);
    problems.iter().map(place).collect::<Vec<_>>().join("; ")
}

/// One parameter of a firing, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterStep {
    /// Where it stands: `parameters[0]` or `template.k8s.parameters[0]`.
    pub field: String,
    /// Where it writes.
    pub dest: String,
    /// What it did.
    pub applied: Applied,
}

impl FireError {
    /// The same, for whoever may see the events and for others.
    pub fn failure(&self) -> Failure {
        let public = match self {
            Self::TemplateParameter { source, .. }
            | Self::ResourceParameter { source, .. }
            | Self::Payload { source, .. }
            | Self::DynamicHeader { source, .. } => format!("{self}: {}", source.public()),
            Self::Template(problems) => {
                let fields: Vec<&str> = problems.iter().map(|p| p.field_path.as_str()).collect();
                let fields = fields.join(", ");
                format!("the template is not valid with its parameters applied: {fields}")
            }
            Self::Object(_) => "the outcome cannot be sent".to_owned(),
        };
        Failure::with_values(with_causes(self), public)
    }

    /// The field of the trigger's template that could not be applied, if it is one; and why, in short.
    pub fn parameter(&self, kind: TriggerKind) -> Option<(String, String)> {
        let (list, index, source) = match self {
            Self::TemplateParameter { index, source } => ("parameters".to_owned(), index, source),
            Self::ResourceParameter { index, source } => {
                (format!("template.{kind}.parameters"), index, source)
            }
            Self::Payload { index, source } => (format!("template.{kind}.payload"), index, source),
            Self::DynamicHeader { index, source } => {
                (format!("template.{kind}.dynamicHeaders"), index, source)
            }
            Self::Template(_) | Self::Object(_) => return None,
        };
        let why = match source {
            parameter::Error::Resolve(error) => {
                format!("{} (give a default with value:)", error.short())
            }
            other => with_causes(other),
        };
        Some((field_path::index(&list, *index), why))
    }

    pub(super) fn template(place: &str, message: String) -> Self {
        Self::Template(vec![Problem::error(place.to_owned(), message)])
    }
}

/// Where a firing stands among others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place<'p> {
    /// Among those about the same object.
    turn: Option<Turn>,
    /// The dead letter of which it is a replay that nothing done before counts for.
    forced: Option<&'p str>,
}

/// Everything that an action is rendered from.
pub(super) struct Input<'i, 's> {
    /// The events of the firing.
    pub(super) views: &'i Views<'i>,
    /// Name of the Sensor.
    pub(super) sensor: &'i str,
    /// The Sensor's namespace.
    pub(super) namespace: &'i str,
    /// Where the firing stands.
    pub(super) place: Place<'i>,
    /// Name of the trigger.
    pub(super) trigger: &'i str,
    /// When the action counts as a success.
    pub(super) policy: &'i Policy,
    /// Where to tell what parameters did.
    pub(super) steps: &'i mut Steps<'s>,
}

impl Trigger {
    /// Renders the action that these events ask for. `sensor` and `namespace` name the Sensor.
    ///
    /// # Errors
    /// If a parameter finds no value, or the outcome is not what the trigger needs. The same events
    /// fail the same way again.
    pub fn fire(
        &self,
        round: &[(usize, Member)],
        sensor: &str,
        namespace: &str,
    ) -> Result<Action, FireError> {
        let events = round.iter().map(|(index, member)| (*index, &*member.event));
        // Only what is about one object has one place among what is about it.
        let turn = match round {
            [(_, member)] => member.object.map(|object| Turn {
                object,
                stored_at: member.event_stored_at(),
            }),
            _ => None,
        };
        let replays = round
            .iter()
            .filter_map(|(_, member)| member.replay.as_ref());
        let mut forced = replays.filter(|replay| replay.is_forced);
        let place = Place {
            turn,
            forced: forced.next().map(|replay| replay.letter.as_str()),
        };
        self.render(events, (sensor, namespace), place, &mut Steps::none())
    }

    /// As [`Trigger::fire`], telling on the way what each parameter did.
    ///
    /// # Errors
    /// As [`Trigger::fire`].
    pub fn explain<'e>(
        &self,
        events: impl Iterator<Item = (usize, &'e Event)>,
        sensor: &str,
        namespace: &str,
        steps: &mut Vec<ParameterStep>,
    ) -> Result<Action, FireError> {
        let place = Place::default();
        self.render(events, (sensor, namespace), place, &mut Steps(Some(steps)))
    }

    fn render<'e>(
        &self,
        events: impl Iterator<Item = (usize, &'e Event)>,
        (sensor, namespace): (&str, &str),
        place: Place<'_>,
        steps: &mut Steps<'_>,
    ) -> Result<Action, FireError> {
        let views =
            Views::new(events.map(|(index, event)| (&*self.dependency_names[index], event)));
        let template = self.template.get(
            &views,
            steps,
            || "parameters".to_owned(),
            |(index, source)| FireError::TemplateParameter { index, source },
            Template::read,
        )?;
        template.render(&mut Input {
            views: &views,
            sensor,
            namespace,
            place,
            trigger: &self.name,
            policy: &self.policy,
            steps,
        })
    }
}

impl Input<'_, '_> {
    /// The payload that a list of parameters makes; without a list it is empty.
    pub(super) fn payload(&self, list: &[Parameter]) -> Result<String, FireError> {
        let payload = parameter::payload(list, self.views)
            .map_err(|(index, source)| FireError::Payload { index, source })?;
        // Built from text, so this changes nothing.
        Ok(String::from_utf8_lossy(&payload).into_owned())
    }

    /// Encryption as a spec asks for it, with the Secrets of the Sensor's namespace.
    pub(super) fn tls(&self, spec: Option<&TlsConfig>) -> Result<Option<TlsRef>, FireError> {
        let tls = spec.map(|tls| TlsRef::of(tls, self.namespace)).transpose();
        tls.map_err(|error| FireError::Object(error.to_string()))
    }

    /// The ids of its events, in their order.
    fn event_ids(&self) -> String {
        let views = self.views.iter();
        let mut ids: Vec<&str> = views
            .map(|(_, view)| view.event().context.id.as_str())
            .collect();
        ids.sort_unstable();
        ids.join(",")
    }

    /// What a message of this firing is known by: the same however often it is sent, and another one for
    /// each trigger and forced replay.
    pub(super) fn message_id(&self) -> String {
        let mut digest = Sha256::new();
        let ids = self.event_ids();
        let parts = [self.namespace, self.sensor, self.trigger, &ids];
        for part in parts.into_iter().chain(self.place.forced) {
            digest.update(part);
            digest.update([0]);
        }
        HEXLOWER.encode(&digest.finalize()[..16])
    }

    /// What objects that this firing creates are marked with as its own.
    pub(super) fn ownership(&self) -> Ownership {
        let views = self.views;
        let mut dependencies: Vec<&str> = views.iter().map(|(name, _)| name).collect();
        dependencies.sort_unstable();
        Ownership {
            sensor: self.sensor.to_owned(),
            trigger: self.trigger.to_owned(),
            event_ids: self.event_ids(),
            dependencies: dependencies.join(","),
            namespace: self.namespace.to_owned(),
            turn: self.place.turn,
            forced: self.place.forced.map(str::to_owned),
        }
    }
}

/// Where to tell what parameters did, if somebody wants to know.
pub(super) struct Steps<'s>(Option<&'s mut Vec<ParameterStep>>);

impl Steps<'_> {
    /// Nobody wants to know.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Whether somebody wants to know.
    pub(super) fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Tells what `parameters`, the list at `field`, did.
    pub(super) fn add(
        &mut self,
        field: impl Fn() -> String,
        parameters: &[Parameter],
        applied: impl IntoIterator<Item = Applied>,
    ) {
        let Some(steps) = &mut self.0 else { return };
        let field = field();
        steps.extend(parameters.iter().zip(applied).enumerate().map(
            |(index, (parameter, applied))| ParameterStep {
                field: format!("{field}[{index}]"),
                dest: parameter.dest().to_owned(),
                applied,
            },
        ));
    }
}
