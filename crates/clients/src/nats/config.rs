//! How to reach a server and who to be there.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::without_passwords;
use crate::tls::Tls;
use crate::values::Values;
use crate::{BasicAuth, Error, SettingsError, ValueRef};

/// How to reach NATS servers.
#[derive(Debug, Clone)]
pub struct Config {
    /// The servers, such as `nats://eventbus-default-js-svc.argo-events.svc:4222`; several may be
    /// parted by commas.
    pub url: String,
    /// Who to be.
    pub auth: Auth,
    /// How to encrypt. `None`: if the server insists, and then without checking who it is, as Argo
    /// Events does.
    pub tls: Option<Tls>,
    /// What the server shows this client as.
    pub name: String,
}

/// Who to be at the server.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nobody in particular.
    #[default]
    None,
    /// A user with a password.
    UserPassword {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// The bearer of a token.
    Token(String),
    /// The owner of an nkey, by its seed.
    NKey(String),
    /// The owner of a credentials file, by its text.
    Credentials(String),
}

/// Who to be at the server, by the names of Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthRef {
    /// A user with a password.
    Basic(BasicAuth),
    /// The bearer of a token.
    Token(ValueRef),
    /// The owner of an nkey, by its seed.
    Nkey(ValueRef),
    /// The owner of a credentials file.
    Credential(ValueRef),
}

impl Config {
    /// A connection without encryption by somebody who is nobody.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            auth: Auth::None,
            tls: None,
            name: "tiphys".to_owned(),
        }
    }

    /// The servers as they may be told: without passwords.
    pub fn shown_url(&self) -> String {
        without_passwords(&self.url)
    }
}

impl Auth {
    /// Reads the Secret that an EventBus' `accessSecret` points to: YAML with `username` and
    /// `password`, `token`, `nkey` or `creds`, keys in any case; a credentials file; an nkey seed; or
    /// a token as it is.
    ///
    /// # Errors
    /// If the text is YAML without any of these.
    pub fn from_access_secret(text: &str) -> Result<Self, SettingsError> {
        let text = text.trim();
        if text.contains("-----BEGIN NATS USER JWT-----") && !text.contains("creds:") {
            return Ok(Self::Credentials(text.to_owned()));
        }
        let Ok(Value::Object(members)) = serde_saphyr::from_str::<Value>(text) else {
            return match text {
                "" => Err(SettingsError::new("the access secret is empty")),
                seed if is_seed(seed) => Ok(Self::NKey(seed.to_owned())),
                token => Ok(Self::Token(token.to_owned())),
            };
        };
        let mut members: BTreeMap<String, String> = members
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_ascii_lowercase(), scalar(value)?)))
            .collect();
        let user = members
            .remove("username")
            .or_else(|| members.remove("user"));
        if let Some(user) = user {
            let password = members.remove("password").unwrap_or_default();
            return Ok(Self::UserPassword { user, password });
        }
        let mut take = |key: &str| members.remove(key).filter(|text| !text.is_empty());
        take("token")
            .map(Self::Token)
            .or_else(|| take("nkey").map(Self::NKey))
            .or_else(|| {
                take("creds")
                    .or_else(|| take("credentials"))
                    .map(Self::Credentials)
            })
            .ok_or_else(|| {
                SettingsError::new("the access secret names no username, token, nkey or creds")
            })
    }
}

/// A value as the text it was written as: passwords may look like numbers.
fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}

fn is_seed(text: &str) -> bool {
    text.len() == 58 && text.starts_with("SU") && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl AuthRef {
    /// What a spec says: the first that is set.
    pub fn of(auth: &tiphys_api::NatsAuth, namespace: &str) -> Option<Self> {
        let secret = |selector: &Option<_>| {
            selector
                .as_ref()
                .map(|selector| ValueRef::secret(selector, namespace))
        };
        let basic = auth
            .basic
            .as_ref()
            .map(|basic| Self::Basic(BasicAuth::of(basic, namespace)));
        basic
            .or_else(|| secret(&auth.token).map(Self::Token))
            .or_else(|| secret(&auth.nkey).map(Self::Nkey))
            .or_else(|| secret(&auth.credential).map(Self::Credential))
    }

    /// The same with its values.
    ///
    /// # Errors
    /// If a value is not there.
    pub async fn resolve(&self, values: &dyn Values) -> Result<Auth, Error> {
        Ok(match self {
            Self::Basic(basic) => {
                let (user, password) = basic.resolve(values).await?;
                Auth::UserPassword { user, password }
            }
            Self::Token(token) => Auth::Token(values.find(token).await?.text()),
            Self::Nkey(seed) => Auth::NKey(values.find(seed).await?.text().trim().to_owned()),
            Self::Credential(file) => Auth::Credentials(values.find(file).await?.text()),
        })
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::UserPassword { .. } => "UserPassword",
            Self::Token(_) => "Token",
            Self::NKey(_) => "NKey",
            Self::Credentials(_) => "Credentials",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Auth;

    #[test]
    fn access_secrets_of_every_kind_are_read() {
        let user = |user: &str, password: &str| Auth::UserPassword {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        for (text, auth) in [
            ("username: u1\npassword: p2", user("u1", "p2")),
            (
                "Username: 'a b'\nPASSWORD: 12345678\n",
                user("a b", "12345678"),
            ),
            ("token: abc", Auth::Token("abc".to_owned())),
            ("just-a-token\n", Auth::Token("just-a-token".to_owned())),
            (
                "SUAIO3FHUX5PNV2LQIIP7TZ3N4L7TX3W53MQGEIVYFIGA635OZCKEYHFLM",
                Auth::NKey("SUAIO3FHUX5PNV2LQIIP7TZ3N4L7TX3W53MQGEIVYFIGA635OZCKEYHFLM".to_owned()),
            ),
            (
                "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------",
                Auth::Credentials(
                    "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------".to_owned(),
                ),
            ),
        ] {
            assert!(Auth::from_access_secret(text).unwrap() == auth, "{text}");
        }
    }

    #[test]
    fn a_secret_that_says_nothing_is_an_error() {
        assert!(Auth::from_access_secret("").is_err());
        assert!(Auth::from_access_secret("realm: x").is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Auth::Token("abc".to_owned())), "Token");
    }
}
