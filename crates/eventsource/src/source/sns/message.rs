//! A message of SNS: what it is, who signed it, and how a subscription is confirmed.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use reqwest::Url;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use tiphys_base::Cache;
use tiphys_clients::http::{Settings, read};
use tokio::time::timeout;
use x509_parser::parse_x509_certificate;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::served::Refusal;
use crate::status::chain;

/// How long SNS may take to answer: it gives up on us after 15 seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// How many certificates are remembered.
const CERTIFICATES: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// A message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "MessageId")]
    pub(super) id: String,
    pub(super) topic_arn: String,
    #[serde(rename = "Message")]
    text: String,
    timestamp: String,
    subject: Option<String>,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    #[serde(default)]
    signature_version: String,
    #[serde(default)]
    signature: String,
    #[serde(default, rename = "SigningCertURL")]
    certificate_url: String,
}

/// Whose certificates and confirmations count: those of AWS, and of the SNS that the spec names.
#[derive(Debug, Default)]
pub(super) struct Host {
    own: Option<Url>,
}

/// Certificates that were fetched, by their URL.
pub(super) struct Certificates(Cache<String, Arc<Certificate>>);

/// Who signs, and how long.
#[derive(Debug)]
pub(super) struct Certificate {
    key: Vec<u8>,
    not_before: i64,
    not_after: i64,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self(Cache::new(CERTIFICATES))
    }
}

impl Host {
    /// SNS at `endpoint`; at AWS if it is empty.
    pub(super) fn of(endpoint: &str) -> Result<Self, String> {
        if endpoint.is_empty() {
            return Ok(Self::default());
        }
        let own = tiphys_clients::http::parse(endpoint).map_err(|error| error.to_string())?;
        Ok(Self { own: Some(own) })
    }

    fn allows(&self, url: &Url) -> bool {
        if self
            .own
            .as_ref()
            .is_some_and(|own| own.origin() == url.origin())
        {
            return true;
        }
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_suffix(".cn").unwrap_or(host);
        let region = host
            .strip_prefix("sns.")
            .and_then(|host| host.strip_suffix(".amazonaws.com"));
        let is_region = |region: &str| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            region.len() >= 3 && region.bytes().all(is_letter)
        };
        url.scheme() == "https" && url.port().is_none() && region.is_some_and(is_region)
    }

    /// The URL, if it is one of SNS.
    fn url(&self, text: &str) -> Option<Url> {
        Url::parse(text).ok().filter(|url| self.allows(url))
    }
}

impl Message {
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body)
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the body is no message of SNS"))
    }

    /// Whether SNS asks that the subscription be confirmed: at its beginning, or after somebody has
    /// ended it.
    pub(super) fn asks_for_confirmation(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "SubscriptionConfirmation" | "UnsubscribeConfirmation"
        )
    }

    /// What is signed.
    fn signed(&self) -> String {
        let subject = self.subject.as_deref();
        let (token, url) = (self.token.as_deref(), self.subscribe_url.as_deref());
        let fields = if self.asks_for_confirmation() {
            [
                ("Message", Some(&*self.text)),
                ("MessageId", Some(&*self.id)),
                ("SubscribeURL", url),
                ("Timestamp", Some(&*self.timestamp)),
                ("Token", token),
                ("TopicArn", Some(&*self.topic_arn)),
                ("Type", Some(&*self.kind)),
            ]
        } else {
            [
                ("Message", Some(&*self.text)),
                ("MessageId", Some(&*self.id)),
                ("Subject", subject),
                ("Timestamp", Some(&*self.timestamp)),
                ("TopicArn", Some(&*self.topic_arn)),
                ("Type", Some(&*self.kind)),
                ("", None),
            ]
        };
        let mut text = String::new();
        for (name, value) in fields {
            if let Some(value) = value {
                text.extend([name, "\n", value, "\n"]);
            }
        }
        text
    }

    /// Checks the signature.
    pub(super) fn check(&self, certificate: &Certificate) -> Result<(), Refusal> {
        let refusal = |message| Refusal::new(StatusCode::FORBIDDEN, message);
        let algorithm: &'static RsaParameters = match self.signature_version.as_str() {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(refusal("the version of the signature is not known")),
        };
        let signature = data_encoding::BASE64.decode(self.signature.as_bytes());
        let signature = signature.map_err(|_| refusal("the signature is no Base64"))?;
        UnparsedPublicKey::new(algorithm, &certificate.key)
            .verify(self.signed().as_bytes(), &signature)
            .map_err(|_| refusal("the signature is not that of the message"))
    }
}

impl Certificates {
    /// The certificate that signed a message.
    pub(super) async fn get(
        &self,
        message: &Message,
        host: &Host,
        context: &SourceContext,
    ) -> Result<Arc<Certificate>, Refusal> {
        let now = context.clock().now().as_second();
        let is_valid =
            |known: &Arc<Certificate>| (known.not_before..=known.not_after).contains(&now);
        let text = &message.certificate_url;
        if let Some(known) = self.0.get(text).filter(is_valid) {
            return Ok(known);
        }
        let refusal = |message| Refusal::new(StatusCode::FORBIDDEN, message);
        let url = host.url(text);
        let url = url.ok_or_else(|| refusal("SigningCertURL is not one of SNS"))?;
        let pem = ask(context, "get the certificate of SNS", url)
            .await
            .map_err(|error| {
                context.failed(&chain(&error));
                let message = "the certificate of the signature cannot be read now";
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
            })?;
        let certificate = Certificate::read(&pem)
            .ok_or_else(|| refusal("what is at SigningCertURL is no certificate"))?;
        let certificate = Arc::new(certificate);
        if !is_valid(&certificate) {
            return Err(refusal("the certificate of the signature is not valid now"));
        }
        self.0.insert(text.clone(), certificate.clone());
        Ok(certificate)
    }
}

impl Certificate {
    fn read(pem: &[u8]) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem).ok()?;
        let (_, certificate) = parse_x509_certificate(&der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            key: certificate.public_key().subject_public_key.data.to_vec(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }
}

/// Confirms a subscription.
pub(super) async fn confirm(
    message: &Message,
    host: &Host,
    context: &SourceContext,
) -> Result<(), SourceError> {
    let act = "confirm the subscription of the topic";
    let url = message
        .subscribe_url
        .as_deref()
        .and_then(|url| host.url(url));
    let url = url.ok_or_else(|| {
        SourceError::new(Reason::Refused, act).because("SubscribeURL is not one of SNS")
    })?;
    ask(context, act, url).await?;
    tracing::info!(topic = message.topic_arn, "Confirmed the subscription");
    Ok(())
}

/// What is at a URL.
async fn ask(context: &SourceContext, act: &str, url: Url) -> Result<Vec<u8>, SourceError> {
    let failed = |reason| SourceError::new(reason, act);
    let client = context.clients().http.get(&Settings::default());
    let client = client.map_err(|error| failed(Reason::Configuration).because(error))?;
    let answer = async {
        let mut response = client.get(url).send().await?.error_for_status()?;
        Ok(read(&mut response, LARGEST_ANSWER).await?.0)
    };
    match timeout(ANSWER_WITHIN, answer).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => {
            let error: reqwest::Error = error;
            Err(failed(Reason::Unreachable).because(error.without_url()))
        }
        Err(_) => {
            let seconds = ANSWER_WITHIN.as_secs();
            Err(failed(Reason::Unreachable).because(format!("no answer in {seconds} s")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_sns_count() {
        let own = Host::of("http://127.0.0.1:4566").unwrap();
        for url in [
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/x.pem",
            "http://127.0.0.1:4566/x.pem",
        ] {
            assert!(own.url(url).is_some(), "{url}");
        }
        for url in [
            "http://sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com.example.org/x.pem",
            "https://sns.amazonaws.com/x.pem",
            "https://sns.a.b.amazonaws.com/x.pem",
            "https://x@example.org/sns.eu-west-1.amazonaws.com",
            "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
            "http://127.0.0.1:4567/x.pem",
            "nonsense",
        ] {
            assert!(own.url(url).is_none(), "{url}");
        }
        assert!(Host::default().url("http://127.0.0.1:4566/x.pem").is_none());
    }
}
