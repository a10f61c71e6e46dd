//! Servers that give tokens of Google, to those who may have them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use super::PROJECT;
use crate::web::{Answer, Asked, Web, answer};

/// The private key of the service account `tiphys`, and its public one.
const KEY: &str = include_str!("key.pem");
const PUBLIC: &[u8] = include_bytes!("key.public.der");

/// Credentials of the service account `tiphys`, which get their tokens from `tokens`.
pub fn credentials(tokens: &Web) -> Value {
    json!({
        "type": "service_account",
        "project_id": PROJECT,
        "client_email": "tiphys@harbour.iam.gserviceaccount.com",
        "private_key_id": "first",
        "private_key": KEY,
        "token_uri": tokens.url("/token"),
    })
}

/// Servers that give `token`: for a signature of the service account `tiphys`, for the token `jwt` of somebody
/// else's, for a token that may act as `tiphys`, and of the metadata server.
pub async fn tokens(token: &'static str) -> Web {
    Web::start(move |asked| {
        let header = |name: &str| asked.headers.get(name).map(String::as_str);
        let form: BTreeMap<String, String> = form(&asked.body);
        let is = |name: &str, value: &str| form.get(name).is_some_and(|found| found == value);
        match (&*asked.method, &*asked.path) {
            ("POST", "/token") if signed(&form, asked) => given(token),
            ("POST", "/token") => refused("invalid_grant", "Invalid JWT Signature."),
            ("POST", "/sts") if is("subject_token", "jwt") && is("audience", "//iam/harbour") => {
                given("federated")
            }
            ("POST", "/sts") => refused("invalid_grant", "The subject token is not known."),
            ("POST", "/act/tiphys@harbour:generateAccessToken")
                if header("authorization") == Some("Bearer federated") =>
            {
                let expires = "2100-01-02T03:04:05Z";
                let given = json!({"accessToken": token, "expireTime": expires});
                answer(200).body(given.to_string())
            }
            ("GET", path) if header("metadata-flavor") == Some("Google") => {
                let path = path.split('?').next().unwrap_or_default();
                match path.strip_prefix("/computeMetadata/v1/") {
                    Some("instance/service-accounts/default/token") => given(token),
                    Some("project/project-id") => answer(200).body(PROJECT),
                    _ => answer(404),
                }
            }
            _ => answer(404),
        }
    })
    .await
}

fn given(token: &str) -> Answer {
    let given = json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"});
    answer(200).body(given.to_string())
}

fn refused(code: &str, text: &str) -> Answer {
    let refused = json!({"error": code, "error_description": text});
    answer(400).body(refused.to_string())
}

fn form(body: &[u8]) -> BTreeMap<String, String> {
    let pairs = form_urlencoded::parse(body);
    pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// Whether the form holds what the service account `tiphys` has signed, for this server and a while.
fn signed(form: &BTreeMap<String, String>, asked: &Asked) -> bool {
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    if form.get("grant_type").map(String::as_str) != Some(grant) {
        return false;
    }
    let Some((signed, signature)) = form.get("assertion").and_then(|jwt| jwt.rsplit_once('.'))
    else {
        return false;
    };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC);
    let is_signed = key.verify(signed.as_bytes(), &decode(signature)).is_ok();
    let claims = signed.split('.').nth(1).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&decode(claims)).unwrap_or_default();
    let host = asked.headers.get("host").cloned().unwrap_or_default();
    let now = jiff::Timestamp::now().as_second();
    let is_valid = claims["iat"].as_i64() <= Some(now) && claims["exp"].as_i64() > Some(now);
    is_signed
        && is_valid
        && claims["iss"] == "tiphys@harbour.iam.gserviceaccount.com"
        && claims["aud"] == format!("http://{host}/token")
        && claims["scope"] == "https://www.googleapis.com/auth/pubsub"
        && claims["exp"].as_i64() <= claims["iat"].as_i64().map(|since| since + 3600)
}
