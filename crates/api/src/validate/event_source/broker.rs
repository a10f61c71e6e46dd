//! Rules of sources that connect to something: brokers, queues, files, gRPC servers.

use super::{Problems, duration};
use crate::field_path::join;
use crate::problem::Code;
use crate::validate::pace::backoff;
use crate::validate::{basic_auth, nats_login, sasl, tls, told_login};
use crate::{
    AzureServiceBusEventSource, EventConfig, KafkaEventSource, NatsAuth, NatsJetStream,
    NsqEventSource, Problem, S3Artifact, SaramaConfig, SftpEventSource, WatchPathConfig,
};

/// Operations of the file system that can be watched, and those that a list tells of.
const FILE_OPERATIONS: [&str; 5] = ["CREATE", "WRITE", "REMOVE", "RENAME", "CHMOD"];
const LISTED_OPERATIONS: [&str; 4] = ["CREATE", "WRITE", "REMOVE", "CHMOD"];

// One arm for each kind: splitting it would hide that none is missing.
#[expect(clippy::too_many_lines, reason = "a flat list of kinds")]
pub(super) fn config(path: &str, config: EventConfig<'_>, problems: &mut Problems) {
    match config {
        EventConfig::Minio(source) => s3(path, source, problems),
        EventConfig::File(source) => {
            for operation in source.event_type.split('|') {
                let path = join(path, "eventType");
                file_operation(&path, operation.trim(), &FILE_OPERATIONS, problems);
            }
            watched(path, source.watch_path_config.as_ref(), problems);
        }
        EventConfig::Sftp(source) => sftp(path, source, problems),
        EventConfig::Hdfs(source) => {
            let paths = WatchPathConfig {
                directory: source.directory.clone(),
                path: source.path.clone(),
                path_regexp: source.path_regexp.clone(),
            };
            watch_path(path, &paths, problems);
            listed_operations(&join(path, "type"), &source.r#type, problems);
            problems.needed_if(source.addresses.is_empty(), path, "addresses");
            duration(path, "checkInterval", &source.check_interval, problems);
        }
        EventConfig::Amqp(source) => {
            if source.url.is_empty() == source.url_secret.is_none() {
                problems.error(path, "exactly one of url and urlSecret must be specified");
            }
            problems.needed(path, "exchangeType", &source.exchange_type);
            problems.needed_if(!source.routing_key.is_given(), path, "routingKey");
            connection(
                path,
                source.tls.as_ref(),
                source.connection_backoff.as_ref(),
                problems,
            );
            basic_auth(path, "auth", source.auth.as_ref(), problems);
        }
        EventConfig::Kafka(source) => kafka(path, source, problems),
        EventConfig::Mqtt(source) => {
            problems.needed(path, "url", &source.url);
            problems.needed(path, "topic", &source.topic);
            problems.needed(path, "clientId", &source.client_id);
            connection(
                path,
                source.tls.as_ref(),
                source.connection_backoff.as_ref(),
                problems,
            );
            basic_auth(path, "auth", source.auth.as_ref(), problems);
        }
        EventConfig::Nats(source) => {
            problems.needed(path, "url", &source.url);
            problems.needed(path, "subject", &source.subject);
            connection(
                path,
                source.tls.as_ref(),
                source.connection_backoff.as_ref(),
                problems,
            );
            nats_auth(path, source.auth.as_ref(), problems);
            let login = told_login(source.auth.as_ref());
            nats_login(path, login, &source.url, source.tls.as_ref(), problems);
            if let Some(stream) = &source.jetstream {
                jetstream(&join(path, "jetstream"), stream, problems);
            }
        }
        EventConfig::Sqs(source) => {
            problems.needed(path, "region", &source.region);
            problems.needed(path, "queue", &source.queue);
        }
        EventConfig::Mns(source) => {
            problems.needed(path, "queue", &source.queue);
            problems.needed(path, "endpoint", &source.endpoint);
        }
        EventConfig::PubSub(source) => {
            if source.topic.is_empty() && source.subscription_id.is_empty() {
                problems.error(path, "either topic or subscriptionID must be specified");
            }
        }
        EventConfig::AzureEventsHub(source) => {
            problems.needed(path, "fqdn", &source.fqdn);
            problems.needed(path, "hubName", &source.hub_name);
            if source.shared_access_key.is_some() != source.shared_access_key_name.is_some() {
                let message = "sharedAccessKeyName and sharedAccessKey have to be set together";
                problems.error(path, message);
            }
        }
        EventConfig::AzureServiceBus(source) => azure_service_bus(path, source, problems),
        EventConfig::AzureQueueStorage(source) => {
            problems.needed(path, "queueName", &source.queue_name);
            if source.connection_string.is_none() && source.storage_account_name.is_empty() {
                let message = "either connectionString or storageAccountName must be specified";
                problems.error(path, message);
            }
        }
        EventConfig::Redis(source) => {
            problems.needed(path, "hostAddress", &source.host_address);
            problems.needed_if(source.channels.is_empty(), path, "channels");
            tls(path, "tls", source.tls.as_ref(), problems);
        }
        EventConfig::RedisStream(source) => {
            problems.needed(path, "hostAddress", &source.host_address);
            problems.needed_if(source.streams.is_empty(), path, "streams");
            tls(path, "tls", source.tls.as_ref(), problems);
        }
        EventConfig::Nsq(source) => nsq(path, source, problems),
        EventConfig::Pulsar(source) => {
            problems.needed(path, "url", &source.url);
            problems.needed_if(source.topics.is_empty(), path, "topics");
            let kind = source.r#type.as_str();
            let known = ["exclusive", "shared"];
            if !kind.is_empty() && !known.contains(&kind) {
                let message = format!("unknown type {kind:?} of a subscription");
                problems.one_of(join(path, "type"), message, kind, &known);
            }
            connection(
                path,
                source.tls.as_ref(),
                source.connection_backoff.as_ref(),
                problems,
            );
        }
        EventConfig::Emitter(source) => {
            problems.needed(path, "broker", &source.broker);
            problems.needed(path, "channelKey", &source.channel_key);
            problems.needed(path, "channelName", &source.channel_name);
            connection(
                path,
                source.tls.as_ref(),
                source.connection_backoff.as_ref(),
                problems,
            );
        }
        EventConfig::Generic(source) => problems.needed(path, "url", &source.url),
        EventConfig::Resource(_)
        | EventConfig::Calendar(_)
        | EventConfig::Webhook(_)
        | EventConfig::Sns(_)
        | EventConfig::Github(_)
        | EventConfig::Gitlab(_)
        | EventConfig::Gerrit(_)
        | EventConfig::Bitbucket(_)
        | EventConfig::BitbucketServer(_)
        | EventConfig::Slack(_)
        | EventConfig::StorageGrid(_)
        | EventConfig::Stripe(_) => {}
    }
}

fn connection(
    path: &str,
    config: Option<&crate::TlsConfig>,
    retry: Option<&crate::Backoff>,
    problems: &mut Problems,
) {
    tls(path, "tls", config, problems);
    backoff(path, "connectionBackoff", retry, problems);
}

fn jetstream(path: &str, source: &NatsJetStream, problems: &mut Problems) {
    problems.needed(path, "stream", &source.stream);
    let is_name = |name: &str| !name.contains(|c: char| c.is_whitespace() || ".*>/\\".contains(c));
    for (field, name) in [("stream", &source.stream), ("durable", &source.durable)] {
        if !is_name(name) {
            let message = format!(
                "{:?} cannot be a name: no space and none of .*>/\\",
                name.as_str()
            );
            problems.error(join(path, field), message);
        }
    }
    let deliver = source.deliver.as_str();
    if !deliver.is_empty() && !NatsJetStream::DELIVER.contains(&deliver) {
        let message = format!("{deliver:?} is not known");
        problems.one_of(
            join(path, "deliver"),
            message,
            deliver,
            &NatsJetStream::DELIVER,
        );
    }
}

fn nsq(path: &str, source: &NsqEventSource, problems: &mut Problems) {
    problems.needed(path, "hostAddress", &source.host_address);
    for (field, name) in [("topic", &source.topic), ("channel", &source.channel)] {
        problems.needed(path, field, name);
        let letters = name.strip_suffix("#ephemeral").unwrap_or(name);
        let is_known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !name.is_empty()
            && (letters.is_empty() || !letters.chars().all(is_known) || name.len() > 64)
        {
            let message = format!(
                "{:?} cannot be a name: 64 letters, digits and ._- at most, and #ephemeral at the end",
                name.as_str()
            );
            problems.error(join(path, field), message);
        }
    }
    connection(
        path,
        source.tls.as_ref(),
        source.connection_backoff.as_ref(),
        problems,
    );
    let is_verified = source
        .tls
        .as_ref()
        .is_some_and(|tls| !*tls.insecure_skip_verify);
    if source.auth_secret.is_some() && !is_verified {
        let message = "the secret goes to whoever answers: the server is not verified";
        let warning = Problem::warning(join(path, "authSecret"), message).with_code(Code::Insecure);
        problems
            .push(warning.with_hint("name the authority of its certificate in tls.caCertSecret"));
    }
}

fn nats_auth(path: &str, auth: Option<&NatsAuth>, problems: &mut Problems) {
    let basic = auth.and_then(|auth| auth.basic.as_ref());
    basic_auth(&join(path, "auth"), "basic", basic, problems);
}

fn s3(path: &str, source: &S3Artifact, problems: &mut Problems) {
    problems.needed(path, "endpoint", &source.endpoint);
    let bucket = source
        .bucket
        .as_ref()
        .map_or("", |bucket| bucket.name.as_str());
    problems.needed(&join(path, "bucket"), "name", bucket);
    problems.needed_if(source.access_key.is_none(), path, "accessKey");
    problems.needed_if(source.secret_key.is_none(), path, "secretKey");
}

fn kafka(path: &str, source: &KafkaEventSource, problems: &mut Problems) {
    problems.needed(path, "url", &source.url);
    problems.needed(path, "topic", &source.topic);
    let partition = source.partition.trim();
    match &source.consumer_group {
        Some(group) => {
            let place = join(path, "consumerGroup");
            problems.needed(&place, "groupName", &group.group_name);
            let strategy = group.rebalance_strategy.as_str();
            if !["", "range", "sticky", "roundrobin"].contains(&strategy) {
                let message = format!("{strategy:?} is not known: range is used");
                problems.no_effect(join(&place, "rebalanceStrategy"), message);
            }
            if !partition.is_empty() {
                let message = "has no effect beside consumerGroup";
                problems.no_effect(join(path, "partition"), message);
            }
        }
        None if partition.is_empty() => {
            problems.error(path, "either partition or consumerGroup must be specified");
        }
        None if !partition.parse::<i32>().is_ok_and(|number| number >= 0) => {
            let message = format!("{partition:?} is no number of a partition");
            problems.error(join(path, "partition"), message);
        }
        None => {}
    }
    if !source.version.is_empty() {
        let message = "has no effect: client and brokers agree on what both know";
        problems.no_effect(join(path, "version"), message);
    }
    match SaramaConfig::read(&source.config) {
        Err(why) => problems.error(join(path, "config"), why),
        Ok(config) if !config.without_effect.is_empty() => {
            let keys = config.without_effect.join(", ");
            problems.no_effect(join(path, "config"), format!("{keys}: no effect here"));
        }
        Ok(_) => {}
    }
    if source.schema_registry.is_some() && !*source.json_body {
        problems.no_effect(
            join(path, "schemaRegistry"),
            "has no effect without jsonBody",
        );
    }
    connection(
        path,
        source.tls.as_ref(),
        source.connection_backoff.as_ref(),
        problems,
    );
    sasl(path, source.sasl.as_ref(), problems);
}

fn azure_service_bus(path: &str, source: &AzureServiceBusEventSource, problems: &mut Problems) {
    let topic = !source.topic_name.is_empty();
    if source.queue_name.is_empty() && !topic {
        problems.error(path, "either queueName or topicName must be specified");
    }
    if !source.queue_name.is_empty() && topic {
        problems.error(path, "queueName and topicName cannot be specified together");
    }
    if topic && source.subscription_name.is_empty() {
        problems.needed_if(true, path, "subscriptionName");
    }
    if source.connection_string.is_none() && source.fully_qualified_namespace.is_empty() {
        let message = "either connectionString or fullyQualifiedNamespace must be specified";
        problems.error(path, message);
    }
    tls(path, "tls", source.tls.as_ref(), problems);
}

fn sftp(path: &str, source: &SftpEventSource, problems: &mut Problems) {
    listed_operations(&join(path, "eventType"), &source.event_type, problems);
    watched(path, source.watch_path_config.as_ref(), problems);
    problems.needed_if(source.username.is_none(), path, "username");
    problems.needed_if(source.address.is_none(), path, "address");
    if source.password.is_none() && source.ssh_key_secret.is_none() {
        problems.error(path, "either password or sshKeySecret must be specified");
    }
    if source.password.is_some() && source.ssh_key_secret.is_some() {
        let message = "has no effect beside sshKeySecret";
        problems.no_effect(join(path, "password"), message);
    }
    duration(
        path,
        "pollIntervalDuration",
        &source.poll_interval_duration,
        problems,
    );
}

/// Operations on files of which nothing but a list is known.
fn listed_operations(path: &str, names: &str, problems: &mut Problems) {
    for name in names.split('|').map(str::trim) {
        if name == "RENAME" {
            let message = "nobody tells that a file has another name";
            let problem = Problem::error(path.to_owned(), message);
            problems.push(problem.with_hint("it is a REMOVE of the one and a CREATE of the other"));
        } else {
            file_operation(path, name, &LISTED_OPERATIONS, problems);
        }
    }
}

fn file_operation(path: &str, name: &str, known: &[&str], problems: &mut Problems) {
    if !known.contains(&name) {
        let message = match name {
            "" => "an operation must be specified".to_owned(),
            _ => format!("unknown operation {name:?}"),
        };
        problems.one_of(path.to_owned(), message, name, known);
    }
}

fn watched(path: &str, paths: Option<&WatchPathConfig>, problems: &mut Problems) {
    match paths {
        None => problems.needed_if(true, path, "watchPathConfig"),
        Some(paths) => watch_path(&join(path, "watchPathConfig"), paths, problems),
    }
}

/// Which files are watched. The regular expression is compiled by the source.
fn watch_path(path: &str, paths: &WatchPathConfig, problems: &mut Problems) {
    let directory = paths.directory.as_str();
    if directory.is_empty() {
        problems.error(join(path, "directory"), "directory is required");
    } else if !directory.starts_with('/') {
        problems.error(
            join(path, "directory"),
            "directory must be an absolute file path",
        );
    }
    match (paths.path.is_empty(), paths.path_regexp.is_empty()) {
        (true, true) => problems.error(path, "either path or pathRegexp must be specified"),
        (false, false) => {
            problems.error(path, "path and pathRegexp cannot be specified together");
        }
        (false, true) if paths.path.starts_with('/') => {
            problems.error(join(path, "path"), "path must be a relative file path");
        }
        _ => {}
    }
}
