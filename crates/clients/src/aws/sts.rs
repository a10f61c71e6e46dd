//! Roles, which STS gives for a login or for a token of somebody else's.

use jiff::Timestamp;
use serde::Deserialize;
use tiphys_base::Reason;

use super::{Error, Login, LoginRef, Service};
use crate::Clients;
use crate::temporary::Temporary;

const VERSION: &str = "2011-06-15";

/// What a role is taken as, in the records of AWS.
const SESSION: &str = "tiphys";

#[derive(Deserialize)]
struct Assumed {
    #[serde(rename = "AssumeRoleResult", alias = "AssumeRoleWithWebIdentityResult")]
    result: Given,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    credentials: Credentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: Timestamp,
}

impl From<Credentials> for Temporary<Login> {
    fn from(credentials: Credentials) -> Self {
        Self {
            login: Login {
                access_key: credentials.access_key_id,
                secret_key: credentials.secret_access_key,
                session_token: Some(credentials.session_token),
            },
            expires: Some(credentials.expiration),
        }
    }
}

/// Takes a role, as who the environment says we are.
pub(super) async fn assume(
    clients: &Clients,
    role: &str,
    region: &str,
) -> Result<Temporary<Login>, Error> {
    let parameters = [("RoleArn", role), ("RoleSessionName", SESSION)];
    let login = LoginRef::Environment;
    let given = ask(clients, region, login, "AssumeRole", &parameters).await;
    given.map_err(|error| failed(&error, role))
}

/// Takes a role for a token of somebody else's.
pub(super) async fn exchange(
    clients: &Clients,
    role: &str,
    session: Option<&str>,
    token: &str,
    region: &str,
) -> Result<Temporary<Login>, Error> {
    let parameters = [
        ("RoleArn", role),
        ("RoleSessionName", session.unwrap_or(SESSION)),
        ("WebIdentityToken", token),
    ];
    let login = LoginRef::Nobody;
    let given = ask(
        clients,
        region,
        login,
        "AssumeRoleWithWebIdentity",
        &parameters,
    )
    .await;
    given.map_err(|error| failed(&error, role))
}

async fn ask(
    clients: &Clients,
    region: &str,
    login: LoginRef,
    action: &str,
    parameters: &[(&str, &str)],
) -> Result<Temporary<Login>, Error> {
    let service = Service::new(clients, "sts", region, "", login)?;
    let mut form = vec![("Action", action), ("Version", VERSION)];
    form.extend(parameters);
    let assumed: Assumed = service.query(clients, &form).await?;
    Ok(assumed.result.credentials.into())
}

fn failed(error: &Error, role: &str) -> Error {
    let message = format!("take role {role}: {error}");
    let hint = match error.reason {
        Reason::Forbidden | Reason::Invalid | Reason::NotFound => {
            "the role's trust policy has to allow sts:AssumeRole to whom the pod is, or \
             sts:AssumeRoleWithWebIdentity to its service account"
        }
        _ => error.hint.as_str(),
    };
    // Nobody was asked for what the role is needed for.
    Error::new(error.reason, message).with_hint(hint).unsent()
}
