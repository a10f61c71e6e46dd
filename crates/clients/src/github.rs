//! GitHub Apps: who they are, and what an installation of one may use.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::header::ACCEPT;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tiphys_api::message::with_causes;
use tiphys_base::Cache;
use tokio::sync::Mutex;

use crate::http::{Settings, excerpt, read};
use crate::temporary::{Kept, Temporary};
use crate::{Clients, Error, ValueRef, jwt};

/// How long a login as an app holds: ten minutes at most, by GitHub's rules.
const APP_LOGIN: SignedDuration = SignedDuration::from_mins(9);

/// How many tokens are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// How long GitHub may take for a token.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How much of an answer is read, in bytes.
const LARGEST_ANSWER: usize = 256 << 10;

/// An installation of an app.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    /// Where the app's private key is, in PEM.
    pub private_key: ValueRef,
    /// The number of the app.
    pub app: i64,
    /// The number of the installation.
    pub installation: i64,
}

/// Tokens by what they were given for: the API, and the installation.
pub struct Tokens(Cache<(String, App), Arc<Mutex<Kept<String>>>>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("github::Tokens")
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

/// What GitHub gives.
#[derive(Deserialize)]
struct Given {
    token: String,
    expires_at: Option<Timestamp>,
}

/// A JSON Web Token by which an app is known, signed with its key.
fn app_token(pem: &[u8], app: i64, now: Timestamp) -> Result<String, String> {
    // A clock that is a little ahead of GitHub's would be refused.
    let since = now - SignedDuration::from_mins(1);
    let claims = json!({
        "iat": since.as_second(),
        "exp": (since + APP_LOGIN).as_second(),
        "iss": app.to_string(),
    });
    jwt::sign(pem, None, &claims)
}

fn api_of(url: &str) -> Result<Url, Error> {
    let api = Url::parse(url).ok().as_ref().and_then(api);
    api.ok_or_else(|| {
        Error::refused("a GitHub App logs in at URLs that begin with https://".to_owned())
    })
}

/// The API of the server that has the repository of `url`; `None` if that is no web server.
fn api(url: &Url) -> Option<Url> {
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let mut api = url.clone();
    if url.host_str() == Some("github.com") {
        return Url::parse("https://api.github.com/").ok();
    }
    // A login in the URL is for git.
    api.set_username("").ok()?;
    api.set_password(None).ok()?;
    api.set_query(None);
    api.set_path("/api/v3/");
    Some(api)
}

impl App {
    /// A token for the repository at `url`, which git takes as the password of `x-access-token`.
    ///
    /// # Errors
    /// If the key cannot be read, or GitHub gives none.
    pub async fn token_for(&self, clients: &Clients, url: &str) -> Result<String, Error> {
        self.token(clients, &api_of(url)?).await
    }

    /// Forgets a token that the server of the repository at `url` takes no more.
    pub async fn forget_for(&self, clients: &Clients, url: &str, refused: &str) {
        if let Ok(api) = api_of(url) {
            self.forget(clients, &api, refused).await;
        }
    }

    /// A token for an API, whose URL ends with a slash: the one that is known, until five minutes before its end.
    ///
    /// # Errors
    /// If the key cannot be read, or GitHub gives none.
    pub async fn token(&self, clients: &Clients, api: &Url) -> Result<String, Error> {
        let kept = self.kept(clients, api);
        let mut kept = kept.lock().await;
        let now = Timestamp::now();
        if let Some(known) = kept.usable(now) {
            return Ok(known);
        }
        let asked = self.ask(clients, api, now).await;
        kept.answered(asked, now)
    }

    /// Forgets a token that GitHub takes no more, unless another one is known already.
    pub async fn forget(&self, clients: &Clients, api: &Url, refused: &str) {
        let kept = self.kept(clients, api);
        kept.lock().await.forget(|known| known == refused);
    }

    fn kept(&self, clients: &Clients, api: &Url) -> Arc<Mutex<Kept<String>>> {
        let key = (api.to_string(), self.clone());
        clients.github.0.get_or_insert(key, Arc::default())
    }

    async fn ask(
        &self,
        clients: &Clients,
        api: &Url,
        now: Timestamp,
    ) -> Result<Temporary<String>, Error> {
        let installation = self.installation;
        let act = format!("log in as the GitHub App's installation {installation}");
        let hint = "check appID, installationID and privateKey of githubApp: the key as it was downloaded from \
                    GitHub, in PEM";
        let pem = clients.values.find(&self.private_key).await?;
        let jwt = app_token(pem.bytes(), self.app, now)
            .map_err(|why| Error::unavailable(format!("{act}: {why}")).with_hint(hint))?;
        let path = format!("app/installations/{installation}/access_tokens");
        let url = api.join(&path);
        let url = url.map_err(|error| Error::refused(format!("{act}: {error}")))?;
        let lost = |error: reqwest::Error| {
            Error::unavailable(format!("{act}: {}", with_causes(&error.without_url())))
        };
        let request = clients.http.get(&Settings::default())?.post(url);
        let request = request
            .bearer_auth(&jwt)
            .header(ACCEPT, "application/vnd.github+json")
            .timeout(ANSWER_WITHIN);
        let mut answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let (body, _) = read(&mut answer, LARGEST_ANSWER).await.map_err(lost)?;
        if !status.is_success() {
            let said = excerpt(&body, &[jwt]);
            return Err(Error::unavailable(format!("{act}: {status}{said}")).with_hint(hint));
        }
        let given: Given = serde_json::from_slice(&body)
            .map_err(|error| Error::unavailable(format!("{act}: no token: {error}")))?;
        Ok(Temporary {
            login: given.token,
            expires: given.expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made for this test by `openssl genrsa -traditional 2048`.
    const KEY: &str = include_str!("github/testdata/app.pem");

    #[test]
    fn an_app_is_known_by_a_signed_token() {
        let now = Timestamp::from_second(1_767_323_045).unwrap();
        let token = app_token(KEY.as_bytes(), 17, now).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let decode = |part: &str| {
            let bytes = data_encoding::BASE64URL_NOPAD.decode(part.as_bytes());
            String::from_utf8_lossy(&bytes.unwrap()).into_owned()
        };
        assert_eq!(decode(parts[0]), r#"{"alg":"RS256","typ":"JWT"}"#);
        assert_eq!(
            decode(parts[1]),
            r#"{"exp":1767323525,"iat":1767322985,"iss":"17"}"#
        );
        // What `openssl dgst -sha256 -sign` makes of the two parts before.
        assert_eq!(
            parts[2],
            include_str!("github/testdata/app.signature").trim()
        );
        let error = app_token(b"ssh-rsa AAAA", 17, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error, "the key is no PEM");
    }

    #[test]
    fn the_api_is_that_of_the_server() {
        for (url, expected) in [
            (
                "https://github.com/argo/ships.git",
                Some("https://api.github.com/"),
            ),
            (
                "https://u:p@git.example:8443/a/b.git?x",
                Some("https://git.example:8443/api/v3/"),
            ),
            ("ssh://git@github.com/argo/ships.git", None),
        ] {
            let found = api(&Url::parse(url).unwrap());
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{url}");
        }
    }
}
