//! Triggers: which events fire them, and the action that a firing asks for.

mod base;
mod http;
mod k8s;
mod log;
mod nats;
mod policy;
mod workflow;
mod written;

use std::sync::{Arc, Mutex, PoisonError};

use tiphys_api::{self as api, Problem, RetryPolicy, TriggerTemplate};
use tiphys_eventbus::Event;
use tiphys_lang::expr::conditions::Conditions;

use crate::action::{Action, Marks};
use crate::engine::{Dependency, Member, Resets};
use crate::parameter::{self, Applied, Parameter};
use crate::view::Views;
use policy::Policy;

pub use k8s::render_object;

/// How many variants of a template, as its parameters leave it, are kept compiled.
///
/// A parameter such as `k8s.operation` has a few values; one that writes a name has as many as
/// there are objects, and gains nothing from being kept.
const VARIANTS: usize = 16;

/// A compiled trigger.
#[derive(Debug)]
pub struct Trigger {
    name: Arc<str>,
    conditions: Arc<Conditions>,
    dependencies: Vec<usize>,
    dependency_names: Vec<Arc<str>>,
    parameters: Vec<Parameter>,
    template: Template,
    /// The template's text: what its parameters write to.
    text: String,
    variants: Mutex<Vec<Variant>>,
    at_least_once: bool,
    retry: RetryPolicy,
    rate: Option<Rate>,
    policy: Policy,
    resets: Resets,
    dlq: Option<Arc<Trigger>>,
}

/// The text of a template as parameters left it, and what it compiled to. Few enough to be compared
/// one by one: texts of one length that differ do so where a parameter wrote.
type Variant = (Arc<[u8]>, Arc<Template>);

/// At most so many firings in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time between two firings.
    pub interval: std::time::Duration,
}

/// The part of a template that renders an action.
#[derive(Debug)]
enum Template {
    K8s(k8s::Template),
    ArgoWorkflow(workflow::Template),
    Http(http::Template),
    Nats(nats::Template),
    Log(log::Template),
}

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

impl Trigger {
    /// Compiles a trigger; `field` is its field path. Faults are added to `problems`.
    pub fn compile(
        spec: &api::Trigger,
        dependencies: &[Dependency],
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let template_field = format!("{field}.template");
        let Some(template_spec) = &spec.template else {
            problems.push(Problem::error(
                template_field,
                "trigger template can't be nil",
            ));
            return None;
        };
        let names: Vec<&str> = dependencies
            .iter()
            .map(|dependency| &**dependency.name())
            .collect();
        let conditions = Conditions::compile(&template_spec.conditions, &names)
            .map_err(|error| {
                let field = format!("{template_field}.conditions");
                let names = names.join(", ");
                problems.push(
                    Problem::error(field, error.to_string())
                        .with_hint(format!("the dependencies are: {names}")),
                );
            })
            .ok();
        let parameters =
            Parameter::compile_all(&spec.parameters, &format!("{field}.parameters"), problems);
        let template = Template::compile(template_spec, &template_field, problems);
        let retry = retry_policy(spec, field, problems);
        let rate = rate(spec, field, problems);
        let policy = Policy::compile(spec.policy.as_ref(), &format!("{field}.policy"), problems);
        let resets = Resets::compile(
            &template_spec.conditions_reset,
            &format!("{template_field}.conditionsReset"),
            problems,
        );
        let dlq = spec.dlq_trigger.as_deref().and_then(|dlq| {
            Self::compile(dlq, dependencies, &format!("{field}.dlqTrigger"), problems).map(Arc::new)
        });
        let text = serde_json::to_string(template_spec)
            .map_err(|error| problems.push(Problem::error(template_field, error.to_string())))
            .ok();
        let conditions = Arc::new(conditions?);
        Some(Self {
            name: template_spec.name.as_str().into(),
            dependencies: conditions
                .dependencies()
                .iter()
                .filter_map(|name| names.iter().position(|known| known == name))
                .collect(),
            dependency_names: dependencies.iter().map(|d| Arc::clone(d.name())).collect(),
            conditions,
            parameters,
            template: template?,
            text: text?,
            variants: Mutex::default(),
            at_least_once: *spec.at_least_once,
            retry,
            rate,
            policy,
            resets,
            dlq,
        })
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What has to come together for it to fire.
    pub fn conditions(&self) -> &Arc<Conditions> {
        &self.conditions
    }

    /// The places of its dependencies in the Sensor, in the order of its conditions.
    pub fn dependencies(&self) -> &[usize] {
        &self.dependencies
    }

    /// The names of all dependencies of the Sensor.
    pub fn dependency_names(&self) -> &[Arc<str>] {
        &self.dependency_names
    }

    /// Whether its action is performed before its events are acknowledged, whatever it is.
    pub fn at_least_once(&self) -> bool {
        self.at_least_once
    }

    /// How often an action that fails is tried.
    pub fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// How fast it may fire.
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// When its kept events are forgotten.
    pub fn resets(&self) -> &Resets {
        &self.resets
    }

    /// The trigger that takes over when all attempts of this one have failed.
    pub fn dlq(&self) -> Option<&Arc<Self>> {
        self.dlq.as_ref()
    }

    /// Its kind in Argo Events' logs.
    pub fn kind(&self) -> &'static str {
        match self.template {
            Template::K8s(_) => "Kubernetes",
            Template::ArgoWorkflow(_) => "ArgoWorkflow",
            Template::Http(_) => "HTTP",
            Template::Nats(_) => "NATS",
            Template::Log(_) => "Log",
        }
    }

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
        self.render(events, sensor, namespace, &mut Steps(None))
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
        self.render(events, sensor, namespace, &mut Steps(Some(steps)))
    }

    fn render<'e>(
        &self,
        events: impl Iterator<Item = (usize, &'e Event)>,
        sensor: &str,
        namespace: &str,
        steps: &mut Steps<'_>,
    ) -> Result<Action, FireError> {
        let views =
            Views::new(events.map(|(index, event)| (&*self.dependency_names[index], event)));
        let variant;
        let template = if self.parameters.is_empty() {
            &self.template
        } else {
            variant = self.variant(&views, steps)?;
            &variant
        };
        let source = Source {
            sensor,
            namespace,
            trigger: &self.name,
            policy: &self.policy,
        };
        match template {
            Template::K8s(template) => template.render(&views, &source, steps),
            Template::ArgoWorkflow(template) => template.render(&views, &source, steps),
            Template::Http(template) => template.render(&views, &source, steps),
            Template::Nats(template) => template.render(&views, &source, steps),
            Template::Log(template) => template.render(&views),
        }
    }

    /// The template as its parameters leave it.
    fn variant(
        &self,
        views: &Views<'_>,
        steps: &mut Steps<'_>,
    ) -> Result<Arc<Template>, FireError> {
        let mut text = self.text.clone().into_bytes();
        let applied = parameter::apply(&self.parameters, &mut text, views)
            .map_err(|(index, source)| FireError::TemplateParameter { index, source })?;
        steps.add(|| "parameters".to_owned(), &self.parameters, applied);
        let known = self
            .variants()
            .iter()
            .find(|(known, _)| **known == *text)
            .cloned();
        if let Some((_, known)) = known {
            return Ok(known);
        }
        let template = Arc::new(Template::read(&text)?);
        let mut variants = self.variants();
        if variants.len() >= VARIANTS {
            variants.clear();
        }
        variants.push((text.into(), Arc::clone(&template)));
        Ok(template)
    }

    fn variants(&self) -> std::sync::MutexGuard<'_, Vec<Variant>> {
        self.variants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an action says of where it comes from, and when it counts as a success.
struct Source<'s> {
    sensor: &'s str,
    namespace: &'s str,
    trigger: &'s str,
    policy: &'s Policy,
}

impl Source<'_> {
    /// What marks objects that the firing of these events creates.
    fn marks(&self, views: &Views<'_>) -> Marks {
        let mut ids: Vec<&str> = views
            .iter()
            .map(|(_, view)| view.event().context.id.as_str())
            .collect();
        ids.sort_unstable();
        Marks {
            sensor: self.sensor.to_owned(),
            trigger: self.trigger.to_owned(),
            event_ids: ids.join(","),
            namespace: self.namespace.to_owned(),
        }
    }
}

/// Where to tell what parameters did, if somebody wants to know.
struct Steps<'s>(Option<&'s mut Vec<ParameterStep>>);

impl Steps<'_> {
    /// Tells what `parameters`, the list at `field`, did.
    fn add(&mut self, field: impl Fn() -> String, parameters: &[Parameter], applied: Vec<Applied>) {
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

impl Template {
    fn compile(spec: &TriggerTemplate, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        if let Some(k8s) = &spec.k8s {
            return k8s::Template::compile(k8s, &format!("{field}.k8s"), problems).map(Self::K8s);
        }
        if let Some(workflow) = &spec.argo_workflow {
            let field = format!("{field}.argoWorkflow");
            return workflow::Template::compile(workflow, &field, problems).map(Self::ArgoWorkflow);
        }
        if let Some(http) = &spec.http {
            return http::Template::compile(http, &format!("{field}.http"), problems)
                .map(Self::Http);
        }
        if let Some(nats) = &spec.nats {
            return nats::Template::compile(nats, &format!("{field}.nats"), problems)
                .map(Self::Nats);
        }
        if let Some(log) = &spec.log {
            return Some(Self::Log(log::Template::compile(log)));
        }
        let (place, message) = match spec.kind() {
            Ok(kind) => (
                format!("{field}.{kind}"),
                format!("triggers of type {kind} are not run by this version of tiphys"),
            ),
            Err(error) => (field.to_owned(), error.to_string()),
        };
        problems.push(
            Problem::error(place, message)
                .with_hint("`k8s`, `argoWorkflow`, `http`, `nats` and `log` triggers are run"),
        );
        None
    }

    /// Reads a template that parameters have written to.
    fn read(text: &[u8]) -> Result<Self, FireError> {
        let refuse = |error: serde_json::Error| {
            FireError::Template(vec![Problem::error(
                "template".to_owned(),
                error.to_string(),
            )])
        };
        let spec: TriggerTemplate = serde_json::from_slice(text).map_err(refuse)?;
        let mut problems = Vec::new();
        match Self::compile(&spec, "template", &mut problems) {
            Some(template) if problems.is_empty() => Ok(template),
            _ => Err(FireError::Template(problems)),
        }
    }
}

fn retry_policy(spec: &api::Trigger, field: &str, problems: &mut Vec<Problem>) -> RetryPolicy {
    let once = RetryPolicy {
        attempts: 1,
        ..RetryPolicy::default()
    };
    let Some(backoff) = &spec.retry_strategy else {
        return once;
    };
    backoff.policy().unwrap_or_else(|error| {
        let field = format!("{field}.retryStrategy.{}", error.field());
        problems.push(Problem::error(field, error.to_string()));
        once
    })
}

fn rate(spec: &api::Trigger, field: &str, problems: &mut Vec<Problem>) -> Option<Rate> {
    let limit = spec.rate_limit.as_ref()?;
    let unit = match limit.unit.as_str() {
        "Minute" => 60,
        "Hour" => 3600,
        _ => 1,
    };
    let requests = u32::try_from(*limit.requests_per_unit).unwrap_or_default();
    if requests == 0 {
        let field = format!("{field}.rateLimit.requestsPerUnit");
        problems.push(Problem::error(field, "requestsPerUnit must be at least 1"));
        return None;
    }
    Some(Rate {
        interval: std::time::Duration::from_secs(unit) / requests,
    })
}

#[cfg(test)]
mod tests;
