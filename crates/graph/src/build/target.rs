//! What triggers make or call, as far as the spec says: `…` stands for what an event fills in.

use serde_json::Value;
use tiphys_api::{
    ArtifactLocation, ParameterOperation, TriggerKind, TriggerParameter, TriggerTemplate, manifest,
};

use super::event::public_url;
use super::sensor::Scope;
use super::{Face, joined, listed};

/// What an event fills in.
const FROM_EVENT: &str = "…";

/// What a trigger makes or calls, and what it does to that.
pub(super) struct Target {
    pub(super) face: Face,
    pub(super) label: String,
}

/// The target of a trigger.
pub(super) fn of(
    template: &TriggerTemplate,
    kind: TriggerKind,
    parameters: &[TriggerParameter],
    scope: &Scope<'_>,
) -> Target {
    let outer = Fields {
        outer: parameters,
        inner: &[],
        prefix: kind.name(),
    };
    match kind {
        TriggerKind::K8s => {
            let Some(trigger) = &template.k8s else {
                return unknown(kind);
            };
            let operation = outer.text("operation", or(&trigger.operation, "create"));
            let fields = Fields {
                inner: &trigger.parameters,
                ..outer
            };
            object(trigger.source.as_ref(), &fields, scope, &operation)
        }
        TriggerKind::ArgoWorkflow => {
            let Some(trigger) = &template.argo_workflow else {
                return unknown(kind);
            };
            let operation = outer.text("operation", or(&trigger.operation, "submit"));
            let fields = Fields {
                inner: &trigger.parameters,
                ..outer
            };
            object(trigger.source.as_ref(), &fields, scope, &operation)
        }
        TriggerKind::Log => {
            let detail = joined(["sensor", scope.sensor], " ");
            target("log", "log", detail, "writes")
        }
        TriggerKind::Http
        | TriggerKind::Custom
        | TriggerKind::OpenWhisk
        | TriggerKind::AwsLambda => called(template, &outer, kind),
        TriggerKind::Slack | TriggerKind::Email => notified(template, &outer, kind),
        _ => published(template, &outer, kind),
    }
}

/// Where the value of a parameter comes from: `service.body.kind`.
pub(super) fn origin(parameter: &TriggerParameter) -> String {
    let dependency = parameter
        .src
        .as_ref()
        .map_or("", |source| &source.dependency_name);
    joined([dependency, key(parameter)], ".")
}

fn key(parameter: &TriggerParameter) -> &str {
    let Some(source) = &parameter.src else {
        return FROM_EVENT;
    };
    if !source.data_template.is_empty() || !source.context_template.is_empty() {
        return "template";
    }
    let keys = [source.data_key.as_str(), source.context_key.as_str()];
    let key = keys.into_iter().find(|key| !key.is_empty());
    key.or(source.value.as_deref()).unwrap_or(FROM_EVENT)
}

/// The parameters that write into a trigger.
#[derive(Clone, Copy)]
struct Fields<'a> {
    /// Those of the trigger, whose paths begin with its kind.
    outer: &'a [TriggerParameter],
    /// Those of the kind itself.
    inner: &'a [TriggerParameter],
    prefix: &'a str,
}

impl<'a> Fields<'a> {
    /// A field as the parameters leave it.
    fn text(&self, field: &str, written: &str) -> String {
        self.at(field, field, written)
    }

    /// A field of the object in a trigger's source.
    fn object_text(&self, field: &str, written: &str) -> String {
        self.at(&format!("source.resource.{field}"), field, written)
    }

    fn at(&self, outer: &str, inner: &str, written: &str) -> String {
        let is_outer = |dest: &str| {
            let rest = dest
                .strip_prefix(self.prefix)
                .and_then(|rest| rest.strip_prefix('.'));
            rest == Some(outer)
        };
        let outer = self
            .outer
            .iter()
            .filter(|parameter| is_outer(&parameter.dest));
        let inner = self
            .inner
            .iter()
            .filter(|parameter| parameter.dest == inner);
        outer.chain(inner).fold(written.to_owned(), apply)
    }

    fn with(self, inner: &'a [TriggerParameter]) -> Self {
        Self { inner, ..self }
    }
}

fn apply(text: String, parameter: &TriggerParameter) -> String {
    let value = constant(parameter).unwrap_or(FROM_EVENT);
    match ParameterOperation::from_name(&parameter.operation).unwrap_or_default() {
        ParameterOperation::Overwrite => value.to_owned(),
        ParameterOperation::Append => text + value,
        ParameterOperation::Prepend => format!("{value}{text}"),
    }
}

/// The value of a parameter that reads no event.
fn constant(parameter: &TriggerParameter) -> Option<&str> {
    let source = parameter.src.as_ref()?;
    let reads = [
        &source.data_key,
        &source.data_template,
        &source.context_key,
        &source.context_template,
    ];
    let is_constant = reads.into_iter().all(|read| read.is_empty());
    source.value.as_deref().filter(|_| is_constant)
}

fn target(tag: &str, title: &str, detail: String, label: &str) -> Target {
    let (tag, title) = (tag.to_owned(), title.to_owned());
    let face = Face {
        tag,
        title,
        detail,
        badges: Vec::new(),
    };
    Target {
        face,
        label: label.to_owned(),
    }
}

fn unknown(kind: TriggerKind) -> Target {
    target(kind.name(), kind.name(), String::new(), "")
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

/// A Kubernetes object: `Ingress playground/…-ing`.
fn object(
    source: Option<&ArtifactLocation>,
    fields: &Fields<'_>,
    scope: &Scope<'_>,
    operation: &str,
) -> Target {
    let label = if operation.contains(FROM_EVENT) {
        "by event"
    } else {
        operation
    };
    let Some(object) = source.and_then(written_object) else {
        let detail = source.map(elsewhere).unwrap_or_default();
        return target("k8s object", "object", detail, label);
    };
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let kind = fields.object_text("kind", text("/kind"));
    let mut name = fields.object_text("metadata.name", text("/metadata/name"));
    if name.is_empty() {
        let prefix = fields.object_text("metadata.generateName", text("/metadata/generateName"));
        name = prefix + FROM_EVENT;
    }
    let namespace = fields.object_text("metadata.namespace", text("/metadata/namespace"));
    let namespace = or(&namespace, scope.place.namespace);
    let title = joined([&kind, &joined([namespace, &name], "/")], " ");
    target(
        "k8s object",
        &title,
        fields.object_text("apiVersion", text("/apiVersion")),
        label,
    )
}

/// The object that stands in the spec itself.
fn written_object(source: &ArtifactLocation) -> Option<Value> {
    if let Some(resource) = &source.resource {
        return serde_json::from_str(resource.get()).ok();
    }
    let inline = source.inline.as_deref()?;
    let object = manifest::read("inline", inline)
        .objects
        .into_iter()
        .next()?;
    serde_json::from_str(&object.to_json()).ok()
}

/// Where an object is fetched from.
fn elsewhere(source: &ArtifactLocation) -> String {
    if let Some(reference) = &source.configmap {
        return format!(
            "from ConfigMap {}",
            joined([&reference.name, &reference.key], "/")
        );
    }
    if let Some(git) = &source.git {
        return format!(
            "from {}",
            joined([&public_url(&git.url), &git.file_path], " ")
        );
    }
    if let Some(url) = &source.url {
        return format!("from {}", public_url(&url.path));
    }
    if let Some(file) = &source.file {
        return format!("from {}", file.path.as_str());
    }
    if let Some(bucket) = source.s3.as_ref().and_then(|s3| s3.bucket.as_ref()) {
        return format!("from bucket {}", joined([&bucket.name, &bucket.key], "/"));
    }
    String::new()
}

/// Triggers that call a server or a function.
fn called(template: &TriggerTemplate, outer: &Fields<'_>, kind: TriggerKind) -> Target {
    if let (TriggerKind::Http, Some(http)) = (kind, &template.http) {
        let fields = outer.with(&http.parameters);
        let method = fields.text("method", or(&http.method, "POST"));
        let url = public_url(&fields.text("url", &http.url));
        return target("http", &format!("{method} {url}"), String::new(), "calls");
    }
    if let (TriggerKind::AwsLambda, Some(lambda)) = (kind, &template.aws_lambda) {
        let fields = outer.with(&lambda.parameters);
        let name = fields.text("functionName", &lambda.function_name);
        return target(
            "AWS Lambda",
            &name,
            fields.text("region", &lambda.region),
            "invokes",
        );
    }
    if let (TriggerKind::OpenWhisk, Some(whisk)) = (kind, &template.open_whisk) {
        let fields = outer.with(&whisk.parameters);
        let name = fields.text("actionName", &whisk.action_name);
        return target("OpenWhisk", &name, public_url(&whisk.host), "invokes");
    }
    if let Some(custom) = &template.custom {
        let url = outer
            .with(&custom.parameters)
            .text("serverURL", &custom.server_url);
        return target("gRPC", &public_url(&url), String::new(), "calls");
    }
    unknown(kind)
}

/// Triggers that send messages to people.
fn notified(template: &TriggerTemplate, outer: &Fields<'_>, kind: TriggerKind) -> Target {
    if let (TriggerKind::Slack, Some(slack)) = (kind, &template.slack) {
        let channel = outer
            .with(&slack.parameters)
            .text("channel", &slack.channel);
        let channel = format!("#{}", channel.trim_start_matches('#'));
        return target("Slack", &channel, String::new(), "posts");
    }
    if let Some(email) = &template.email {
        let fields = outer.with(&email.parameters);
        let to = fields.text("to", &listed(&email.to));
        return target(
            "e-mail",
            &to,
            fields.text("subject", &email.subject),
            "sends",
        );
    }
    unknown(kind)
}

/// Triggers that send to message brokers.
fn published(template: &TriggerTemplate, outer: &Fields<'_>, kind: TriggerKind) -> Target {
    if let (TriggerKind::Nats, Some(nats)) = (kind, &template.nats) {
        let fields = outer.with(&nats.parameters);
        let subject = fields.text("subject", &nats.subject);
        return target(
            "NATS",
            &subject,
            public_url(&fields.text("url", &nats.url)),
            "publishes",
        );
    }
    if let (TriggerKind::Kafka, Some(kafka)) = (kind, &template.kafka) {
        let fields = outer.with(&kafka.parameters);
        let topic = fields.text("topic", &kafka.topic);
        return target(
            "Kafka",
            &topic,
            public_url(&fields.text("url", &kafka.url)),
            "publishes",
        );
    }
    if let (TriggerKind::Pulsar, Some(pulsar)) = (kind, &template.pulsar) {
        let fields = outer.with(&pulsar.parameters);
        let topic = fields.text("topic", &pulsar.topic);
        return target(
            "Pulsar",
            &topic,
            public_url(&fields.text("url", &pulsar.url)),
            "publishes",
        );
    }
    if let (TriggerKind::AzureEventHubs, Some(hubs)) = (kind, &template.azure_event_hubs) {
        let fields = outer.with(&hubs.parameters);
        let hub = fields.text("hubName", &hubs.hub_name);
        return target(
            "Azure Event Hubs",
            &hub,
            fields.text("fqdn", &hubs.fqdn),
            "publishes",
        );
    }
    if let Some(bus) = &template.azure_service_bus {
        let fields = outer.with(&bus.parameters);
        let queue = fields.text("queueName", &bus.queue_name);
        let topic = fields.text("topicName", &bus.topic_name);
        return target(
            "Azure Service Bus",
            or(&queue, &topic),
            String::new(),
            "publishes",
        );
    }
    unknown(kind)
}
