//! Credentials in the format of Google's own files.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use tiphys_base::Reason;

use super::Error;

/// Where a token is given for what is signed with a key, and to a person.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// Where Google is, unless credentials say something else.
const UNIVERSE: &str = "googleapis.com";

/// A text that is not printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Hidden(pub(super) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Credentials.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Credentials {
    /// The key of a service account.
    ServiceAccount(ServiceAccount),
    /// A person.
    AuthorizedUser(Person),
    /// Somebody whom another one vouches for (workload identity federation).
    ExternalAccount(Box<External>),
    /// A service account that another login may act as.
    ImpersonatedServiceAccount(Impersonated),
}

#[derive(Debug, Deserialize)]
pub(super) struct ServiceAccount {
    pub(super) client_email: String,
    pub(super) private_key: Hidden,
    pub(super) private_key_id: Option<String>,
    #[serde(default = "token_uri")]
    pub(super) token_uri: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Person {
    pub(super) client_id: String,
    pub(super) client_secret: Hidden,
    pub(super) refresh_token: Hidden,
    #[serde(default = "token_uri")]
    pub(super) token_uri: String,
    pub(super) quota_project_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct External {
    pub(super) audience: String,
    pub(super) subject_token_type: String,
    pub(super) token_url: String,
    pub(super) credential_source: Subject,
    /// The service account to act as.
    pub(super) service_account_impersonation_url: Option<String>,
    #[serde(default)]
    pub(super) service_account_impersonation: Lifetime,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Hidden>,
    pub(super) workforce_pool_user_project: Option<String>,
    pub(super) quota_project_id: Option<String>,
}

/// Where the token of the one who vouches is.
#[derive(Debug, Deserialize)]
pub(super) struct Subject {
    pub(super) file: Option<String>,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Hidden>,
    #[serde(default)]
    pub(super) format: Format,
}

/// How it is written there.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Format {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) subject_token_field_name: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Lifetime {
    pub(super) token_lifetime_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Impersonated {
    pub(super) service_account_impersonation_url: String,
    #[serde(default)]
    pub(super) delegates: Vec<String>,
    pub(super) source_credentials: Box<Credentials>,
    pub(super) quota_project_id: Option<String>,
}

fn token_uri() -> String {
    TOKEN_URI.to_owned()
}

impl Credentials {
    /// Reads credentials.
    ///
    /// # Errors
    /// If they are none, or of a kind that is not read.
    pub(super) fn read(json: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "type")]
            kind: String,
            universe_domain: Option<String>,
        }
        let invalid = |why: String| Error::new(Reason::Invalid, why);
        // What cannot be read is not shown: it may hold a key.
        let Kind {
            kind,
            universe_domain,
        } = serde_json::from_slice(json).map_err(|_| {
            invalid("the credentials are no JSON object with a type".to_owned())
                .with_hint("it is the file as Google Cloud gives it, as JSON")
        })?;
        if let Some(universe) = universe_domain.filter(|universe| universe != UNIVERSE) {
            let message = format!("the credentials are of {universe:?}: only {UNIVERSE} is asked");
            return Err(invalid(message));
        }
        let credentials: Self = serde_json::from_slice(json).map_err(|error| {
            let text = error.to_string();
            if text.starts_with("unknown variant") {
                return invalid(format!("credentials of type {kind:?} are not read"));
            }
            let missing = text
                .split('`')
                .nth(1)
                .filter(|_| text.starts_with("missing"));
            invalid(match missing {
                Some(field) => format!("the credentials of type {kind} have no {field}"),
                None => format!("the credentials of type {kind} are not as they should be"),
            })
        })?;
        match &credentials {
            Self::ExternalAccount(external)
                if external.credential_source.file.is_none()
                    && external.credential_source.url.is_none() =>
            {
                let message = "credential_source has neither file nor url: those of AWS, programs and \
                               certificates are not read";
                Err(invalid(message.to_owned()))
            }
            _ => Ok(credentials),
        }
    }

    /// The project whose quota counts, if they name one.
    pub(super) fn quota_project(&self) -> Option<&String> {
        match self {
            Self::ServiceAccount(_) => None,
            Self::AuthorizedUser(person) => person.quota_project_id.as_ref(),
            Self::ExternalAccount(external) => external.quota_project_id.as_ref(),
            Self::ImpersonatedServiceAccount(impersonated) => {
                impersonated.quota_project_id.as_ref()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        Credentials::read(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_with_credentials_is_named_and_not_shown() {
        let none = "the credentials are no JSON object with a type";
        assert_eq!(refused("-----BEGIN PRIVATE KEY-----"), none);
        assert_eq!(refused(r#"{"private_key": "s3cret"}"#), none);
        assert_eq!(
            refused(r#"{"type":"gdch_service_account"}"#),
            "credentials of type \"gdch_service_account\" are not read"
        );
        assert_eq!(
            refused(r#"{"type":"service_account","private_key":"s3cret"}"#),
            "the credentials of type service_account have no client_email"
        );
        assert_eq!(
            refused(r#"{"type":"service_account","client_email":["s3cret"]}"#),
            "the credentials of type service_account are not as they should be"
        );
        assert_eq!(
            refused(r#"{"type":"service_account","universe_domain":"other.example"}"#),
            "the credentials are of \"other.example\": only googleapis.com is asked"
        );
        let aws = r#"{"type":"external_account","audience":"a","subject_token_type":"t",
            "token_url":"https://sts","credential_source":{"environment_id":"aws1"}}"#;
        assert_eq!(
            refused(aws),
            "credential_source has neither file nor url: those of AWS, programs and certificates are not read"
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let json = r#"{"type":"authorized_user","client_id":"me","client_secret":"s3cret",
            "refresh_token":"s3cret","quota_project_id":"harbour"}"#;
        let credentials = Credentials::read(json.as_bytes()).unwrap();
        assert_eq!(credentials.quota_project().unwrap(), "harbour");
        assert!(!format!("{credentials:?}").contains("s3cret"));
    }
}
