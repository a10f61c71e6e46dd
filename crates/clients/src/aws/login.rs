//! Which login somebody asks with, and logins that are kept until shortly before they end.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tiphys_api::SecretKeySelector;
use tiphys_base::Cache;
use tokio::sync::Mutex;

use super::{Environment, Error, Login, around, sts};
use crate::temporary::Kept;
use crate::values::Values;
use crate::{Clients, ValueRef};

/// How many logins are kept: roles in regions.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Which login somebody asks with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LoginRef {
    /// Keys in Secrets.
    Keys(Box<Keys>),
    /// A role, which is taken as who the environment says we are.
    Role(String),
    /// What the process finds around it: variables, the token of its service account, EKS Pod Identity, ECS,
    /// or the instance.
    Environment,
    /// None: what anybody may ask.
    Nobody,
}

/// Keys in Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// Where the access key is.
    pub access_key: ValueRef,
    /// Where the secret key is.
    pub secret_key: ValueRef,
    /// Where the session token is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<ValueRef>,
}

/// The fields of a spec that say which login counts.
#[derive(Debug, Clone, Copy)]
pub struct LoginFields<'a> {
    /// `accessKey`.
    pub access_key: Option<&'a SecretKeySelector>,
    /// `secretKey`.
    pub secret_key: Option<&'a SecretKeySelector>,
    /// `sessionToken`.
    pub session_token: Option<&'a SecretKeySelector>,
    /// `roleARN`; may be empty.
    pub role_arn: &'a str,
}

impl LoginFields<'_> {
    /// The login, with Secrets of `namespace`: a role goes before keys, as in Argo Events.
    pub fn login(&self, namespace: &str) -> LoginRef {
        if !self.role_arn.is_empty() {
            return LoginRef::Role(self.role_arn.to_owned());
        }
        let secret = |selector| ValueRef::secret(selector, namespace);
        match (self.access_key, self.secret_key) {
            (Some(access_key), Some(secret_key)) => LoginRef::Keys(Box::new(Keys {
                access_key: secret(access_key),
                secret_key: secret(secret_key),
                session_token: self.session_token.map(secret),
            })),
            _ => LoginRef::Environment,
        }
    }

    /// What is wrong with them.
    pub fn fault(&self) -> Option<&'static str> {
        let is_half = self.access_key.is_some() != self.secret_key.is_some();
        is_half.then_some("accessKey and secretKey have to be set together")
    }
}

impl fmt::Display for LoginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(keys) => {
                let Keys {
                    access_key,
                    secret_key,
                    session_token,
                } = &**keys;
                write!(f, "accessKey ({access_key}) with secretKey ({secret_key})")?;
                match session_token {
                    Some(token) => write!(f, " and sessionToken ({token})"),
                    None => Ok(()),
                }
            }
            Self::Role(role) => write!(f, "roleARN {role}"),
            Self::Environment => f.write_str("the login of the pod"),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

impl Keys {
    /// The keys as they are now: rotated ones count.
    async fn read(&self, values: &dyn Values) -> Result<Login, Error> {
        let text = async |key: &ValueRef| match values.find(key).await {
            Ok(value) => Ok(value.text().trim().to_owned()),
            Err(error) => Err(Error::of_ours(&error)),
        };
        Ok(Login {
            access_key: text(&self.access_key).await?,
            secret_key: text(&self.secret_key).await?,
            session_token: match &self.session_token {
                Some(token) => Some(text(token).await?),
                None => None,
            },
        })
    }
}

/// Logins by what they are for.
pub struct Logins {
    environment: Environment,
    kept: Cache<(LoginRef, String), Arc<Mutex<Kept<Login>>>>,
    now: fn() -> Timestamp,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("aws::Logins")
    }
}

impl Logins {
    /// Logins by what `environment` says.
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            kept: Cache::new(KEPT),
            now: Timestamp::now,
        }
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The login that counts now; `None` for nobody.
    pub(crate) async fn get(
        &self,
        clients: &Clients,
        login: &LoginRef,
        region: &str,
    ) -> Result<Option<Login>, Error> {
        match login {
            LoginRef::Nobody => Ok(None),
            LoginRef::Keys(keys) => keys.read(&*clients.values).await.map(Some),
            LoginRef::Role(_) | LoginRef::Environment => {
                // A role is taken with another login: the future holds one of its kind.
                let login = Box::pin(self.kept(clients, login, region)).await?;
                Ok(Some(login))
            }
        }
    }

    /// The login was refused: another one is asked for.
    pub(super) fn forget(&self, login: &LoginRef, region: &str) {
        self.kept.remove(&(login.clone(), region.to_owned()));
        // Whoever the role is taken as may be the reason.
        if let LoginRef::Role(_) = login {
            self.forget(&LoginRef::Environment, region);
        }
    }

    /// A login that is kept; one asks for it, and the others wait.
    async fn kept(
        &self,
        clients: &Clients,
        login: &LoginRef,
        region: &str,
    ) -> Result<Login, Error> {
        let key = (login.clone(), region.to_owned());
        let kept = self.kept.get_or_insert(key, Arc::default());
        let mut kept = kept.lock().await;
        let now = self.now();
        if let Some(known) = kept.usable(now) {
            return Ok(known);
        }
        let asked = match login {
            LoginRef::Role(role) => sts::assume(clients, role, region).await,
            _ => around::find(clients, &self.environment, region).await,
        };
        kept.answered(asked, self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_goes_before_keys_and_half_a_login_is_a_fault() {
        let key = |key: &str| -> SecretKeySelector {
            serde_json::from_value(serde_json::json!({"name": "aws", "key": key})).unwrap()
        };
        let (access, secret) = (key("access"), key("secret"));
        let mut fields = LoginFields {
            access_key: Some(&access),
            secret_key: Some(&secret),
            session_token: None,
            role_arn: "",
        };
        assert_eq!(
            fields.login("ns").to_string(),
            "accessKey (key access of Secret ns/aws) with secretKey (key secret of Secret ns/aws)"
        );
        fields.role_arn = "arn:aws:iam::1:role/r";
        assert_eq!(
            fields.login("ns"),
            LoginRef::Role("arn:aws:iam::1:role/r".into())
        );
        assert_eq!(fields.fault(), None);
        fields.secret_key = None;
        assert!(fields.fault().is_some());
        fields.access_key = None;
        fields.role_arn = "";
        assert_eq!(fields.login("ns"), LoginRef::Environment);
    }
}
