//! Requests to the web services of AWS, and to servers that speak as they do: signed by AWS Signature
//! Version 4.

use std::fmt;

use hmac::{Hmac, Mac};
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use sha2::{Digest, Sha256};

use crate::Error;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The headers that are signed, in their order.
const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";

/// Who asks.
#[derive(Clone)]
pub struct Login {
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

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

/// The headers that make a request one of `login`'s.
///
/// # Errors
/// If the URL has no host, or the access key cannot stand in a header.
pub fn sign(request: &ToSign<'_>, login: &Login, now: Timestamp) -> Result<HeaderMap, Error> {
    let ToSign {
        method,
        url,
        region,
        service,
        body,
    } = request;
    let time = now
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let date = &time[..8];
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(Error::refused(format!("{url} has no host"))),
    };
    let payload = hex(&Sha256::digest(body));
    let (path, query) = (url.path(), query(url));
    let canonical = format!(
        "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{time}\n\n\
         {SIGNED}\n{payload}",
    );
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
    let authorization = format!(
        "{ALGORITHM} Credential={credential}, SignedHeaders={SIGNED}, Signature={signature}"
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (HeaderName::from_static("x-amz-content-sha256"), payload),
        (HeaderName::from_static("x-amz-date"), time),
        (AUTHORIZATION, authorization),
    ] {
        let value = HeaderValue::from_str(&value)
            .map_err(|_| Error::refused("the access key is none".to_owned()))?;
        headers.insert(name, value);
    }
    Ok(headers)
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
        };
        let url = Url::parse("https://examplebucket.s3.amazonaws.com/test.txt").unwrap();
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        let request = ToSign {
            method: &Method::GET,
            url: &url,
            region: "us-east-1",
            service: "s3",
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
