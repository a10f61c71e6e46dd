//! Sends a request, and says what the answer means.
//!
//! What an answer means: any status is a success unless the policy lists others. 429, and 503 with
//! `Retry-After`, say that the request was not worked on (RFC 6585 §4, RFC 9110 §15.6.4): the
//! trigger waits. What failed before a connection stood was certainly not sent and waits, too.
//! Anything else that fails may have been worked on, so it counts as an answer.

use std::time::Duration;

use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::{Client, Response, Url};
use tiphys_base::Failure;
use tiphys_clients::http::{REDIRECTS, Settings, excerpt, is_busy, read, retry_after, unsent};
use tiphys_clients::tls::Tls;
use tiphys_clients::{BasicAuth, Clients, Error, TlsRef};

use super::Action;
use crate::trigger::Caller;

/// How much of a body is read so that its connection can be used again; a connection with more is
/// closed.
const DRAINED: usize = 64 << 10;

/// A request with all its values.
struct Prepared {
    method: Method,
    url: Url,
    /// What any server may see.
    headers: HeaderMap,
    /// What only the server of the trigger's URL may see.
    own_headers: HeaderMap,
    body: String,
    /// What must not be told.
    secrets: Vec<String>,
}

/// Performs an action once.
pub(super) async fn perform(
    action: &Action,
    clients: &Clients,
    caller: Caller<'_>,
) -> Result<(), Error> {
    let prepared = prepare(action, clients).await?;
    let client = client(action.tls.as_ref(), clients).await?;
    let shown = shown(&prepared.url);
    tracing::info!(
        namespace = caller.namespace,
        sensorName = caller.sensor,
        triggerName = caller.trigger,
        url = shown,
        "Making a http request..."
    );
    let act = format!("{} {shown}", action.method);
    let limit = Duration::from_secs(action.timeout_seconds);
    let exchange = exchange(&client, prepared, &action.allowed_status, &act);
    match tokio::time::timeout(limit, exchange).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::refused(format!(
            "{act}: no answer in {} s",
            limit.as_secs()
        ))),
    }
}

/// The client for a server that is reached with this encryption.
pub(super) async fn client(tls: Option<&TlsRef>, clients: &Clients) -> Result<Client, Error> {
    let proxies = tls.is_none();
    let tls = match tls {
        Some(tls) => tls.resolve(&*clients.values).await?,
        None => Tls::default(),
    };
    clients.http.get(&Settings {
        tls,
        proxies,
        follows: false,
    })
}

async fn prepare(action: &Action, clients: &Clients) -> Result<Prepared, Error> {
    let url = url(&action.url).map_err(not_a_url)?;
    let method = Method::from_bytes(action.method.as_bytes())
        .map_err(|error| Error::refused(error.to_string()))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &action.headers {
        headers.insert(header_name(name)?, header_value(name, value)?);
    }
    let mut own_headers = take_own(&mut headers);
    let mut secrets = Vec::new();
    for header in &action.secure_headers {
        let text = clients.values.find(&header.value_from).await?.text();
        let name = header_name(&header.name)?;
        headers.remove(&name);
        own_headers.insert(name, sensitive(&header.name, &text)?);
        secrets.push(text);
    }
    if let Some(auth) = &action.basic_auth {
        let login = login(auth, clients, &mut secrets).await?;
        own_headers.insert(AUTHORIZATION, sensitive("authorization", &login)?);
    }
    if let Some(host) = &action.host {
        own_headers.insert(HOST, header_value("host", host)?);
    }
    Ok(Prepared {
        method,
        url,
        headers,
        own_headers,
        body: action.body.clone(),
        secrets,
    })
}

/// The URL of a web server.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| {
        let hint = if text.contains("://") {
            ""
        } else {
            "; it begins with http:// or https://"
        };
        format!("{text:?} is no URL: {error}{hint}")
    })?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(format!(
            "{text:?} is no URL of a web server: it begins with http:// or https://"
        ))
    }
}

fn not_a_url(text: String) -> Error {
    Error::Refused(Failure::with_values(text, "this is no URL of a web server"))
}

/// Takes out what is for one server only: logins and the name of the host.
fn take_own(headers: &mut HeaderMap) -> HeaderMap {
    let names = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, HOST];
    let taken = names
        .into_iter()
        .filter_map(|name| headers.remove(&name).map(|value| (name, value)));
    taken.collect()
}

async fn login(
    auth: &BasicAuth,
    clients: &Clients,
    secrets: &mut Vec<String>,
) -> Result<String, Error> {
    use base64::Engine;
    let (user, password) = auth.resolve(&*clients.values).await?;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    secrets.extend([password, encoded.clone()]);
    Ok(format!("Basic {encoded}"))
}

fn header_name(name: &str) -> Result<HeaderName, Error> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Error::refused(format!("{name:?} is no name of a header")))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| {
        Error::refused(format!(
            "the value of header {name} has a line break or another control"
        ))
    })
}

fn sensitive(name: &str, value: &str) -> Result<HeaderValue, Error> {
    let mut value = header_value(name, value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A URL as it may be told: without a password and a query.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.set_username("").is_err() || shown.set_password(None).is_err() {
        return url.host_str().unwrap_or_default().to_owned();
    }
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}

/// Sends a request, follows where it is sent to, and judges the answer.
async fn exchange(
    client: &Client,
    mut request: Prepared,
    allowed: &[i32],
    act: &str,
) -> Result<(), Error> {
    for hop in 0..=REDIRECTS {
        let mut response = send(client, &request)
            .await
            .map_err(|error| unsent(error, hop == 0, act))?;
        match next_url(&response, &request.url) {
            Some(url) => {
                // What is left of the answer is of no use, and may be long.
                drop(read(&mut response, DRAINED).await);
                request.turn_to(url, response.status());
            }
            None => return judge(response, allowed, &request.secrets, act).await,
        }
    }
    Err(Error::refused(format!(
        "{act}: more than {REDIRECTS} redirects"
    )))
}

async fn send(client: &Client, request: &Prepared) -> Result<Response, reqwest::Error> {
    let mut headers = request.headers.clone();
    headers.extend(request.own_headers.clone());
    let builder = client
        .request(request.method.clone(), request.url.clone())
        .headers(headers);
    builder.body(request.body.clone()).send().await
}

/// Where an answer sends to, if it does.
fn next_url(response: &Response, from: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    from.join(location)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
}

impl Prepared {
    /// Turns to another URL, as Go's client does: only 307 and 308 repeat method and body. Mended:
    /// no header with a secret goes to another server.
    fn turn_to(&mut self, url: Url, status: StatusCode) {
        if !matches!(status.as_u16(), 307 | 308) && self.method != Method::GET {
            self.method = Method::GET;
            self.body.clear();
            for name in [CONTENT_TYPE, CONTENT_LENGTH] {
                self.headers.remove(name);
            }
        }
        if url.origin() != self.url.origin() {
            self.own_headers.clear();
        }
        self.url = url;
    }
}

async fn judge(
    mut response: Response,
    allowed: &[i32],
    secrets: &[String],
    act: &str,
) -> Result<(), Error> {
    let status = response.status();
    let (is_busy, retry_after) = (is_busy(&response), retry_after(&response));
    let body = read(&mut response, DRAINED)
        .await
        .map(|(body, _)| body)
        .unwrap_or_default();
    let is_allowed = allowed.contains(&i32::from(status.as_u16()));
    if is_busy && !is_allowed {
        let busy = Error::unavailable(format!("{act}: the server is busy ({status})"));
        return Err(busy.with_retry_after(retry_after));
    }
    if allowed.is_empty() || is_allowed {
        tracing::debug!(status = status.as_u16(), "{act}: answered");
        return Ok(());
    }
    let public = format!(
        "policy application resulted in failure. http response status {} is not allowed",
        status.as_u16()
    );
    let text = format!("{public}{}", excerpt(&body, secrets));
    Err(Error::Refused(Failure::with_values(text, public)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_to_another_server_carries_no_login() {
        let prepared = || Prepared {
            method: Method::POST,
            url: Url::parse("https://a.example/x").unwrap(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))]),
            own_headers: HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("x"))]),
            body: "body".to_owned(),
            secrets: Vec::new(),
        };
        for (url, status, method, keeps_login, body) in [
            ("https://a.example/y", 307, Method::POST, true, "body"),
            ("https://a.example/y", 302, Method::GET, true, ""),
            ("http://a.example/y", 308, Method::POST, false, "body"),
            ("https://b.example/", 303, Method::GET, false, ""),
        ] {
            let mut request = prepared();
            request.turn_to(
                Url::parse(url).unwrap(),
                StatusCode::from_u16(status).unwrap(),
            );
            assert_eq!(request.method, method, "{url} {status}");
            assert_eq!(
                !request.own_headers.is_empty(),
                keeps_login,
                "{url} {status}"
            );
            assert_eq!(request.body, body, "{url} {status}");
        }
    }

    #[test]
    fn logins_are_for_one_server() {
        let names = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "host",
            "content-type",
            "x-own",
        ];
        let mut headers: HeaderMap = names
            .iter()
            .map(|name| (header_name(name).unwrap(), HeaderValue::from_static("x")))
            .collect();
        let own = take_own(&mut headers);
        for (index, name) in names.iter().enumerate() {
            assert_eq!(own.contains_key(*name), index < 4, "{name}");
            assert_eq!(headers.contains_key(*name), index >= 4, "{name}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_told() {
        let url = Url::parse("https://user:pass@a.example/x?y=z").unwrap();
        assert_eq!(shown(&url), "https://a.example/x");
    }
}
