//! S3: signed requests for objects, by AWS Signature Version 4, for `GET` without a body.

use hmac::{Hmac, Mac};
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::http::Settings;
use crate::values::Values;
use crate::{Error, TlsRef, ValueRef};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The headers that are signed, in their order.
const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";

/// An object in an S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Host, and port if it is not the usual one.
    pub endpoint: String,
    /// Plain HTTP.
    pub insecure: bool,
    /// Region of the bucket.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Key in the bucket.
    pub key: String,
    /// Where access key and secret key are. `None`: anybody may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<(ValueRef, ValueRef)>,
    /// The authorities to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<ValueRef>,
}

/// Who asks.
struct Login {
    access_key: String,
    secret_key: String,
}

/// A request for an object, and the client that it goes over.
#[derive(Debug)]
pub struct Request {
    /// What the client has to be like.
    pub settings: Settings,
    /// The object's URL.
    pub url: Url,
    /// The headers that say who asks.
    pub headers: HeaderMap,
}

impl Object {
    /// The request that gets it, signed at `now`.
    ///
    /// # Errors
    /// If a value is not there, or the location makes no sense.
    pub async fn request(&self, values: &dyn Values, now: Timestamp) -> Result<Request, Error> {
        let trusted = TlsRef {
            authorities: self.authorities.clone(),
            ..TlsRef::default()
        };
        let settings = Settings {
            tls: trusted.resolve(values).await?,
            proxies: true,
            follows: false,
        };
        let url = crate::http::parse(&url(self))?;
        let headers = match &self.login {
            None => HeaderMap::new(),
            Some((access_key, secret_key)) => {
                let login = Login {
                    access_key: values.find(access_key).await?.text(),
                    secret_key: values.find(secret_key).await?.text(),
                };
                sign(&url, &self.region, &login, now).map_err(Error::refused)?
            }
        };
        Ok(Request {
            settings,
            url,
            headers,
        })
    }
}

/// The URL of an object: the bucket is part of the path, as every server understands.
fn url(object: &Object) -> String {
    let scheme = if object.insecure { "http" } else { "https" };
    let endpoint = object
        .endpoint
        .split_once("://")
        .map_or(&*object.endpoint, |(_, host)| host);
    format!(
        "{scheme}://{endpoint}/{}/{}",
        encode(&object.bucket),
        encode(&object.key)
    )
}

/// Percent-encodes as the signature wants it: all but letters, digits, `-._~` and the slash.
fn encode(text: &str) -> String {
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

/// The headers that make a `GET` of `url` one of `login`'s.
fn sign(url: &Url, region: &str, login: &Login, now: Timestamp) -> Result<HeaderMap, String> {
    let time = now
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let date = &time[..8];
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(format!("{url} has no host")),
    };
    let payload = hex(&Sha256::digest(b""));
    let request = format!(
        "GET\n{}\n\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{time}\n\n{SIGNED}\n{payload}",
        url.path()
    );
    let scope = format!("{date}/{region}/s3/aws4_request");
    let text = format!(
        "{ALGORITHM}\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(request))
    );
    let mut key = mac(
        format!("AWS4{}", login.secret_key).as_bytes(),
        date.as_bytes(),
    )?;
    for part in [region, "s3", "aws4_request"] {
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
        let value =
            HeaderValue::from_str(&value).map_err(|_| "the access key is none".to_owned())?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn mac(key: &[u8], text: &[u8]) -> Result<Vec<u8>, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
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

    fn object(endpoint: &str, key: &str) -> Object {
        Object {
            endpoint: endpoint.into(),
            insecure: false,
            region: "us-east-1".into(),
            bucket: "manifests".into(),
            key: key.into(),
            login: None,
            authorities: None,
        }
    }

    #[test]
    fn an_object_has_its_bucket_in_its_path() {
        for (endpoint, key, expected) in [
            (
                "s3.example:9000",
                "a/b c.yaml",
                "https://s3.example:9000/manifests/a/b%20c.yaml",
            ),
            (
                "https://s3.example",
                "ä+?",
                "https://s3.example/manifests/%C3%A4%2B%3F",
            ),
        ] {
            assert_eq!(url(&object(endpoint, key)), expected);
        }
    }

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
        let headers = sign(&url, "us-east-1", &login, now).unwrap();
        assert_eq!(headers["x-amz-date"], "20130524T000000Z");
        assert_eq!(
            headers["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
             Signature=df548e2ce037944d03f3e68682813b093763996d597cf890ca3d9037fd231eb4"
        );
    }
}
