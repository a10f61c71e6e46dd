//! What the cards of event sources and their events say.

use tiphys_api::{
    BitbucketEventSource, BitbucketServerEventSource, CalendarEventSource, Event, EventConfig,
    EventSourceFilter, EventSourceSpec, GithubEventSource, ResourceEventSource, S3Artifact,
    WatchPathConfig, WebhookContext,
};

use super::{Face, counted, joined, listed};

/// The card of an event source.
pub(super) fn source_face(name: &str, spec: &EventSourceSpec) -> Face {
    let mut kinds: Vec<String> = Vec::new();
    let mut events = 0;
    for event in spec.events() {
        let kind = event.kind.event_type();
        if kinds.last().is_none_or(|last| last != kind) {
            kinds.push(kind.to_owned());
        }
        events += 1;
    }
    Face {
        tag: "event source".to_owned(),
        title: name.to_owned(),
        detail: joined([&listed(&kinds), &counted(events, "event")], " · "),
        badges: Vec::new(),
    }
}

/// The card of an event.
pub(super) fn face(event: &Event<'_>) -> Face {
    let filters = filters(&event.config);
    Face {
        tag: event.kind.event_type().to_owned(),
        title: event.name.to_owned(),
        detail: detail(&event.config),
        badges: (filters > 0)
            .then(|| counted(filters, "filter"))
            .into_iter()
            .collect(),
    }
}

/// A URL without what it may hide: login and query are nobody's business in a picture.
pub(super) fn public_url(url: &str) -> String {
    url.split("://")
        .map(without_secrets)
        .collect::<Vec<_>>()
        .join("://")
}

fn without_secrets(part: &str) -> String {
    let (authority, rest) = part.split_at(part.find(['/', '?', '#']).unwrap_or(part.len()));
    let host = authority
        .rsplit_once('@')
        .map(|(_, host)| format!("…@{host}"));
    let mut public = host.unwrap_or_else(|| authority.to_owned());
    match rest.split_once('?') {
        Some((path, _)) => public.extend([path, "?…"]),
        None => public.push_str(rest),
    }
    public
}

/// What is watched, in a line: the fields without which two events of a kind look the same.
fn detail(config: &EventConfig<'_>) -> String {
    use EventConfig as C;
    match config {
        C::Minio(s) => bucket(s),
        C::Calendar(s) => calendar(s),
        C::File(s) => watched(s.watch_path_config.as_ref()),
        C::Sftp(s) => watched(s.watch_path_config.as_ref()),
        C::Resource(s) => resource(s),
        C::Webhook(s) => webhook(Some(&s.context)),
        C::Amqp(s) => joined([&s.exchange_name, &s.routing_key], " / "),
        C::Kafka(s) => joined([&s.topic, &public_url(&s.url)], " · "),
        C::Mqtt(s) => joined([&s.topic, &public_url(&s.url)], " · "),
        C::Nats(s) => joined([&s.subject, &public_url(&s.url)], " · "),
        C::Sns(s) => s.topic_arn.to_string(),
        C::Sqs(s) => joined([&s.queue, &s.region], " · "),
        C::PubSub(s) => joined([&s.project_id, &s.topic, &s.subscription_id], " / "),
        C::Gerrit(s) => listed(&s.projects),
        C::Github(s) => github(s),
        C::Gitlab(s) => joined(
            [&listed(&s.projects), &listed(&s.groups), &s.project_id],
            " · ",
        ),
        C::Hdfs(s) => joined([&s.directory, &joined([&s.path, &s.path_regexp], "")], "/"),
        C::Slack(s) => webhook(s.webhook.as_ref()),
        C::StorageGrid(s) => joined([&s.bucket, &s.region], " · "),
        C::AzureEventsHub(s) => joined([&s.hub_name, &s.fqdn], " · "),
        C::AzureQueueStorage(s) => joined([&s.queue_name, &s.storage_account_name], " · "),
        C::AzureServiceBus(s) => {
            joined([&s.queue_name, &s.topic_name, &s.subscription_name], " / ")
        }
        C::Stripe(s) => joined(
            [&webhook(s.webhook.as_ref()), &listed(&s.event_filter)],
            " · ",
        ),
        C::Emitter(s) => joined([&s.channel_name, &public_url(&s.broker)], " · "),
        C::Redis(s) => joined([&listed(&s.channels), &s.host_address], " · "),
        C::RedisStream(s) => joined([&listed(&s.streams), &s.host_address], " · "),
        C::Nsq(s) => joined([&s.topic, &s.channel], " / "),
        C::Pulsar(s) => joined([&listed(&s.topics), &public_url(&s.url)], " · "),
        C::Generic(s) => public_url(&s.url),
        C::BitbucketServer(s) => bitbucket_server(s),
        C::Bitbucket(s) => bitbucket(s),
        C::Mns(s) => s.queue.to_string(),
    }
}

fn resource(source: &ResourceEventSource) -> String {
    let name = joined([&source.resource, &source.group], ".");
    let types = source.event_types.as_deref().unwrap_or_default().join(" ");
    let of = joined([&source.namespace, &name], "/");
    joined([&of, &types], " · ")
}

fn webhook(context: Option<&WebhookContext>) -> String {
    let Some(context) = context else {
        return String::new();
    };
    let endpoint = format!(":{}{}", context.port.as_str(), context.endpoint.as_str());
    joined([&context.method, &endpoint], " ")
}

fn calendar(source: &CalendarEventSource) -> String {
    let interval = match source.interval.as_str() {
        "" => String::new(),
        interval => format!("every {interval}"),
    };
    joined([&source.schedule, &interval, &source.timezone], " · ")
}

fn watched(config: Option<&WatchPathConfig>) -> String {
    let Some(config) = config else {
        return String::new();
    };
    let path = joined([&config.path, &config.path_regexp], "");
    joined([config.directory.trim_end_matches('/'), &path], "/")
}

fn bucket(source: &S3Artifact) -> String {
    let name = source
        .bucket
        .as_ref()
        .map_or("", |bucket| bucket.name.as_str());
    joined([name, &public_url(&source.endpoint)], " · ")
}

fn github(source: &GithubEventSource) -> String {
    let mut repositories = Vec::new();
    for owned in source.repositories.iter() {
        let owner = owned.owner.as_str();
        repositories.extend(owned.names.iter().map(|name| format!("{owner}/{name}")));
    }
    let one = joined([&source.owner, &source.repository], "/");
    joined(
        [&one, &listed(&repositories), &listed(&source.organizations)],
        " · ",
    )
}

fn bitbucket(source: &BitbucketEventSource) -> String {
    let names = source
        .repositories
        .iter()
        .map(|r| joined([&r.owner, &r.repository_slug], "/"));
    let one = joined([&source.owner, &source.repository_slug], "/");
    joined([&one, &listed(&names.collect::<Vec<_>>())], " · ")
}

fn bitbucket_server(source: &BitbucketServerEventSource) -> String {
    let names = source.repositories.iter();
    let names = names.map(|r| joined([&r.project_key, &r.repository_slug], "/"));
    let one = joined([&source.project_key, &source.repository_slug], "/");
    joined(
        [
            &one,
            &listed(&names.collect::<Vec<_>>()),
            &listed(&source.projects),
        ],
        " · ",
    )
}

/// How many conditions an event has to meet before it is published.
fn filters(config: &EventConfig<'_>) -> usize {
    use EventConfig as C;
    let expression = |filter: &Option<EventSourceFilter>| {
        usize::from(
            filter
                .as_ref()
                .is_some_and(|filter| !filter.expression.is_empty()),
        )
    };
    match config {
        C::Resource(s) => s.filter.as_ref().map_or(0, |filter| {
            let flags = [
                !filter.prefix.is_empty(),
                filter.created_by.is_some(),
                *filter.after_start,
            ];
            filter.labels.len()
                + filter.fields.len()
                + flags.into_iter().filter(|&is_set| is_set).count()
        }),
        C::Minio(s) => s.filter.as_ref().map_or(0, |filter| {
            usize::from(!filter.prefix.is_empty()) + usize::from(!filter.suffix.is_empty())
        }),
        C::StorageGrid(s) => s.filter.as_ref().map_or(0, |filter| {
            usize::from(!filter.prefix.is_empty()) + usize::from(!filter.suffix.is_empty())
        }),
        C::Stripe(_) => 0,
        C::Calendar(s) => expression(&s.filter),
        C::File(s) => expression(&s.filter),
        C::Sftp(s) => expression(&s.filter),
        C::Webhook(s) => expression(&s.filter),
        C::Amqp(s) => expression(&s.filter),
        C::Kafka(s) => expression(&s.filter),
        C::Mqtt(s) => expression(&s.filter),
        C::Nats(s) => expression(&s.filter),
        C::Sns(s) => expression(&s.filter),
        C::Sqs(s) => expression(&s.filter),
        C::PubSub(s) => expression(&s.filter),
        C::Gerrit(s) => expression(&s.filter),
        C::Github(s) => expression(&s.filter),
        C::Gitlab(s) => expression(&s.filter),
        C::Hdfs(s) => expression(&s.filter),
        C::Slack(s) => expression(&s.filter),
        C::AzureEventsHub(s) => expression(&s.filter),
        C::AzureQueueStorage(s) => expression(&s.filter),
        C::AzureServiceBus(s) => expression(&s.filter),
        C::Emitter(s) => expression(&s.filter),
        C::Redis(s) => expression(&s.filter),
        C::RedisStream(s) => expression(&s.filter),
        C::Nsq(s) => expression(&s.filter),
        C::Pulsar(s) => expression(&s.filter),
        C::Generic(s) => expression(&s.filter),
        C::BitbucketServer(s) => expression(&s.filter),
        C::Bitbucket(s) => expression(&s.filter),
        C::Mns(s) => expression(&s.filter),
    }
}

#[cfg(test)]
mod tests {
    use super::public_url;

    #[test]
    fn a_picture_shows_neither_logins_nor_queries() {
        for (url, expected) in [
            ("https://example.com/a", "https://example.com/a"),
            (
                "https://user:pass@example.com/a?token=1",
                "https://…@example.com/a?…",
            ),
            (
                "nats://u:p@one:4222,nats://u:p@two:4222",
                "nats://…@one:4222,nats://…@two:4222",
            ),
            ("user:pass@broker:9092", "…@broker:9092"),
        ] {
            assert_eq!(public_url(url), expected);
        }
    }
}
