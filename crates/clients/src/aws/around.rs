//! The login that the process finds around it: in its environment, for the token of its service account, from
//! the service beside its container, or from its instance. The first that is there counts.

use std::time::Duration;

use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;
use tiphys_base::Reason;

use super::environment::{Container, Environment, WebIdentity, is_beside};
use super::service::exchange;
use super::{Error, Login, sts};
use crate::Clients;
use crate::http::{Settings, parse};
use crate::temporary::Temporary;

/// How long the service beside a container, and the instance, may take. They are on the same machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long it may take to find out that there is no instance of EC2.
const FOUND_WITHIN: Duration = Duration::from_secs(2);

/// What the instance wants to be asked with first, and for how long that is wanted, in seconds: the longest that
/// it gives.
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TTL_SECONDS: &str = "21600";

/// What it wants to be asked with then.
const TOKEN: &str = "x-aws-ec2-metadata-token";

/// Where the role of the instance is.
const ROLES: &str = "latest/meta-data/iam/security-credentials/";

/// A login as container and instance write it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<Timestamp>,
}

impl From<Given> for Temporary<Login> {
    fn from(given: Given) -> Self {
        Self {
            login: Login {
                access_key: given.access_key_id,
                secret_key: given.secret_access_key,
                session_token: given.token,
            },
            expires: given.expiration,
        }
    }
}

/// Looks for it, in the order of AWS's own libraries.
pub(super) async fn find(
    clients: &Clients,
    environment: &Environment,
    region: &str,
) -> Result<Temporary<Login>, Error> {
    if let Some(login) = &environment.login {
        return Ok(Temporary {
            login: login.clone(),
            expires: None,
        });
    }
    if let Some(identity) = &environment.web_identity {
        return for_token(clients, identity, region).await;
    }
    if let Some(container) = &environment.container {
        return of_container(clients, container)
            .await
            .map_err(|error| from(&error, &container.url));
    }
    let none = |why: &str| {
        let message = format!("there is no login of AWS: {why}");
        Error::new(Reason::Missing, message)
            .with_hint(
                "set accessKey and secretKey, or give a role to the service account of the pod",
            )
            .unsent()
    };
    let Some(metadata) = &environment.metadata else {
        return Err(none("the environment has none"));
    };
    of_instance(clients, metadata).await.map_err(|error| {
        none(&format!(
            "the environment has none, and the instance at {metadata}: {error}"
        ))
    })
}

/// The role of a service account.
async fn for_token(
    clients: &Clients,
    identity: &WebIdentity,
    region: &str,
) -> Result<Temporary<Login>, Error> {
    let token = file(&identity.file).await?;
    let session = identity.session.as_deref();
    sts::exchange(clients, &identity.role, session, &token, region).await
}

async fn of_container(clients: &Clients, container: &Container) -> Result<Temporary<Login>, Error> {
    let url = parse(&container.url).map_err(|error| Error::of_ours(&error))?;
    if !is_beside(&url) {
        let message = "it is neither encrypted nor beside the container";
        return Err(Error::new(Reason::Configuration, message));
    }
    let token = match (&container.token_file, &container.token) {
        (Some(path), _) => Some(file(path).await?),
        (None, token) => token.clone(),
    };
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, secret(&token)?);
    }
    let answer = ask(clients, Method::GET, url.as_str(), headers, ANSWER_WITHIN).await?;
    given(&answer)
}

/// The role of the instance, which wants to be asked twice (`IMDSv2`): what asks on behalf of others can hardly
/// send a `PUT`.
async fn of_instance(clients: &Clients, metadata: &str) -> Result<Temporary<Login>, Error> {
    let base = metadata.trim_end_matches('/');
    let ttl = (
        HeaderName::from_static(TTL),
        HeaderValue::from_static(TTL_SECONDS),
    );
    let url = format!("{base}/latest/api/token");
    let headers = HeaderMap::from_iter([ttl]);
    let token = ask(clients, Method::PUT, &url, headers, FOUND_WITHIN).await?;
    let token = secret(&String::from_utf8_lossy(&token))?;
    let headers = HeaderMap::from_iter([(HeaderName::from_static(TOKEN), token)]);
    let get = async |path: &str| {
        let url = format!("{base}/{path}");
        ask(clients, Method::GET, &url, headers.clone(), ANSWER_WITHIN).await
    };
    let roles = get(ROLES).await.map_err(|error| match error.reason {
        Reason::NotFound => Error::new(Reason::Missing, "it has no role"),
        _ => error,
    })?;
    let roles = String::from_utf8_lossy(&roles).into_owned();
    let Some(role) = roles.lines().next().filter(|role| !role.is_empty()) else {
        return Err(Error::new(Reason::Missing, "it has no role"));
    };
    given(&get(&format!("{ROLES}{}", role.trim())).await?)
}

fn given(answer: &[u8]) -> Result<Temporary<Login>, Error> {
    let given: Result<Given, _> = serde_json::from_slice(answer);
    // The answer may hold a part of a login: nothing of it is shown.
    let given = given.map_err(|_| Error::new(Reason::Malformed, "the answer is no login"))?;
    Ok(given.into())
}

async fn file(path: &str) -> Result<String, Error> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text
        .map_err(|error| Error::new(Reason::Missing, format!("read {path}: {error}")).unsent())?;
    Ok(text.trim().to_owned())
}

fn secret(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text.trim())
        .map_err(|_| Error::new(Reason::Malformed, "the token cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What is beside this process is reached without a proxy.
async fn ask(
    clients: &Clients,
    method: Method,
    url: &str,
    headers: HeaderMap,
    within: Duration,
) -> Result<Vec<u8>, Error> {
    let ours = |error: crate::Error| Error::of_ours(&error);
    let url = parse(url).map_err(ours)?;
    let client = clients.http.get(&Settings {
        proxies: false,
        ..Settings::default()
    });
    let request = client.map_err(ours)?.request(method, url).headers(headers);
    Ok(exchange(request, within).await?.body)
}

fn from(error: &Error, place: &str) -> Error {
    let message = format!("get the login of the pod from {place}: {error}");
    Error::new(error.reason, message).unsent()
}
