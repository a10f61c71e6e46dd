//! Tokens for what somebody has: a signature, the word of another one, or a login that may act as another.

use std::time::Duration;

use data_encoding::BASE64;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tiphys_api::message::{shortened, with_causes};
use tiphys_base::Reason;
use tokio::time::timeout;

use super::Error;
use super::credentials::{
    Credentials, External, Format, Hidden, Impersonated, Person, ServiceAccount, Subject,
};
use crate::http::{Settings, parse, read};
use crate::temporary::Temporary;
use crate::{Clients, jwt};

/// What a token is for.
const PUBSUB: &str = "https://www.googleapis.com/auth/pubsub";

/// What a token is for that another one is asked for with.
const ANYTHING: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How long a token is asked for, in seconds: an hour, the longest that is given by default.
const LIFETIME: u64 = 3600;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How long it may take to find out that there is no metadata server.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

/// How large an answer may be, in bytes.
const LARGEST_ANSWER: usize = 64 << 10;

/// How much of what is answered is shown, in characters.
const LONGEST: usize = 300;

/// A token that ends.
pub(super) type Given = Temporary<Hidden>;

/// A token for credentials.
pub(super) async fn exchange(
    clients: &Clients,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Given, Error> {
    scoped(clients, credentials, PUBSUB, now).await
}

async fn scoped(
    clients: &Clients,
    credentials: &Credentials,
    scope: &str,
    now: Timestamp,
) -> Result<Given, Error> {
    match credentials {
        Credentials::ServiceAccount(key) => signed(clients, key, scope, now).await,
        Credentials::AuthorizedUser(person) => refreshed(clients, person, now).await,
        Credentials::ExternalAccount(external) => federated(clients, external, scope, now).await,
        Credentials::ImpersonatedServiceAccount(impersonated) => {
            let Impersonated {
                service_account_impersonation_url: url,
                delegates,
                source_credentials,
                ..
            } = impersonated;
            // Credentials hold others of their kind: so does the future.
            let source = scoped(clients, source_credentials, ANYTHING, now);
            let source = Box::pin(source).await?;
            act_as(clients, url, delegates, &source.login, scope, LIFETIME).await
        }
    }
}

/// RFC 7523: a token for what is signed with a key.
async fn signed(
    clients: &Clients,
    key: &ServiceAccount,
    scope: &str,
    now: Timestamp,
) -> Result<Given, Error> {
    // A clock that is a little ahead of Google's would be refused.
    let since = now - SignedDuration::from_secs(30);
    let claims = json!({
        "iss": key.client_email,
        "scope": scope,
        "aud": key.token_uri,
        "iat": since.as_second(),
        "exp": since.as_second().saturating_add_unsigned(LIFETIME),
    });
    let assertion = jwt::sign(
        key.private_key.0.as_bytes(),
        key.private_key_id.as_deref(),
        &claims,
    );
    let assertion = assertion.map_err(|why| {
        Error::new(
            Reason::Invalid,
            format!("private_key of the credentials: {why}"),
        )
    })?;
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &assertion),
    ];
    let act = format!("get a token of {}", key.client_email);
    token(clients, &act, &key.token_uri, &form, None, now).await
}

/// RFC 6749, section 6.
async fn refreshed(clients: &Clients, person: &Person, now: Timestamp) -> Result<Given, Error> {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &*person.client_id),
        ("client_secret", &*person.client_secret.0),
        ("refresh_token", &*person.refresh_token.0),
    ];
    let act = "get a token of an authorized_user";
    token(clients, act, &person.token_uri, &form, None, now).await
}

/// RFC 8693: a token for that of somebody else's.
async fn federated(
    clients: &Clients,
    external: &External,
    scope: &str,
    now: Timestamp,
) -> Result<Given, Error> {
    let subject = subject(clients, &external.credential_source).await?;
    let impersonation = external.service_account_impersonation_url.as_deref();
    let mut form = vec![
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("audience", &external.audience),
        ("scope", impersonation.map_or(scope, |_| ANYTHING)),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("subject_token", &subject.0),
        ("subject_token_type", &external.subject_token_type),
    ];
    let login = external.client_id.as_deref().map(|id| {
        let secret = external
            .client_secret
            .as_ref()
            .map_or("", |secret| &*secret.0);
        Hidden(format!(
            "Basic {}",
            BASE64.encode(format!("{id}:{secret}").as_bytes())
        ))
    });
    let project = external.workforce_pool_user_project.as_ref();
    let options = project.map(|project| json!({"userProject": project}).to_string());
    if let (Some(options), None) = (&options, &login) {
        form.push(("options", options));
    }
    let act = format!("get a token for {}", external.audience);
    let given = token(clients, &act, &external.token_url, &form, login, now).await?;
    let Some(url) = impersonation else {
        return Ok(given);
    };
    let lifetime = &external.service_account_impersonation;
    let lifetime = lifetime.token_lifetime_seconds.unwrap_or(LIFETIME);
    act_as(clients, url, &[], &given.login, scope, lifetime).await
}

/// The token of the one who vouches.
async fn subject(clients: &Clients, source: &Subject) -> Result<Hidden, Error> {
    let (place, text) = match (&source.file, &source.url) {
        (Some(path), _) => {
            let text = tokio::fs::read_to_string(path).await;
            let text = text.map_err(|error| {
                let message = format!("read credential_source.file {path}: {error}");
                Error::new(Reason::Missing, message)
            })?;
            (path, text)
        }
        (None, Some(url)) => {
            let mut headers = HeaderMap::new();
            for (name, value) in &source.headers {
                let name = HeaderName::try_from(name.as_str());
                if let (Ok(name), Ok(value)) = (name, secret(&value.0)) {
                    headers.insert(name, value);
                }
            }
            let act = format!("get credential_source.url {url}");
            let settings = Settings {
                proxies: false,
                ..Settings::default()
            };
            let request = request(clients, &settings, http::Method::GET, url)?.headers(headers);
            let body = ask(&act, request, ANSWER_WITHIN).await?;
            (url, String::from_utf8_lossy(&body).into_owned())
        }
        // It was read before.
        (None, None) => return Err(Error::new(Reason::Invalid, "credential_source is empty")),
    };
    let Format {
        kind,
        subject_token_field_name: field,
    } = &source.format;
    if kind != "json" {
        return Ok(Hidden(text.trim().to_owned()));
    }
    let value: Option<Value> = serde_json::from_str(&text).ok();
    let token = value.as_ref().and_then(|value| value.get(field)?.as_str());
    let token = token.ok_or_else(|| {
        Error::new(
            Reason::Malformed,
            format!("{place} is no JSON with a text {field:?}"),
        )
    })?;
    Ok(Hidden(token.to_owned()))
}

/// The token of a service account that another login may act as.
async fn act_as(
    clients: &Clients,
    url: &str,
    delegates: &[String],
    login: &Hidden,
    scope: &str,
    lifetime: u64,
) -> Result<Given, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        access_token: Hidden,
        expire_time: Timestamp,
    }
    let whom = url.rsplit('/').next().unwrap_or_default();
    let whom = whom.split(':').next().unwrap_or_default();
    let act = format!("act as {whom}");
    let body = json!({
        "delegates": delegates, "scope": [scope], "lifetime": format!("{lifetime}s"),
    });
    let settings = Settings::default();
    let request = request(clients, &settings, http::Method::POST, url)?
        .header(AUTHORIZATION, secret(&format!("Bearer {}", login.0))?)
        .header(CONTENT_TYPE, "application/json")
        .body(body.to_string());
    let answer = ask(&act, request, ANSWER_WITHIN).await.map_err(|error| {
        if error.reason != Reason::Forbidden {
            return error;
        }
        error.with_hint(
            "it needs roles/iam.serviceAccountTokenCreator for that service account, or \
             roles/iam.workloadIdentityUser if somebody else vouches for it",
        )
    })?;
    let answer: Answer = decode(&act, &answer)?;
    Ok(Given {
        login: answer.access_token,
        expires: Some(answer.expire_time),
    })
}

/// The token of the pod, of which the metadata server knows.
pub(super) async fn of_metadata(
    clients: &Clients,
    host: &str,
    now: Timestamp,
) -> Result<Given, Error> {
    let path = format!("instance/service-accounts/default/token?scopes={PUBSUB}");
    let act = format!("get the login of the pod from the metadata server {host}");
    let answer = metadata(clients, &act, host, &path).await?;
    let answer: Answer = decode(&act, &answer)?;
    Ok(answer.given(now))
}

/// The project of the pod, of which the metadata server knows.
pub(super) async fn project(clients: &Clients, host: &str) -> Result<String, Error> {
    let act = format!("get the project of the pod from the metadata server {host}");
    let answer = metadata(clients, &act, host, "project/project-id").await?;
    Ok(String::from_utf8_lossy(&answer).trim().to_owned())
}

async fn metadata(clients: &Clients, act: &str, host: &str, path: &str) -> Result<Vec<u8>, Error> {
    let url = format!("http://{host}/computeMetadata/v1/{path}");
    // What is beside this process is reached without a proxy.
    let settings = Settings {
        proxies: false,
        ..Settings::default()
    };
    let request = request(clients, &settings, http::Method::GET, &url)?;
    let request = request.header("metadata-flavor", "Google");
    ask(act, request, FOUND_WITHIN).await
}

/// A token, as most say it.
#[derive(Deserialize)]
struct Answer {
    access_token: Hidden,
    #[serde(default)]
    expires_in: Option<i64>,
}

impl Answer {
    fn given(self, now: Timestamp) -> Given {
        let expires = self.expires_in.map(SignedDuration::from_secs);
        Given {
            login: self.access_token,
            expires: expires.and_then(|time| now.checked_add(time).ok()),
        }
    }
}

async fn token(
    clients: &Clients,
    act: &str,
    url: &str,
    form: &[(&str, &str)],
    login: Option<Hidden>,
    now: Timestamp,
) -> Result<Given, Error> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let mut request = request(clients, &Settings::default(), http::Method::POST, url)?
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body);
    if let Some(login) = login {
        request = request.header(AUTHORIZATION, secret(&login.0)?);
    }
    let answer: Answer = decode(act, &ask(act, request, ANSWER_WITHIN).await?)?;
    Ok(answer.given(now))
}

fn request(
    clients: &Clients,
    settings: &Settings,
    method: http::Method,
    url: &str,
) -> Result<RequestBuilder, Error> {
    let ours = |error: crate::Error| Error::of_ours(&error);
    let url = parse(url).map_err(ours)?;
    Ok(clients
        .http
        .get(settings)
        .map_err(ours)?
        .request(method, url))
}

fn secret(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::new(Reason::Malformed, "the token cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn decode<T: DeserializeOwned>(act: &str, answer: &[u8]) -> Result<T, Error> {
    // The answer may hold a part of a login: nothing of it is shown.
    serde_json::from_slice(answer)
        .map_err(|_| Error::new(Reason::Malformed, format!("{act}: the answer is no token")))
}

async fn ask(act: &str, request: RequestBuilder, within: Duration) -> Result<Vec<u8>, Error> {
    let exchange = async {
        let mut response = request.send().await?;
        let status = response.status();
        let (body, _) = read(&mut response, LARGEST_ANSWER).await?;
        Ok((status, body))
    };
    let (status, body) = match timeout(within, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            let error: reqwest::Error = error;
            let message = format!("{act}: {}", with_causes(&error.without_url()));
            return Err(Error::new(Reason::Unreachable, message));
        }
        Err(_) => {
            let message = format!("{act}: no answer in {} s", within.as_secs());
            return Err(Error::new(Reason::Unreachable, message));
        }
    };
    if status.is_success() {
        return Ok(body);
    }
    let (code, text) = said(&body);
    let why = match (code.as_str(), text.as_str()) {
        ("", "") => status.to_string(),
        (code, "") => code.to_owned(),
        (code, text) => format!("{code}: {text}"),
    };
    Err(Error::new(reason(status, &code), format!("{act}: {why}")))
}

/// The code and the text of a refusal: of OAuth, or of Google's other interfaces.
fn said(body: &[u8]) -> (String, String) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Default::default();
    };
    let text = |value: &Value| shortened(value.as_str().unwrap_or_default(), LONGEST);
    match &body["error"] {
        Value::String(code) => (shortened(code, LONGEST), text(&body["error_description"])),
        error => (text(&error["status"]), text(&error["message"])),
    }
}

fn reason(status: StatusCode, code: &str) -> Reason {
    match status {
        _ if ["invalid_grant", "invalid_client", "unauthorized_client"].contains(&code) => {
            Reason::Unauthorized
        }
        StatusCode::UNAUTHORIZED => Reason::Unauthorized,
        StatusCode::FORBIDDEN => Reason::Forbidden,
        StatusCode::NOT_FOUND => Reason::NotFound,
        StatusCode::TOO_MANY_REQUESTS => Reason::TooManyRequests,
        status if status.is_server_error() => Reason::Unreachable,
        _ => Reason::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_code_a_text_and_a_reason() {
        for (status, body, expected_reason, code, text) in [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#,
                Reason::Unauthorized,
                "invalid_grant",
                "Invalid JWT Signature.",
            ),
            (
                403,
                r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"may not"}}"#,
                Reason::Forbidden,
                "PERMISSION_DENIED",
                "may not",
            ),
            (404, "not found", Reason::NotFound, "", ""),
            (503, "<html>", Reason::Unreachable, "", ""),
        ] {
            let (found_code, found_text) = said(body.as_bytes());
            assert_eq!((&*found_code, &*found_text), (code, text));
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(reason(status, code), expected_reason);
        }
    }
}
