//! Rules of sources that are called through the web server, and of the web server itself.

use super::{Problems, duration};
use crate::field_path::join;
use crate::problem::Problem;
use crate::validate::{basic_auth, tls};
use crate::{EventConfig, WebhookContext};

pub(super) fn config(path: &str, config: EventConfig<'_>, problems: &mut Problems) {
    match config {
        EventConfig::Webhook(source) => return context(path, &source.context, problems),
        EventConfig::Sns(source) => {
            problems.needed(path, "topicArn", &source.topic_arn);
            problems.needed(path, "region", &source.region);
        }
        EventConfig::Github(source) => {
            let old = !source.owner.is_empty() && !source.repository.is_empty();
            let repositories = !source.repositories.is_empty();
            if !old && !repositories && source.organizations.is_empty() {
                problems.error(
                    path,
                    "either repositories or organizations must be specified",
                );
            }
            if repositories && !source.organizations.is_empty() {
                problems.error(
                    path,
                    "only one of organizations and repositories can be set",
                );
            }
            if source.github_base_url.is_empty() != source.github_upload_url.is_empty() {
                problems.error(
                    path,
                    "githubBaseURL and githubUploadURL have to be set together",
                );
            }
            let content_type = source.content_type.as_str();
            let known = ["json", "form"];
            if !content_type.is_empty() && !known.contains(&content_type) {
                let message = "content type must be \"json\" or \"form\"".to_owned();
                problems.one_of(join(path, "contentType"), message, content_type, &known);
            }
        }
        EventConfig::Gitlab(source) => {
            problems.needed_if(source.events.is_empty(), path, "events");
            problems.needed(path, "gitlabBaseURL", &source.gitlab_base_url);
            problems.needed_if(source.access_token.is_none(), path, "accessToken");
        }
        EventConfig::Gerrit(source) => {
            problems.needed_if(source.events.is_empty(), path, "events");
            problems.needed_if(source.projects.is_empty(), path, "projects");
            problems.needed(path, "gerritBaseURL", &source.gerrit_base_url);
            problems.needed_if(source.auth.is_none(), path, "auth");
            basic_auth(path, "auth", source.auth.as_ref(), problems);
        }
        EventConfig::Bitbucket(source) => {
            problems.needed_if(source.auth.is_none(), path, "auth");
            problems.needed_if(source.events.is_empty(), path, "events");
            if source.repositories.is_empty() && source.repository_slug.is_empty() {
                problems.needed_if(true, path, "repositories");
            }
        }
        EventConfig::BitbucketServer(source) => {
            problems.needed(
                path,
                "bitbucketserverBaseURL",
                &source.bitbucketserver_base_url,
            );
            problems.needed_if(source.events.is_empty(), path, "events");
            duration(path, "checkInterval", &source.check_interval, problems);
            tls(path, "tls", source.tls.as_ref(), problems);
        }
        EventConfig::Slack(source) => {
            problems.needed_if(source.token.is_none(), path, "token");
            problems.needed_if(source.signing_secret.is_none(), path, "signingSecret");
        }
        EventConfig::StorageGrid(source) => {
            problems.needed_if(source.events.is_empty(), path, "events");
            problems.needed(path, "topicArn", &source.topic_arn);
            problems.needed(path, "bucket", &source.bucket);
            problems.needed(path, "apiURL", &source.api_url);
            problems.needed_if(source.auth_token.is_none(), path, "authToken");
            tls(path, "tls", source.tls.as_ref(), problems);
        }
        EventConfig::Stripe(source) => {
            problems.needed_if(
                *source.create_webhook && source.api_key.is_none(),
                path,
                "apiKey",
            );
        }
        _ => return,
    }
    match config.webhook_context() {
        None => problems.needed_if(true, path, "webhook"),
        Some(webhook) => context(&join(path, "webhook"), webhook, problems),
    }
}

fn context(path: &str, context: &WebhookContext, problems: &mut Problems) {
    if context.endpoint.is_empty() {
        problems.error(join(path, "endpoint"), "endpoint can't be empty");
    }
    match context.port.as_str() {
        "" => problems.error(join(path, "port"), "port can't be empty"),
        port if port.parse::<u16>().is_err() => {
            problems.error(
                join(path, "port"),
                format!("failed to parse server port {port}"),
            );
        }
        _ => {}
    }
    if context.server_cert_secret.is_some() != context.server_key_secret.is_some() {
        let problem = Problem::warning(path, "the server stays on plain HTTP");
        problems.push(problem.with_hint("set serverCertSecret and serverKeySecret together"));
    }
    let method = context.method.as_str();
    if method.bytes().any(|b| b.is_ascii_lowercase()) {
        let problem = Problem::warning(join(path, "method"), "methods are written in capitals");
        problems.push(problem.with_hint(format!("write {}", method.to_ascii_uppercase())));
    }
}
