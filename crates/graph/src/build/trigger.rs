//! Triggers, those that step in when one fails, and the ways to their targets.

use tiphys_api::{Trigger, TriggerKind, TriggerParameter, TriggerTemplate};

use super::sensor::Scope;
use super::target::{self, Target};
use super::{Builder, Face, Spot, counted, usize_of};
use crate::model::{EdgeKind, NodeKind};

/// Triggers in triggers that are drawn: more is a mistake, and too much for a column.
const MAX_DEAD_LETTER_TRIGGERS: usize = 4;

impl<'a> Builder<'a> {
    pub(super) fn trigger(&mut self, scope: &mut Scope<'a>, trigger: &'a Trigger) {
        let mut id = self.trigger_and_target(scope, trigger);
        self.condition(scope, trigger, &id);
        let next = |trigger: &&'a Trigger| trigger.dlq_trigger.as_deref();
        let chain = std::iter::successors(next(&trigger), next);
        for dead_letter in chain.take(MAX_DEAD_LETTER_TRIGGERS) {
            let dead_letter_id = self.trigger_and_target(scope, dead_letter);
            self.edge(&id, &dead_letter_id, "on failure", EdgeKind::DeadLetter);
            id = dead_letter_id;
        }
    }

    fn trigger_and_target(&mut self, scope: &Scope<'a>, trigger: &'a Trigger) -> String {
        let empty = TriggerTemplate::default();
        let template = trigger.template.as_deref().unwrap_or(&empty);
        let kind = template.kind().ok();
        let spot = scope.spot(NodeKind::Trigger);
        let face = face(trigger, template, kind);
        let id = self.node(spot, &[scope.sensor, &template.name], &face);
        if let Some(kind) = kind {
            let target = target::of(template, kind, &trigger.parameters, scope);
            self.target(scope, &id, target);
        }
        id
    }

    /// Leads a trigger to its target, which several triggers may share.
    fn target(&mut self, scope: &Scope<'a>, from: &str, target: Target) {
        let Target { face, label } = target;
        let key = (
            scope.place,
            format!("{}\n{}\n{}", face.tag, face.title, face.detail),
        );
        let id = if let Some(id) = self.targets.get(&key) {
            id.clone()
        } else {
            let spot = Spot {
                sensor: None,
                ..scope.spot(NodeKind::Target)
            };
            let id = self.node(spot, &[&face.tag, &face.title], &face);
            self.targets.insert(key, id.clone());
            id
        };
        self.edge(from, &id, &label, EdgeKind::Flow);
    }
}

fn face(trigger: &Trigger, template: &TriggerTemplate, kind: Option<TriggerKind>) -> Face {
    let mut badges = Vec::new();
    let parameters = trigger.parameters.len() + own_parameters(template, kind);
    if parameters > 0 {
        badges.push(counted(parameters, "parameter"));
    }
    let attempts = trigger
        .retry_strategy
        .as_ref()
        .map_or(0, |retry| usize_of(*retry.steps));
    if attempts > 1 {
        badges.push(format!("{attempts} attempts"));
    }
    if let Some(limit) = &trigger.rate_limit {
        let unit = if limit.unit.is_empty() {
            "second"
        } else {
            &limit.unit
        };
        badges.push(format!(
            "{} per {}",
            *limit.requests_per_unit,
            unit.to_lowercase()
        ));
    }
    if *trigger.at_least_once {
        badges.push("at least once".to_owned());
    }
    Face {
        tag: kind.map_or("no action", TriggerKind::name).to_owned(),
        title: template.name.to_string(),
        detail: detail(trigger, template, kind),
        badges,
    }
}

/// What the target does not say.
fn detail(trigger: &Trigger, template: &TriggerTemplate, kind: Option<TriggerKind>) -> String {
    match kind {
        Some(TriggerKind::Log) => {
            let interval = template.log.as_ref().map_or(0, |log| *log.interval_seconds);
            if interval > 0 {
                format!("at most every {interval} s")
            } else {
                String::new()
            }
        }
        Some(TriggerKind::K8s) => trigger
            .parameters
            .iter()
            .find(|parameter| parameter.dest == "k8s.operation")
            .map_or_else(String::new, |parameter| {
                format!("operation ← {}", target::origin(parameter))
            }),
        _ => String::new(),
    }
}

fn own_parameters(template: &TriggerTemplate, kind: Option<TriggerKind>) -> usize {
    let count = |parameters: &[TriggerParameter]| parameters.len();
    match kind {
        Some(TriggerKind::K8s) => template.k8s.as_ref().map_or(0, |t| count(&t.parameters)),
        Some(TriggerKind::ArgoWorkflow) => template
            .argo_workflow
            .as_ref()
            .map_or(0, |t| count(&t.parameters)),
        Some(TriggerKind::Http) => template.http.as_ref().map_or(0, |t| count(&t.parameters)),
        Some(TriggerKind::Nats) => template.nats.as_ref().map_or(0, |t| count(&t.parameters)),
        Some(TriggerKind::Kafka) => template.kafka.as_ref().map_or(0, |t| count(&t.parameters)),
        Some(TriggerKind::Slack) => template.slack.as_ref().map_or(0, |t| count(&t.parameters)),
        Some(TriggerKind::Email) => template.email.as_ref().map_or(0, |t| count(&t.parameters)),
        _ => 0,
    }
}
