//! S3: signed requests for objects.

use http::{HeaderMap, Method};
use jiff::Timestamp;
use reqwest::Url;
use serde::Serialize;

use crate::aws::{Login, ToSign, encode, sign};
use crate::http::Settings;
use crate::values::Values;
use crate::{Error, TlsRef, ValueRef};

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
        let url = crate::http::parse(&url(self)?)?;
        let headers = match &self.login {
            None => HeaderMap::new(),
            Some((access_key, secret_key)) => {
                let login = Login {
                    access_key: values.find(access_key).await?.text(),
                    secret_key: values.find(secret_key).await?.text(),
                    session_token: None,
                };
                let request = ToSign {
                    method: &Method::GET,
                    url: &url,
                    region: &self.region,
                    service: "s3",
                    headers: &HeaderMap::new(),
                    body: b"",
                };
                sign(&request, &login, now)?
            }
        };
        Ok(Request {
            settings,
            url,
            headers,
        })
    }
}

/// The URL of an object. All of it may come from events: no part may reach into another.
fn url(object: &Object) -> Result<String, Error> {
    let bucket = bucket_url(&object.endpoint, object.insecure, &object.bucket)?;
    let key = &object.key;
    if key.split('/').any(is_step) {
        return Err(Error::refused(format!("{key:?} is no key in an S3 bucket")));
    }
    Ok(format!("{bucket}{}", encode(key)))
}

/// The URL of a bucket, which ends with a slash: the bucket is part of the path, as every server
/// understands.
///
/// # Errors
/// If endpoint or bucket are none.
pub fn bucket_url(endpoint: &str, insecure: bool, bucket: &str) -> Result<String, Error> {
    let scheme = if insecure { "http" } else { "https" };
    let endpoint = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, host)| host);
    if endpoint.contains(['?', '#', '@', '\\']) {
        return Err(Error::refused(format!("{endpoint:?} is no S3 endpoint")));
    }
    if bucket.contains('/') || is_step(bucket) {
        return Err(Error::refused(format!("{bucket:?} is no S3 bucket")));
    }
    Ok(format!("{scheme}://{endpoint}/{}/", encode(bucket)))
}

/// Whoever reads a URL takes these for steps in its path, encoded or not.
fn is_step(segment: &str) -> bool {
    matches!(segment, "." | "..")
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
            assert_eq!(url(&object(endpoint, key)).unwrap(), expected);
        }
    }

    /// A key of `../other/secret` named an object in another bucket.
    #[test]
    fn no_part_of_an_object_reaches_into_another() {
        for key in ["../other/secret", "a/../b", "..", ".", "a/.", "a/./b"] {
            let error = url(&object("s3.example", key)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{key:?} is no key in an S3 bucket")
            );
        }
        for bucket in ["..", ".", "a/b", "../b"] {
            let object = Object {
                bucket: bucket.into(),
                ..object("s3.example", "k")
            };
            let error = url(&object).unwrap_err();
            assert_eq!(error.to_string(), format!("{bucket:?} is no S3 bucket"));
        }
        for endpoint in [
            "s3.example?x=",
            "s3.example#",
            "s3.example@evil",
            "s3\\evil",
        ] {
            let error = url(&object(endpoint, "k")).unwrap_err();
            assert_eq!(error.to_string(), format!("{endpoint:?} is no S3 endpoint"));
        }
        let dots = url(&object("s3.example", "..a/b../%2e%2e/c")).unwrap();
        assert_eq!(dots, "https://s3.example/manifests/..a/b../%252e%252e/c");
    }
}
