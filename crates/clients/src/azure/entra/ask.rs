//! Asks for a token: as an application, at the service beside the container, or at the instance. The first that is
//! there counts.

use std::time::Duration;

use form_urlencoded::Serializer;
use jiff::{SignedDuration, Timestamp};
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use serde_json::Value;
use tiphys_api::message::{shortened, with_causes};
use tiphys_base::Reason;
use tokio::time::timeout;

use super::environment::{Application, Environment, Proof};
use super::{Error, Token};
use crate::Clients;
use crate::http::{Settings, parse, read};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long it may take to find out that there is no instance of Azure.
const FOUND_WITHIN: Duration = Duration::from_secs(3);

/// The largest answer that is read, in bytes: a token with many groups has some of them.
const LARGEST_ANSWER: usize = 256 << 10;

/// How much of what Entra says is shown, in bytes.
const LONGEST: usize = 300;

/// What a token of a service account is shown as.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Looks for a token for a service, in the order of Microsoft's own libraries.
pub(super) async fn find(
    clients: &Clients,
    environment: &Environment,
    service: &str,
    now: Timestamp,
) -> Result<Token, Error> {
    if let Some(application) = &environment.application {
        return as_application(clients, application, service, now).await;
    }
    let mut query = vec![("resource", service)];
    if let Some(client) = &environment.client {
        query.push(("client_id", client));
    }
    if let Some((url, header)) = &environment.beside {
        query.push(("api-version", "2019-08-01"));
        let request = local(clients, url, &query)?.header("x-identity-header", header);
        let asked = exchange(request, ANSWER_WITHIN, now).await;
        return asked.map_err(|error| failed(&error, "of the managed identity"));
    }
    query.push(("api-version", "2018-02-01"));
    let url = format!("{}/metadata/identity/oauth2/token", environment.metadata);
    let request = local(clients, &url, &query)?.header("metadata", "true");
    exchange(request, FOUND_WITHIN, now)
        .await
        .map_err(|error| Error {
            reason: Reason::Missing,
            message: format!(
                "there is no login of Azure: the environment has none, and the instance at {}: {error}",
                environment.metadata
            ),
            hint: "name a Secret with a connection string or a key, or give an identity to the \
                   service account of the pod"
                .to_owned(),
        })
}

async fn as_application(
    clients: &Clients,
    application: &Application,
    service: &str,
    now: Timestamp,
) -> Result<Token, Error> {
    let Application {
        authority,
        tenant,
        client,
        proof,
    } = application;
    let act = format!("of the application {client} of the tenant {tenant}");
    let url = parsed(&format!("{authority}/{tenant}/oauth2/v2.0/token"))?;
    if url.scheme() != "https" && !is_here(&url) {
        let message = format!("AZURE_AUTHORITY_HOST {authority} is not encrypted");
        return Err(Error::new(Reason::Configuration, message));
    }
    let proof = match proof {
        Proof::Secret(secret) => vec![("client_secret", secret.clone())],
        Proof::File(path) => {
            let token = tokio::fs::read_to_string(path).await;
            let token = token
                .map_err(|error| Error::new(Reason::Missing, format!("read {path}: {error}")))?;
            vec![
                ("client_assertion_type", ASSERTION.to_owned()),
                ("client_assertion", token.trim().to_owned()),
            ]
        }
    };
    let form = Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client)
        .append_pair("scope", &format!("{service}/.default"))
        .extend_pairs(proof)
        .finish();
    let client = clients.http.get(&Settings {
        proxies: !is_here(&url),
        ..Settings::default()
    });
    let request = client.map_err(|error| ours(&error))?.post(url);
    let request = request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let asked = exchange(request, ANSWER_WITHIN, now).await;
    asked.map_err(|error| failed(&error, &act))
}

fn is_here(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// What is beside this process is reached without a proxy.
fn local(clients: &Clients, url: &str, query: &[(&str, &str)]) -> Result<RequestBuilder, Error> {
    let mut url = parsed(url)?;
    url.query_pairs_mut().extend_pairs(query);
    let client = clients.http.get(&Settings {
        proxies: false,
        ..Settings::default()
    });
    Ok(client.map_err(|error| ours(&error))?.get(url))
}

fn parsed(url: &str) -> Result<Url, Error> {
    parse(url).map_err(|error| ours(&error))
}

fn ours(error: &crate::Error) -> Error {
    Error::new(Reason::Configuration, error.to_string())
}

fn failed(error: &Error, whose: &str) -> Error {
    let hint = match error.reason {
        Reason::Unauthorized => "check the identity of the service account of the pod",
        _ => "",
    };
    Error {
        reason: error.reason,
        message: format!("get a token {whose}: {error}"),
        hint: hint.to_owned(),
    }
}

async fn exchange(
    request: RequestBuilder,
    within: Duration,
    now: Timestamp,
) -> Result<Token, Error> {
    let answer = async {
        let mut response = request.send().await?;
        let status = response.status();
        let (body, _) = read(&mut response, LARGEST_ANSWER).await?;
        Ok((status, body))
    };
    let unreachable = |why: String| Error::new(Reason::Unreachable, why);
    match timeout(within, answer).await {
        Ok(Ok((status, body))) if status.is_success() => token(&body, now),
        Ok(Ok((status, body))) => Err(refused(status.as_u16(), &body)),
        Ok(Err(error)) => {
            let error: reqwest::Error = error;
            Err(unreachable(with_causes(&error.without_url())))
        }
        Err(_) => Err(unreachable(format!("no answer in {} s", within.as_secs()))),
    }
}

/// Reads a token. Numbers are texts in some places.
fn token(body: &[u8], now: Timestamp) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Given {
        access_token: String,
        #[serde(default)]
        expires_in: Value,
        #[serde(default)]
        expires_on: Value,
    }
    // The answer may hold a part of a token: nothing of it is shown.
    let malformed = || Error::new(Reason::Malformed, "the answer is no token");
    let given: Given = serde_json::from_slice(body).map_err(|_| malformed())?;
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let left = number(&given.expires_in).map(SignedDuration::from_secs);
    let expires = match left {
        Some(left) => now.checked_add(left).ok(),
        None => number(&given.expires_on).and_then(|end| Timestamp::from_second(end).ok()),
    };
    Ok(Token {
        text: given.access_token,
        expires: expires.ok_or_else(malformed)?,
    })
}

/// An answer that is a no. Its text goes on with ids of the request.
fn refused(status: u16, body: &[u8]) -> Error {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        error: String,
        error_description: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let text = refusal.error_description.lines().next().unwrap_or_default();
    let text = text.split(" Trace ID:").next().unwrap_or_default();
    let reason = match status {
        400 | 401 | 403 => Reason::Unauthorized,
        404 => Reason::NotFound,
        429 => Reason::TooManyRequests,
        500..=599 => Reason::Unreachable,
        _ => Reason::Refused,
    };
    let message = format!("{status} {}: {}", refusal.error, shortened(text, LONGEST));
    Error::new(reason, message.trim_end_matches([':', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_when_it_ends() {
        let now = "2026-01-02T10:00:00Z".parse().unwrap();
        for body in [
            r#"{"token_type":"Bearer","expires_in":3600,"access_token":"t"}"#,
            r#"{"expires_in":"3600","expires_on":"1","access_token":"t"}"#,
            r#"{"expires_on":"1767351600","access_token":"t"}"#,
        ] {
            let token = token(body.as_bytes(), now).unwrap();
            assert_eq!(token.text, "t");
            assert_eq!(token.expires.to_string(), "2026-01-02T11:00:00Z", "{body}");
        }
        let error = token(br#"{"access_token":"s3cret"}"#, now).unwrap_err();
        assert_eq!(error.to_string(), "the answer is no token");
    }

    #[test]
    fn a_refusal_is_said_in_its_words() {
        let body = br#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: 1 Correlation ID: 2"}"#;
        let error = refused(401, body);
        assert_eq!(error.reason, Reason::Unauthorized);
        assert_eq!(
            error.to_string(),
            "401 invalid_client: AADSTS7000215: Invalid client secret provided."
        );
        assert_eq!(refused(502, b"<html>").to_string(), "502");
    }

    #[test]
    fn a_secret_goes_before_a_file_and_both_need_a_tenant() {
        let read = |variables: &[(&str, &str)]| {
            Environment::read(|name| {
                let mut variables = variables.iter();
                let found = variables.find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let file = ("AZURE_FEDERATED_TOKEN_FILE", "/token");
        let (client, tenant) = (("AZURE_CLIENT_ID", "c"), ("AZURE_TENANT_ID", "t"));
        let secret = ("AZURE_CLIENT_SECRET", "s");
        let application =
            |variables: &[(&str, &str)]| read(variables).application.map(|known| known.proof);
        let proof = Some(Proof::File("/token".to_owned()));
        assert!(application(&[file, client, tenant]) == proof);
        let proof = Some(Proof::Secret("s".to_owned()));
        assert!(application(&[file, client, tenant, secret]) == proof);
        assert!(application(&[file, client]).is_none());
        let found = read(&[
            file,
            client,
            tenant,
            ("AZURE_AUTHORITY_HOST", "https://login.example/"),
        ]);
        assert_eq!(
            found.application.unwrap().authority,
            "https://login.example"
        );
        assert_eq!(read(&[]).metadata, "http://169.254.169.254");
    }
}
