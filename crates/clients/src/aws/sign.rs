//! AWS Signature Version 4.

use hmac::{Hmac, Mac};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use sha2::{Digest, Sha256};

use super::Login;
use crate::Error;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The service whose paths are signed as they are sent; those of all others are encoded once more.
const S3: &str = "s3";

/// A request before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct ToSign<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its URL. The parts of its path are encoded by [`encode`].
    pub url: &'a Url,
    /// The region of the service.
    pub region: &'a str,
    /// The service, such as `s3`.
    pub service: &'a str,
    /// The headers that are signed with it.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
}

/// Percent-encodes as the signature wants it: all but letters, digits, `-._~` and the slash.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded
                .extend(['%', digit(byte >> 4), digit(byte & 15)].map(|c| c.to_ascii_uppercase()));
        }
    }
    encoded
}

/// The headers of a request of `login`'s: its own, and those that say who asks.
///
/// # Errors
/// If the URL has no host, or a part of the login cannot stand in a header.
pub fn sign(request: &ToSign<'_>, login: &Login, now: Timestamp) -> Result<HeaderMap, Error> {
    let time = now
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let payload = hex(&Sha256::digest(request.body));
    let mut headers = request.headers.clone();
    let mut own = vec![("x-amz-content-sha256", &payload), ("x-amz-date", &time)];
    own.extend(
        login
            .session_token
            .as_ref()
            .map(|token| ("x-amz-security-token", token)),
    );
    for (name, value) in own {
        headers.insert(name, header(value)?);
    }
    let authorization = authorization(request, &headers, login, (&time, &payload))?;
    headers.insert(AUTHORIZATION, header(&authorization)?);
    Ok(headers)
}

fn header(value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Error::refused("the access key or the session token is none".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The header that proves who asks.
fn authorization(
    request: &ToSign<'_>,
    headers: &HeaderMap,
    login: &Login,
    (time, payload): (&str, &str),
) -> Result<String, Error> {
    let ToSign {
        method,
        url,
        region,
        service,
        ..
    } = request;
    let mut lines = vec![(HOST.as_str(), host(url)?)];
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        lines.push((name.as_str(), value.trim().to_owned()));
    }
    lines.sort_unstable();
    let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
    let signed = names.join(";");
    let mut canonical_headers = String::new();
    for (name, value) in &lines {
        canonical_headers.extend([name, ":", value, "\n"]);
    }
    let path = match *service {
        S3 => url.path().to_owned(),
        _ => encode(url.path()),
    };
    let query = query(url);
    let canonical = format!("{method}\n{path}\n{query}\n{canonical_headers}\n{signed}\n{payload}");
    let date = &time[..8];
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let text = format!(
        "{ALGORITHM}\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let mut key = mac(
        format!("AWS4{}", login.secret_key).as_bytes(),
        date.as_bytes(),
    )?;
    for part in [*region, *service, "aws4_request"] {
        key = mac(&key, part.as_bytes())?;
    }
    let signature = hex(&mac(&key, text.as_bytes())?);
    let credential = format!("{}/{scope}", login.access_key);
    Ok(format!(
        "{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={signature}"
    ))
}

fn host(url: &Url) -> Result<String, Error> {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => Ok(format!("{host}:{port}")),
        (Some(host), None) => Ok(host.to_owned()),
        (None, _) => Err(Error::refused(format!("{url} has no host"))),
    }
}

/// The query as it is signed: in the order of names and values, and with slashes encoded.
fn query(url: &Url) -> String {
    let encode = |text: &str| encode(text).replace('/', "%2F");
    let pairs = url.query_pairs();
    let mut pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{}={}", encode(&name), encode(&value)))
        .collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn mac(key: &[u8], text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).map_err(|error| Error::refused(error.to_string()))?;
    mac.update(text);
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// A hexadecimal digit.
fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documentation of S3 gives the signing key of this example; the signature was computed by
    /// an independent implementation.
    #[test]
    fn a_request_is_signed() {
        let login = Login {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let url = Url::parse("https://examplebucket.s3.amazonaws.com/test.txt").unwrap();
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        let request = ToSign {
            method: &Method::GET,
            url: &url,
            region: "us-east-1",
            service: "s3",
            headers: &HeaderMap::new(),
            body: b"",
        };
        let headers = sign(&request, &login, now).unwrap();
        assert_eq!(headers["x-amz-date"], "20130524T000000Z");
        assert_eq!(
            headers["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
             Signature=df548e2ce037944d03f3e68682813b093763996d597cf890ca3d9037fd231eb4"
        );
    }

    /// The canonical query of the documentation's example.
    #[test]
    fn a_query_is_signed_in_order() {
        let url = Url::parse("https://h/?prefix=s/o me&Action=ListUsers&Version=2010-05-08&empty")
            .unwrap();
        assert_eq!(
            query(&url),
            "Action=ListUsers&Version=2010-05-08&empty=&prefix=s%2Fo%20me"
        );
    }
}
