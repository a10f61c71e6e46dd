//! The subscription of a topic, as a hook.

use async_trait::async_trait;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tiphys_api::SnsEventSource;
use tiphys_clients::aws::Service;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::source::aws::failed;
use crate::source::hooks::{Hook, Hooks, Managed};

const VERSION: &str = "2010-03-31";

/// How many pages of subscriptions are read.
const MOST_PAGES: usize = 1_000;

const HINT: &str =
    "it needs sns:Subscribe, sns:Unsubscribe and sns:ListSubscriptionsByTopic for the topic";

/// Asks SNS.
struct Sns {
    service: Service,
    context: SourceContext,
    topic: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(rename = "ListSubscriptionsByTopicResult")]
    result: Page,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Page {
    subscriptions: Members,
    next_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Members {
    member: Vec<Subscription>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Subscription {
    #[serde(default)]
    subscription_arn: String,
    #[serde(default)]
    endpoint: String,
}

/// Somebody who may ask SNS.
pub(super) fn connect(
    spec: &SnsEventSource,
    managed: &Managed,
    context: &SourceContext,
) -> Result<Box<dyn Hooks>, SourceError> {
    let login = super::login(spec).login(&context.event().namespace);
    let service = Service::new(
        context.clients(),
        "sns",
        &spec.region,
        &spec.endpoint,
        login,
    );
    let service = service.map_err(|error| failed("ask SNS", error))?;
    Ok(Box::new(Sns {
        service,
        context: context.clone(),
        topic: spec.topic_arn.to_string(),
        url: managed.url.clone(),
    }))
}

impl Sns {
    async fn call<T: DeserializeOwned>(
        &self,
        act: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, SourceError> {
        let mut form = vec![("Action", action), ("Version", VERSION)];
        form.extend(parameters);
        let answered = self.service.query(self.context.clients(), &form).await;
        answered.map_err(|error| {
            let is_right = error.reason == Reason::Forbidden;
            let hint = format!("{}: {HINT}", error.hint);
            let failed = failed(act, error);
            if is_right {
                failed.with_hint(hint)
            } else {
                failed
            }
        })
    }
}

/// An answer that nobody reads.
#[derive(Deserialize)]
struct Done {}

#[async_trait]
impl Hooks for Sns {
    fn secret(&self) -> &[u8] {
        &[]
    }

    async fn places(&self) -> Result<Vec<String>, SourceError> {
        Ok(vec![self.topic.clone()])
    }

    async fn list(&self, place: &str) -> Result<Vec<Hook>, SourceError> {
        let act = format!("list the subscriptions of {place}");
        let mut hooks = Vec::new();
        let mut token = String::new();
        for _ in 0..MOST_PAGES {
            let mut parameters = vec![("TopicArn", place)];
            if !token.is_empty() {
                parameters.push(("NextToken", &token));
            }
            let listed: Listed = self
                .call(&act, "ListSubscriptionsByTopic", &parameters)
                .await?;
            let found = listed.result.subscriptions.member.into_iter();
            hooks.extend(found.map(|one| Hook {
                id: one.subscription_arn,
                url: one.endpoint,
                // One that is not confirmed yet is asked for by SNS.
                is_current: true,
            }));
            match listed.result.next_token {
                Some(next) if !next.is_empty() => token = next,
                _ => return Ok(hooks),
            }
        }
        Err(SourceError::new(Reason::Malformed, act).because("the list does not end"))
    }

    async fn create(&self, place: &str) -> Result<(), SourceError> {
        let protocol = self.url.split("://").next().unwrap_or_default();
        let act = format!("subscribe {} to {place}", self.url);
        let parameters = [
            ("TopicArn", place),
            ("Protocol", protocol),
            ("Endpoint", &self.url),
        ];
        let Done {} = self.call(&act, "Subscribe", &parameters).await?;
        Ok(())
    }

    async fn update(&self, _: &str, _: &str) -> Result<(), SourceError> {
        Ok(())
    }

    async fn delete(&self, place: &str, id: &str) -> Result<(), SourceError> {
        // What is not confirmed has no ARN, and goes by itself.
        if !id.starts_with("arn:") {
            return Ok(());
        }
        let act = format!("end the subscription {id} of {place}");
        let Done {} = self
            .call(&act, "Unsubscribe", &[("SubscriptionArn", id)])
            .await?;
        Ok(())
    }
}
