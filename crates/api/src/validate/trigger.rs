//! Rules of a sensor's triggers.

use super::pace::{backoff, rate_limit};
use super::parameter::{Scope, parameters};
use super::{Problems, bucket_key, nats_login, silent, timezone, tls, told_login};
use crate::cron::CronSchedule;
use crate::field_path::{index, join};
use crate::problem::{Code, Problem};
use crate::{
    ArtifactLocation, ConditionsResetCriteria, HttpTrigger, K8sOperation, SensorSpec,
    StandardK8sTrigger, Trigger, TriggerKind, TriggerParameter, TriggerPolicy, TriggerTemplate,
    Written,
};

/// What an `argoWorkflow` trigger can do.
const WORKFLOW_OPERATIONS: [&str; 8] = [
    "submit",
    "submit-from",
    "suspend",
    "retry",
    "resume",
    "resubmit",
    "terminate",
    "stop",
];

/// Methods an `http` trigger can use.
const METHODS: [&str; 5] = ["GET", "DELETE", "PATCH", "POST", "PUT"];

pub(super) fn triggers(spec: &SensorSpec, problems: &mut Problems) {
    if spec.triggers.is_empty() {
        problems.error("spec.triggers", "no triggers found");
    }
    for (at, trigger) in spec.triggers.iter().enumerate() {
        check(&index("spec.triggers", at), trigger, spec, problems);
    }
    let names = spec.triggers.iter().enumerate().map(|(at, trigger)| {
        let name = trigger
            .template
            .as_ref()
            .map_or("", |template| template.name.as_str());
        (
            format!("{}.template.name", index("spec.triggers", at)),
            name,
        )
    });
    problems.unique(names, |name| format!("duplicate trigger name: {name}"));
}

fn check(path: &str, trigger: &Trigger, spec: &SensorSpec, problems: &mut Problems) {
    let scope = Scope {
        dependencies: &spec.dependencies,
        may_lack_dest: false,
        into_object: false,
    };
    match &trigger.template {
        None => problems.error(format!("{path}.template"), "trigger template can't be nil"),
        Some(template) => {
            let field = format!("{path}.template");
            let before = problems.0.len();
            self::template(&field, template, scope, problems);
            Written::of(&field, template, &trigger.parameters).forget(&mut problems.0, before);
            if let Some(policy) = &trigger.policy {
                self::policy(&format!("{path}.policy"), policy, template, problems);
            }
        }
    }
    parameters(
        &format!("{path}.parameters"),
        &trigger.parameters,
        scope,
        problems,
    );
    backoff(
        path,
        "retryStrategy",
        trigger.retry_strategy.as_ref(),
        problems,
    );
    if let Some(limit) = &trigger.rate_limit {
        rate_limit(&format!("{path}.rateLimit"), limit, problems);
    }
    if let Some(dlq) = &trigger.dlq_trigger {
        if !*trigger.at_least_once {
            problems.error(
                format!("{path}.atLeastOnce"),
                "to use dlqTrigger, trigger.atLeastOnce must be set to true",
            );
        }
        if !*dlq.at_least_once {
            problems.error(
                format!("{path}.dlqTrigger.atLeastOnce"),
                "atLeastOnce must be set to true within the dlqTrigger",
            );
        }
        check(&format!("{path}.dlqTrigger"), dlq, spec, problems);
    }
}

fn template(path: &str, template: &TriggerTemplate, scope: Scope<'_>, problems: &mut Problems) {
    let name_path = format!("{path}.name");
    if template.name.is_empty() {
        problems.error(name_path, "trigger must define a name");
    } else {
        bucket_key(&name_path, &template.name, problems);
    }
    for (at, reset) in template.conditions_reset.iter().enumerate() {
        conditions_reset(
            &index(&format!("{path}.conditionsReset"), at),
            reset,
            problems,
        );
    }
    match template.kinds().as_slice() {
        [] => {
            let problem = Problem::error(path, "no trigger type: there is nothing to do");
            let kinds = TriggerKind::ALL
                .iter()
                .map(|kind| kind.name())
                .collect::<Vec<_>>();
            problems.push(problem.with_hint(format!("exactly one of {}", kinds.join(", "))));
        }
        [_] => {}
        [first, others @ ..] => {
            for other in others {
                let message = format!("more than one trigger type: {first} is there already");
                let problem = Problem::error(join(path, other.name()), message);
                problems.push(problem.with_hint("write a trigger for each"));
            }
        }
    }
    action(path, template, scope, problems);
}

fn conditions_reset(path: &str, reset: &ConditionsResetCriteria, problems: &mut Problems) {
    let Some(by_time) = &reset.by_time else {
        return problems.error(path, "invalid conditionsReset");
    };
    let cron = by_time.cron.as_str();
    if let Err(error) = cron.parse::<CronSchedule>() {
        let problem = Problem::error(
            format!("{path}.byTime.cron"),
            format!("invalid cron expression \"{cron}\""),
        );
        problems.push(problem.with_hint(error.to_string()));
    }
    let name = by_time.timezone.as_str();
    let message = || format!("invalid timezone \"{name}\"");
    timezone(&format!("{path}.byTime.timezone"), name, message, problems);
}

/// The rules of each kind of action.
// One arm for each kind: splitting it would hide that none is missing.
#[expect(clippy::too_many_lines, reason = "a flat list of kinds")]
fn action(path: &str, template: &TriggerTemplate, scope: Scope<'_>, problems: &mut Problems) {
    for &kind in TriggerKind::ALL {
        let path = join(path, kind.name());
        match kind {
            TriggerKind::K8s => {
                if let Some(trigger) = &template.k8s {
                    k8s(&path, trigger, scope, problems);
                }
            }
            TriggerKind::ArgoWorkflow => {
                if let Some(trigger) = &template.argo_workflow {
                    let message = "argoWorkflow trigger does not contain an absolute action";
                    source(&path, trigger.source.as_ref(), message, problems);
                    operation(&path, &trigger.operation, &WORKFLOW_OPERATIONS, problems);
                    fields(
                        &path,
                        &trigger.parameters,
                        None,
                        scope.of_object(),
                        problems,
                    );
                    silent::templates(&path, trigger.source.as_ref(), problems);
                }
            }
            TriggerKind::Http => {
                if let Some(trigger) = &template.http {
                    http(&path, trigger, scope, problems);
                }
            }
            TriggerKind::AwsLambda => {
                if let Some(trigger) = &template.aws_lambda {
                    problems.needed(&path, "functionName", &trigger.function_name);
                    problems.needed(&path, "region", &trigger.region);
                    fields(
                        &path,
                        &trigger.parameters,
                        Some(&trigger.payload),
                        scope,
                        problems,
                    );
                }
            }
            TriggerKind::AzureEventHubs => {
                if let Some(trigger) = &template.azure_event_hubs {
                    problems.needed(&path, "fqdn", &trigger.fqdn);
                    problems.needed(&path, "hubName", &trigger.hub_name);
                    fields(
                        &path,
                        &trigger.parameters,
                        Some(&trigger.payload),
                        scope,
                        problems,
                    );
                }
            }
            TriggerKind::AzureServiceBus => {
                if let Some(trigger) = &template.azure_service_bus {
                    if trigger.queue_name.is_empty() && trigger.topic_name.is_empty() {
                        let message = "neither queue name nor topic name is specified";
                        problems.error(path.clone(), message);
                    }
                    if !trigger.subscription_name.is_empty() {
                        problems.no_effect(format!("{path}.subscriptionName"), "has no effect");
                    }
                    tls(&path, "tls", trigger.tls.as_ref(), problems);
                    fields(
                        &path,
                        &trigger.parameters,
                        Some(&trigger.payload),
                        scope,
                        problems,
                    );
                }
            }
            TriggerKind::Kafka => {
                if let Some(trigger) = &template.kafka {
                    if trigger.url.is_empty() {
                        problems.error(format!("{path}.url"), "broker url must not be empty");
                    }
                    if trigger.topic.is_empty() {
                        problems.error(format!("{path}.topic"), "topic must not be empty");
                    }
                    if trigger.partition.is_given() {
                        problems.no_effect(format!("{path}.partition"), "has no effect");
                    }
                    if !trigger.version.is_empty() {
                        let message = "has no effect: client and brokers agree on what both know";
                        problems.no_effect(format!("{path}.version"), message);
                    }
                    tls(&path, "tls", trigger.tls.as_ref(), problems);
                    super::sasl(&path, trigger.sasl.as_ref(), problems);
                    fields(
                        &path,
                        &trigger.parameters,
                        Some(&trigger.payload),
                        scope,
                        problems,
                    );
                }
            }
            TriggerKind::Pulsar => {
                if let Some(trigger) = &template.pulsar {
                    problems.needed(&path, "url", &trigger.url);
                    problems.needed(&path, "topic", &trigger.topic);
                    tls(&path, "tls", trigger.tls.as_ref(), problems);
                    backoff(
                        &path,
                        "connectionBackoff",
                        trigger.connection_backoff.as_ref(),
                        problems,
                    );
                    fields(
                        &path,
                        &trigger.parameters,
                        Some(&trigger.payload),
                        scope,
                        problems,
                    );
                }
            }
            TriggerKind::Nats => {
                if let Some(trigger) = &template.nats {
                    if trigger.url.is_empty() {
                        problems.error(format!("{path}.url"), "nats server url can't be empty");
                    }
                    if trigger.subject.is_empty() {
                        problems.error(format!("{path}.subject"), "nats subject can't be empty");
                    }
                    tls(&path, "tls", trigger.tls.as_ref(), problems);
                    let login = told_login(trigger.auth.as_ref());
                    nats_login(&path, login, &trigger.url, trigger.tls.as_ref(), problems);
                    fields(
                        &path,
                        &trigger.parameters,
                        Some(&trigger.payload),
                        scope,
                        problems,
                    );
                }
            }
            TriggerKind::Slack => {
                if let Some(trigger) = &template.slack {
                    problems.needed_if(trigger.slack_token.is_none(), &path, "slackToken");
                    fields(&path, &trigger.parameters, None, scope, problems);
                }
            }
            TriggerKind::OpenWhisk => {
                if let Some(trigger) = &template.open_whisk {
                    problems.needed(&path, "host", &trigger.host);
                    problems.needed(&path, "actionName", &trigger.action_name);
                    fields(
                        &path,
                        &trigger.parameters,
                        Some(&trigger.payload),
                        scope,
                        problems,
                    );
                }
            }
            TriggerKind::Custom => {
                if let Some(trigger) = &template.custom {
                    problems.needed(&path, "serverURL", &trigger.server_url);
                    problems.needed_if(trigger.spec.is_empty(), &path, "spec");
                    if *trigger.secure {
                        problems.needed_if(trigger.cert_secret.is_none(), &path, "certSecret");
                    }
                    fields(&path, &trigger.parameters, None, scope, problems);
                    let payload = trigger.payload.as_deref().unwrap_or_default();
                    parameters(&format!("{path}.payload"), payload, scope, problems);
                }
            }
            TriggerKind::Email => {
                if let Some(trigger) = &template.email {
                    problems.needed(&path, "host", &trigger.host);
                    if u16::try_from(*trigger.port).is_err() {
                        problems
                            .error(format!("{path}.port"), "port has to be between 0 and 65535");
                    }
                    fields(&path, &trigger.parameters, None, scope, problems);
                }
            }
            TriggerKind::Log => {}
        }
    }
}

/// Parameters, and a payload where one is needed.
fn fields(
    path: &str,
    list: &[TriggerParameter],
    payload: Option<&Option<Vec<TriggerParameter>>>,
    scope: Scope<'_>,
    problems: &mut Problems,
) {
    parameters(&format!("{path}.parameters"), list, scope, problems);
    match payload {
        Some(None) => problems.error(format!("{path}.payload"), "payload can't be nil"),
        Some(Some(payload)) => parameters(&format!("{path}.payload"), payload, scope, problems),
        None => {}
    }
}

fn k8s(path: &str, trigger: &StandardK8sTrigger, scope: Scope<'_>, problems: &mut Problems) {
    let message = "k8s trigger does not contain an absolute action";
    source(path, trigger.source.as_ref(), message, problems);
    operation(path, &trigger.operation, &K8sOperation::NAMES, problems);
    fields(path, &trigger.parameters, None, scope.of_object(), problems);
    silent::templates(path, trigger.source.as_ref(), problems);
}

fn source(path: &str, location: Option<&ArtifactLocation>, message: &str, problems: &mut Problems) {
    let path = format!("{path}.source");
    let Some(location) = location else {
        return problems.error(path, message);
    };
    let is_set = location.s3.is_some()
        || location.inline.is_some()
        || location.file.is_some()
        || location.url.is_some()
        || location.git.is_some()
        || location.configmap.is_some()
        || location.resource.is_some();
    let url = location
        .url
        .as_ref()
        .filter(|url| url.path.starts_with("https:"));
    if url.is_some_and(|url| !*url.verify_cert) {
        problems.push(
            Problem::warning(
                format!("{path}.url.verifyCert"),
                "the server may be anybody",
            )
            .with_code(Code::Insecure)
            .with_hint("`verifyCert: true` checks its certificate"),
        );
    }
    if !is_set {
        let hint = "one of resource, inline, file, url, configmap, git, s3";
        problems.push(Problem::error(path, message).with_hint(hint));
    }
}

fn operation(path: &str, name: &str, known: &[&str], problems: &mut Problems) {
    if !name.is_empty() && !known.contains(&name) {
        let message = format!("unknown operation type {name}");
        problems.one_of(format!("{path}.operation"), message, name, known);
    }
}

fn http(path: &str, trigger: &HttpTrigger, scope: Scope<'_>, problems: &mut Problems) {
    if trigger.url.is_empty() {
        problems.error(format!("{path}.url"), "server URL is not specified");
    }
    let method = trigger.method.as_str();
    if !method.is_empty() && !METHODS.contains(&method) {
        let message = "only GET, DELETE, PATCH, POST and PUT methods are supported".to_owned();
        problems.one_of(format!("{path}.method"), message, method, &METHODS);
    }
    tls(path, "tls", trigger.tls.as_ref(), problems);
    if *trigger.timeout < 0 {
        problems.warning(
            format!("{path}.timeout"),
            "a negative timeout counts as none given",
        );
    }
    parameters(
        &format!("{path}.parameters"),
        &trigger.parameters,
        scope,
        problems,
    );
    let payload = trigger.payload.as_deref().unwrap_or_default();
    let payload_scope = Scope {
        may_lack_dest: true,
        ..scope
    };
    parameters(&format!("{path}.payload"), payload, payload_scope, problems);
    parameters(
        &format!("{path}.dynamicHeaders"),
        &trigger.dynamic_headers,
        scope,
        problems,
    );
    for (at, header) in trigger.secure_headers.iter().enumerate() {
        let path = index(&format!("{path}.secureHeaders"), at);
        problems.needed(&path, "name", &header.name);
        let has_value = header.value_from.as_ref().is_some_and(|value| {
            value.secret_key_ref.is_some() || value.config_map_key_ref.is_some()
        });
        problems.needed_if(!has_value, &path, "valueFrom");
    }
}

fn policy(path: &str, policy: &TriggerPolicy, template: &TriggerTemplate, out: &mut Problems) {
    let Some(kind) = template.kinds().first().copied() else {
        return;
    };
    let on_object = matches!(kind, TriggerKind::K8s | TriggerKind::ArgoWorkflow);
    let on_answer = matches!(
        kind,
        TriggerKind::Http | TriggerKind::AwsLambda | TriggerKind::OpenWhisk
    );
    if let Some(k8s) = &policy.k8s {
        if !on_object {
            out.no_effect(
                format!("{path}.k8s"),
                format!("has no effect on a trigger of type {kind}"),
            );
        } else if k8s.labels.is_empty() {
            out.error(
                format!("{path}.k8s.labels"),
                "resource labels are not specified",
            );
        }
        backoff(&format!("{path}.k8s"), "backoff", k8s.backoff.as_ref(), out);
    }
    if let Some(status) = &policy.status {
        if !on_answer {
            let message = format!("has no effect on a trigger of type {kind}");
            out.no_effect(format!("{path}.status"), message);
        } else if status.allow.is_empty() && kind != TriggerKind::OpenWhisk {
            let message = "list of allowed response status is not specified";
            out.error(format!("{path}.status.allow"), message);
        }
    }
}
