//! The subscription of a topic, as a hook.

use async_trait::async_trait;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tiphys_api::SnsEventSource;
use tiphys_clients::aws::{Login, ToSign, sign};
use tiphys_clients::tls::Tls;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::source::hooks::{Hook, Hooks, Managed};
use crate::source::rest::{Body, Rest};

const VERSION: &str = "2010-03-31";

/// How many pages of subscriptions are read.
const MOST_PAGES: usize = 1_000;

const HINT: &str = "the access key needs sns:Subscribe, sns:Unsubscribe and \
                    sns:ListSubscriptionsByTopic for the topic";

/// Asks SNS.
struct Sns {
    rest: Rest,
    login: Login,
    region: String,
    topic: String,
    url: String,
    now: fn() -> Timestamp,
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

/// Logs in.
pub(super) async fn connect(
    spec: &SnsEventSource,
    managed: &Managed,
    context: &SourceContext,
) -> Result<Box<dyn Hooks>, SourceError> {
    let (Some(access), Some(secret), true) =
        (&spec.access_key, &spec.secret_key, spec.role_arn.is_empty())
    else {
        let act = format!("subscribe {} to the topic", managed.url);
        return Err(SourceError::new(Reason::Unsupported, act)
            .because("only a login with accessKey and secretKey is known so far")
            .with_hint("subscribe the URL by hand: it is confirmed, and receives"));
    };
    let login = Login {
        access_key: context.secret(access).await?.text(),
        secret_key: context.secret(secret).await?.text(),
    };
    let region = spec.region.to_string();
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    let public = format!("https://sns.{region}.amazonaws.com{china}/");
    let base = match spec.endpoint.as_str() {
        "" => ("region", &*public),
        endpoint => ("endpoint", endpoint),
    };
    Ok(Box::new(Sns {
        rest: Rest::new(context, base, Tls::default(), HeaderMap::new(), HINT)?,
        login,
        region,
        topic: spec.topic_arn.to_string(),
        url: managed.url.clone(),
        now: Timestamp::now,
    }))
}

impl Sns {
    async fn call<T: DeserializeOwned>(
        &self,
        act: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, SourceError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", VERSION)
            .extend_pairs(parameters)
            .finish();
        let url: Url = self.rest.url("")?;
        let request = ToSign {
            method: &Method::POST,
            url: &url,
            region: &self.region,
            service: "sns",
            body: form.as_bytes(),
        };
        let signed = sign(&request, &self.login, (self.now)())
            .map_err(|error| SourceError::new(Reason::Invalid, act).because(error))?;
        let answer = self
            .rest
            .call_as(act, Method::POST, url, Some(Body::Form(&form)), signed)
            .await?;
        let malformed =
            |error: quick_xml::DeError| SourceError::new(Reason::Malformed, act).because(error);
        let text = String::from_utf8_lossy(&answer.body);
        quick_xml::de::from_str(&text).map_err(malformed)
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
