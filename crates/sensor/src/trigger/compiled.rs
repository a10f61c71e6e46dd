//! A compiled trigger: everything of its spec but what is particular to its kind.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tiphys_api::{self as api, Code, Problem, RetryPolicy, TriggerKind, TriggerTemplate, Written};
use tiphys_lang::expr::conditions::Conditions;

use super::policy::Policy;
use super::variants::Variants;
use super::{FireError, KINDS, Template, Unmet};
use crate::engine::{Dependency, LEAST_PATIENCE, PATIENCE, Resets};
use crate::parameter::Parameter;

/// A compiled trigger.
#[derive(Debug)]
pub struct Trigger {
    pub(super) name: Arc<str>,
    field: String,
    conditions: Arc<Conditions>,
    dependencies: Vec<usize>,
    pub(super) dependency_names: Vec<Arc<str>>,
    pub(super) template: Variants<Template>,
    at_least_once: bool,
    retry: RetryPolicy,
    patience: Duration,
    rate: Option<Rate>,
    pub(super) policy: Policy,
    resets: Resets,
    has_templates: bool,
    kind: TriggerKind,
    dlq: Option<Arc<Trigger>>,
    unmet: Vec<Problem>,
}

/// At most so many firings in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time between two firings.
    pub interval: Duration,
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
        let conditions = conditions(template_spec, &names, &template_field, problems);
        let parameters =
            Parameter::compile_all(&spec.parameters, &format!("{field}.parameters"), problems);
        let template = template(spec, template_spec, &template_field, problems);
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
        let text = serde_json::to_vec(template_spec)
            .map_err(|error| problems.push(Problem::error(&template_field, error.to_string())))
            .ok();
        let kind = KINDS
            .iter()
            .find(|kind| template_spec.kinds().contains(kind));
        let (template, unmet) = template?;
        let conditions = Arc::new(conditions?);
        Some(Self {
            name: template_spec.name.as_str().into(),
            field: field.to_owned(),
            dependencies: conditions
                .dependencies()
                .iter()
                .filter_map(|name| names.iter().position(|known| known == name))
                .collect(),
            dependency_names: dependencies.iter().map(|d| Arc::clone(d.name())).collect(),
            conditions,
            template: Variants::new(parameters, text?, template),
            at_least_once: *spec.at_least_once,
            retry,
            patience: patience(spec.retry_strategy.is_some(), retry),
            rate,
            policy,
            resets,
            has_templates: serde_json::to_value(spec).is_ok_and(|spec| has_templates(&spec)),
            kind: *kind?,
            dlq,
            unmet,
        })
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it stands in its Sensor, such as `spec.triggers[0]`.
    pub fn field(&self) -> &str {
        &self.field
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

    /// How long its action waits for a target that is unavailable.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// How fast it may fire.
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// When its kept events are forgotten.
    pub fn resets(&self) -> &Resets {
        &self.resets
    }

    /// Whether it fills in templates, which may take a while.
    pub(crate) fn has_templates(&self) -> bool {
        self.has_templates
    }

    /// Whether a firing waits for nobody and is over in no time.
    pub(crate) fn is_immediate(&self) -> bool {
        let template = self.template.fixed();
        template.is_some_and(Template::is_immediate) && !self.has_templates
    }

    /// The trigger that takes over when all attempts of this one have failed.
    pub fn dlq(&self) -> Option<&Arc<Self>> {
        self.dlq.as_ref()
    }

    /// Its kind.
    pub fn kind(&self) -> TriggerKind {
        self.kind
    }

    /// What is demanded of its actions, and of those of the trigger that takes over, and is known not to
    /// be so: they are rendered, and fail.
    pub fn unmet(&self) -> Vec<Problem> {
        let chain = std::iter::successors(Some(self), |trigger| trigger.dlq.as_deref());
        chain.flat_map(|trigger| trigger.unmet.clone()).collect()
    }
}

impl Template {
    fn compile(spec: &TriggerTemplate, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        if let Ok(template) = Self::compile_present(spec, field, problems) {
            return template;
        }
        let (place, code, message) = match spec.kind() {
            Ok(kind) => {
                let mut left_out = super::LEFT_OUT.iter();
                let left_out = left_out.find(|(left_out, _)| *left_out == kind);
                let feature = left_out.map_or("", |(_, feature)| feature);
                let message = format!(
                    "triggers of type {kind} are not in this build of tiphys (feature {feature})"
                );
                (format!("{field}.{kind}"), Code::NotRun, message)
            }
            Err(error) => (field.to_owned(), Code::Invalid, error.to_string()),
        };
        let problem = Problem::error(place, message).with_code(code);
        problems.push(problem.with_hint(run_kinds()));
        None
    }

    /// Reads a template that parameters have written to.
    pub(super) fn read(text: &[u8]) -> Result<Self, FireError> {
        let spec: TriggerTemplate = serde_json::from_slice(text)
            .map_err(|error| FireError::template("template", error.to_string()))?;
        let mut problems = Vec::new();
        match Self::compile(&spec, "template", &mut problems) {
            Some(template) if !problems.iter().any(Problem::is_error) => Ok(template),
            _ => Err(FireError::Template(problems)),
        }
    }
}

/// The conditions of the template at `field`, over dependencies of these names.
fn conditions(
    spec: &TriggerTemplate,
    names: &[&str],
    field: &str,
    problems: &mut Vec<Problem>,
) -> Option<Conditions> {
    let compiled = Conditions::compile(&spec.conditions, names).map_err(|error| {
        let names = names.join(", ");
        problems.push(
            Problem::error(format!("{field}.conditions"), error.to_string())
                .with_hint(format!("the dependencies are: {names}")),
        );
    });
    compiled.ok()
}

/// The template at `field`, and what is demanded of its actions and is known not to be so. There is none
/// where only the trigger's parameters make it one.
fn template(
    trigger: &api::Trigger,
    spec: &TriggerTemplate,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Option<(Option<Template>, Vec<Problem>)> {
    let before = problems.len();
    let template = Template::compile(spec, field, problems);
    let written = Written::of(field, spec, &trigger.parameters);
    written.forget(problems, before);
    match template {
        Some(template) => {
            let unmet = unmet(&template, field, &written);
            Some((Some(template), unmet))
        }
        None if problems.len() == before => Some((None, Vec::new())),
        None => None,
    }
}

/// What is demanded of the actions of the template at `field` and is not so, as far as no parameter writes
/// there.
fn unmet(template: &Template, field: &str, written: &Written) -> Vec<Problem> {
    let field = format!("{field}.{}", template.kind());
    let is_known = |unmet: &Unmet| {
        let also = unmet.also.iter().copied();
        let mut decide = also.chain([unmet.field.as_str()]);
        !decide.any(|name| written.touches(&format!("{field}.{name}")))
    };
    let unmet = template.unmet().into_iter().filter(is_known);
    unmet.map(|unmet| unmet.problem(&field)).collect()
}

/// Whether there is a `dataTemplate` or `contextTemplate` anywhere in a spec.
fn has_templates(spec: &Value) -> bool {
    match spec {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let is_template = matches!(name.as_str(), "dataTemplate" | "contextTemplate");
            is_template && value.as_str().is_some_and(|text| !text.is_empty())
                || has_templates(value)
        }),
        Value::Array(items) => items.iter().any(has_templates),
        _ => false,
    }
}

/// The kinds that are run, for people.
fn run_kinds() -> String {
    let names: Vec<String> = KINDS.iter().map(|kind| format!("`{kind}`")).collect();
    match names.split_last() {
        Some((last, others)) => format!("{} and {last} triggers are run", others.join(", ")),
        None => String::new(),
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

/// As long as all attempts of its retry strategy take with the waits between them, if it has one.
fn patience(has_strategy: bool, retry: RetryPolicy) -> Duration {
    if !has_strategy {
        return PATIENCE;
    }
    let mut sum = Duration::ZERO;
    let mut wait = retry.duration.as_secs_f64();
    for _ in 1..retry.attempts {
        sum += Duration::try_from_secs_f64(wait).map_or(PATIENCE, |wait| wait.min(PATIENCE));
        wait *= retry.factor;
        if sum >= PATIENCE {
            break;
        }
    }
    sum.clamp(LEAST_PATIENCE, PATIENCE)
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
        interval: Duration::from_secs(unit) / requests,
    })
}
