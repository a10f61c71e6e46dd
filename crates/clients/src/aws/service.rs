//! A service of AWS in a region, asked as somebody.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tiphys_api::message::with_causes;
use tiphys_base::Reason;
use tokio::time::timeout;

use super::{Error, Login, LoginRef, ToSign, encode, sign};
use crate::Clients;
use crate::http::{Settings, parse, read, retry_after};

/// How long an answer may take that has nothing to wait for.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes: ten messages of the greatest length, written as JSON.
const LARGEST_ANSWER: usize = 24 * 1024 * 1024;

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    name: &'static str,
    region: String,
    url: Url,
    login: LoginRef,
}

/// A request to a service.
#[derive(Debug)]
pub struct Call<'a> {
    /// Its method.
    pub method: Method,
    /// Its path, without the first slash, and whose parts are not encoded yet.
    pub path: Vec<&'a str>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// How long the answer may take.
    pub within: Duration,
}

/// An answer of success.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Service {
    /// The service `name`, such as `sqs`: at `endpoint`, or where the environment says if that is empty, or at
    /// AWS.
    ///
    /// # Errors
    /// If the region or the server makes no sense.
    pub fn new(
        clients: &Clients,
        name: &'static str,
        region: &str,
        endpoint: &str,
        login: LoginRef,
    ) -> Result<Self, Error> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if region.is_empty() || !region.bytes().all(is_letter) {
            let message = format!("{region:?} is no region of AWS");
            return Err(Error::new(Reason::Invalid, message).unsent());
        }
        let known = clients.aws.environment().endpoint(name);
        let url = match (endpoint, known) {
            ("", None) => public(name, region),
            ("", Some(known)) => known.to_owned(),
            (given, _) => given.to_owned(),
        };
        let url = parse(&format!("{}/", url.trim_end_matches('/')));
        Ok(Self {
            name,
            region: region.to_owned(),
            url: url.map_err(|error| Error::of_ours(&error))?,
            login,
        })
    }

    /// Calls an operation of a service that speaks JSON, such as `AmazonSQS.ReceiveMessage`.
    ///
    /// # Errors
    /// If there is no login, the service cannot be reached, or says no.
    ///
    /// # Cancellation
    /// It may have been worked on.
    pub async fn json<T: DeserializeOwned>(
        &self,
        clients: &Clients,
        operation: &str,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<T, Error> {
        let malformed = |error: serde_json::Error| Error::new(Reason::Malformed, error.to_string());
        let operation = HeaderValue::from_str(operation)
            .map_err(|_| Error::new(Reason::Invalid, format!("{operation} is no operation")))?;
        let call = Call {
            method: Method::POST,
            path: Vec::new(),
            headers: HeaderMap::from_iter([
                (
                    CONTENT_TYPE,
                    HeaderValue::from_static("application/x-amz-json-1.0"),
                ),
                (HeaderName::from_static("x-amz-target"), operation),
            ]),
            body: serde_json::to_vec(body).map_err(malformed)?,
            within,
        };
        let answer = self.call(clients, call).await?;
        // Some operations have nothing to say.
        let body = if answer.body.is_empty() {
            b"{}"
        } else {
            &answer.body[..]
        };
        serde_json::from_slice(body).map_err(malformed)
    }

    /// Calls an operation of a service that takes a form and answers in XML.
    ///
    /// # Errors
    /// As those of [`Self::json`].
    ///
    /// # Cancellation
    /// It may have been worked on.
    pub async fn query<T: DeserializeOwned>(
        &self,
        clients: &Clients,
        form: &[(&str, &str)],
    ) -> Result<T, Error> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        let call = Call {
            method: Method::POST,
            path: Vec::new(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: form.into_bytes(),
            within: ANSWER_WITHIN,
        };
        let answer = self.call(clients, call).await?;
        quick_xml::de::from_str(&String::from_utf8_lossy(&answer.body))
            .map_err(|error| Error::new(Reason::Malformed, error.to_string()))
    }

    /// One call.
    ///
    /// # Errors
    /// As those of [`Self::json`].
    ///
    /// # Cancellation
    /// It may have been worked on.
    pub async fn call(&self, clients: &Clients, call: Call<'_>) -> Result<Answer, Error> {
        let login = clients.aws.get(clients, &self.login, &self.region).await?;
        let answered = self.send(clients, login.as_ref(), call).await;
        if let Err(error) = &answered
            && error.is_login()
        {
            clients.aws.forget(&self.login, &self.region);
        }
        answered.map_err(|error| self.explained(error))
    }

    /// With what a human can do about a login that does not count.
    fn explained(&self, error: Error) -> Error {
        let hint = match error.reason {
            Reason::Unauthorized => format!("check {}", self.login),
            Reason::Forbidden => format!("whoever {} is needs the right", self.login),
            _ => return error,
        };
        error.with_hint(hint)
    }

    async fn send(
        &self,
        clients: &Clients,
        login: Option<&Login>,
        call: Call<'_>,
    ) -> Result<Answer, Error> {
        let ours = |error: crate::Error| Error::of_ours(&error);
        let path: Vec<String> = call.path.iter().map(|part| segment(part)).collect();
        let url = parse(&format!("{}{}", self.url, path.join("/"))).map_err(ours)?;
        let headers = match login {
            None => call.headers,
            Some(login) => {
                let request = ToSign {
                    method: &call.method,
                    url: &url,
                    region: &self.region,
                    service: self.name,
                    headers: &call.headers,
                    body: &call.body,
                };
                sign(&request, login, clients.aws.now()).map_err(ours)?
            }
        };
        let client = clients.http.get(&Settings::default());
        let request = client
            .map_err(ours)?
            .request(call.method, url)
            .headers(headers);
        exchange(request.body(call.body), call.within).await
    }
}

/// Sends a request and reads the answer.
pub(super) async fn exchange(
    request: reqwest::RequestBuilder,
    within: Duration,
) -> Result<Answer, Error> {
    let exchange = async {
        let mut response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let asked = retry_after(&response);
        let body = read(&mut response, LARGEST_ANSWER).await?;
        Ok((status, headers, asked, body))
    };
    let (status, headers, asked, (body, is_cut)) = match timeout(within, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            let error: reqwest::Error = error;
            let is_unsent = error.is_connect();
            let failed = Error::new(Reason::Unreachable, with_causes(&error.without_url()));
            return Err(Error {
                is_unsent,
                ..failed
            });
        }
        Err(_) => {
            let message = format!("no answer in {} s", within.as_secs());
            return Err(Error::new(Reason::Unreachable, message));
        }
    };
    if is_cut {
        return Err(Error::new(Reason::Malformed, "the answer is too large"));
    }
    if status.is_success() {
        return Ok(Answer {
            status,
            headers,
            body,
        });
    }
    Err(Error {
        retry_after: asked,
        ..Error::answered(status, &headers, &body)
    })
}

/// A part of a path, whatever is in it.
fn segment(text: &str) -> String {
    encode(text).replace('/', "%2F")
}

fn public(service: &str, region: &str) -> String {
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{service}.{region}.amazonaws.com{china}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::values::NoValues;

    #[test]
    fn a_service_is_in_its_region_unless_somebody_says_where() {
        let clients = Clients::new(None, Arc::new(NoValues));
        let url = |region: &str, endpoint: &str| {
            let login = LoginRef::Environment;
            let service = Service::new(&clients, "sqs", region, endpoint, login);
            service
                .map(|service| service.url.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            url("eu-west-1", "").unwrap(),
            "https://sqs.eu-west-1.amazonaws.com/"
        );
        assert_eq!(
            url("cn-north-1", "").unwrap(),
            "https://sqs.cn-north-1.amazonaws.com.cn/"
        );
        assert_eq!(url("eu-west-1", "http://q:9324").unwrap(), "http://q:9324/");
        assert_eq!(url("e.x/", "").unwrap_err(), "\"e.x/\" is no region of AWS");
        assert!(url("eu-west-1", "q:9324").is_err());
    }
}
