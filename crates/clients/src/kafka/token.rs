//! Tokens that somebody shows brokers instead of a password: `OAUTHBEARER`, RFC 7628.

use std::collections::BTreeMap;
use std::fmt;

use http::header::{ACCEPT, CONTENT_TYPE};
use jiff::Timestamp;
use krafka::KrafkaError;
use krafka::auth::{CredentialProvider, OAuthBearerToken};
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tiphys_api::SaslOauth;
use tiphys_api::message::with_causes;

use super::config::ANSWER_WITHIN;
use super::{Error, Kind};
use crate::Clients;
use crate::http::{Settings, excerpt, parse, read};

/// How much of an answer is read, in bytes.
const LARGEST_ANSWER: usize = 256 << 10;

/// Where tokens are granted, to a client with an id and a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Oauth {
    /// The token endpoint. `None`: the token is in the Secret.
    #[serde(rename = "tokenURL", skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// What the token has to be good for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What brokers are told beside it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extensions: BTreeMap<String, String>,
}

/// What gives a token whenever brokers ask for one.
#[derive(Clone)]
pub struct Tokens {
    client: Client,
    /// The token endpoint. `None`: the secret is the token.
    url: Option<Url>,
    id: String,
    secret: String,
    scopes: String,
    extensions: BTreeMap<String, String>,
}

/// What a token endpoint grants: RFC 6749 §5.1.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// In seconds.
    expires_in: Option<i64>,
}

impl Oauth {
    /// What a spec says.
    ///
    /// # Errors
    /// If its URL is none.
    pub fn of(spec: Option<&SaslOauth>) -> Result<Self, String> {
        let spec = spec.cloned().unwrap_or_default();
        let url = Some(spec.token_url.to_string()).filter(|url| !url.is_empty());
        if let Some(Err(error)) = url.as_deref().map(parse) {
            return Err(error.to_string());
        }
        Ok(Self {
            token_url: url,
            scopes: spec.scopes.to_vec(),
            extensions: (*spec.extensions).clone(),
        })
    }
}

impl Tokens {
    /// Tokens for a client with `id` and `secret`.
    ///
    /// # Errors
    /// If the settings make no sense.
    pub fn new(
        oauth: &Oauth,
        id: String,
        secret: String,
        clients: &Clients,
    ) -> Result<Self, crate::Error> {
        Ok(Self {
            client: clients.http.get(&Settings::default())?,
            url: oauth.token_url.as_deref().map(parse).transpose()?,
            id,
            secret,
            scopes: oauth.scopes.join(" "),
            extensions: oauth.extensions.clone(),
        })
    }

    /// A token.
    async fn get(&self) -> Result<OAuthBearerToken, Error> {
        let token = match &self.url {
            None => OAuthBearerToken::new(self.secret.trim()),
            Some(url) => self.ask(url).await?,
        };
        let extensions = self.extensions.iter();
        Ok(extensions.fold(token, |token, (key, value)| {
            token.with_extension(key, value)
        }))
    }

    async fn ask(&self, url: &Url) -> Result<OAuthBearerToken, Error> {
        let failed = |kind, why: String| {
            let shown = tiphys_base::text::without_passwords(url.as_str());
            Error::new(kind, format!("ask {shown} for a token: {why}"))
        };
        let lost =
            |error: reqwest::Error| failed(Kind::Unreachable, with_causes(&error.without_url()));
        let now = Timestamp::now();
        let request = self
            .client
            .post(url.clone())
            // RFC 6749 §2.3.1 encodes them before they are a login.
            .basic_auth(encoded(&self.id), Some(encoded(&self.secret)))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .timeout(ANSWER_WITHIN)
            .body(self.form());
        let mut answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let (body, _) = read(&mut answer, LARGEST_ANSWER).await.map_err(lost)?;
        if !status.is_success() {
            let kind = match status.as_u16() {
                400..=403 => Kind::Unauthorized,
                404 => Kind::Settings,
                _ => Kind::Unreachable,
            };
            let said = excerpt(&body, std::slice::from_ref(&self.secret));
            return Err(failed(kind, format!("{status}{said}")));
        }
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|error| failed(Kind::Refused, format!("the answer is no token: {error}")))?;
        let token = OAuthBearerToken::new(granted.access_token);
        Ok(match granted.expires_in {
            Some(seconds) => token.with_lifetime_ms(now.as_millisecond() + seconds * 1000),
            None => token,
        })
    }

    fn form(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes);
        }
        form.finish()
    }

    pub(super) fn digest(&self, digest: &mut Sha256) {
        let url = self.url.as_ref().map_or("", Url::as_str);
        for part in [url, &self.id, &self.secret, &self.scopes] {
            digest.update(Sha256::digest(part));
        }
        for part in self.extensions.iter().flat_map(|(key, value)| [key, value]) {
            digest.update(Sha256::digest(part));
        }
    }
}

impl CredentialProvider<OAuthBearerToken> for Tokens {
    async fn credentials(&self) -> krafka::Result<OAuthBearerToken> {
        let token = self.get().await;
        token.map_err(|error| KrafkaError::auth_with_source(error.to_string(), error))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
