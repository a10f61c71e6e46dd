//! Signatures of requests: a keyed hash (HMAC) of what was sent, compared in constant time.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use http::{HeaderMap, StatusCode};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tiphys_api::SecretKeySelector;
use tiphys_clients::values::Value;

use super::{Refusal, Request};
use crate::context::SourceContext;

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

/// Whether `signature`, in hexadecimal digits, is that of `parts` one after the other.
pub(crate) fn is_signed(hash: Hash, secret: &[u8], parts: &[&[u8]], signature: &str) -> bool {
    let Ok(signature) = data_encoding::HEXLOWER_PERMISSIVE.decode(signature.trim().as_bytes())
    else {
        return false;
    };
    // A secret that is not there yet must not let in whoever signs with nothing.
    !secret.is_empty()
        && match hash {
            Hash::Sha1 => fits::<Hmac<Sha1>>(secret, parts, &signature),
            Hash::Sha256 => fits::<Hmac<Sha256>>(secret, parts, &signature),
        }
}

fn fits<M: Mac + KeyInit>(secret: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    // A key may have any length.
    let Ok(mut mac) = <M as Mac>::new_from_slice(secret) else {
        return false;
    };
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(signature).is_ok()
}

/// The value of a header as text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The secret that calls are checked with.
///
/// # Errors
/// If it cannot be read now: the caller is asked to come again.
pub(crate) async fn secret(
    key: &SecretKeySelector,
    context: &SourceContext,
) -> Result<Vec<u8>, Refusal> {
    match context.secret(key).await {
        Ok(value) => Ok(value.bytes().to_vec()),
        Err(error) => {
            context.failed(&crate::status::chain(&error));
            let message = "the secret that calls are checked with cannot be read";
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message))
        }
    }
}

/// The secrets that calls of a host count with which has it in its hook: also the one before, while it is rotated.
///
/// # Errors
/// As those of [`secret`].
async fn secrets(key: &SecretKeySelector, context: &SourceContext) -> Result<Vec<Value>, Refusal> {
    let secret = Value::new(&secret(key, context).await?);
    Ok(context.rotation.note(&secret))
}

/// Checks that the header `name` has the secret of `key` as it is, if there has to be one.
///
/// # Errors
/// If it is another one, or the secret cannot be read now.
pub(crate) async fn check_token(
    headers: &HeaderMap,
    name: &str,
    key: Option<&SecretKeySelector>,
    context: &SourceContext,
) -> Result<(), Refusal> {
    let Some(key) = key else {
        return Ok(());
    };
    has_token(headers, name, &secrets(key, context).await?)
}

fn has_token(headers: &HeaderMap, name: &str, secrets: &[Value]) -> Result<(), Refusal> {
    let token = headers.get(name).map_or(&b""[..], |token| token.as_bytes());
    let is_it = |secret: &Value| {
        let is_same: bool = token.ct_eq(secret.bytes()).into();
        is_same && !secret.bytes().is_empty()
    };
    if secrets.iter().any(is_it) {
        return Ok(());
    }
    let message = format!("{name} is not the token of the event source");
    Err(Refusal::new(StatusCode::UNAUTHORIZED, message))
}

/// Checks the signature `prefix` + digits in the header `name`, of the whole body.
///
/// # Errors
/// If there is none, or it is another one's.
fn check_body(
    headers: &HeaderMap,
    (name, prefix): (&str, &str),
    hash: Hash,
    secrets: &[Value],
    body: &[u8],
) -> Result<(), Refusal> {
    let refusal = |message: String| Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
    let Some(value) = header(headers, name) else {
        return refusal(format!("the header {name} is missing"));
    };
    let signature = value.strip_prefix(prefix).unwrap_or_default();
    let has_signed = |secret: &Value| is_signed(hash, secret.bytes(), &[body], signature);
    if secrets.iter().any(has_signed) {
        return Ok(());
    }
    refusal(format!("{name} is not the signature of the body"))
}

/// Checks that a request is signed with the secret of `key`, if there has to be a signature.
///
/// # Errors
/// If it is another one's, or the secret cannot be read now.
pub(crate) async fn check_signed(
    request: &Request,
    key: Option<&SecretKeySelector>,
    signature: (&str, &str),
    hash: Hash,
    context: &SourceContext,
) -> Result<(), Refusal> {
    let Some(key) = key else {
        return Ok(());
    };
    let secrets = secrets(key, context).await?;
    check_body(
        &request.head.headers,
        signature,
        hash,
        &secrets,
        &request.body,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of GitHub's documentation.
    const SECRET: &[u8] = b"It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNED: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn a_signature_belongs_to_a_secret_and_a_body() {
        assert!(is_signed(Hash::Sha256, SECRET, &[BODY], SIGNED));
        assert!(is_signed(
            Hash::Sha256,
            SECRET,
            &[b"Hello, ", b"World!"],
            SIGNED
        ));
        assert!(!is_signed(
            Hash::Sha256,
            SECRET,
            &[b"Hello, World?"],
            SIGNED
        ));
        assert!(!is_signed(Hash::Sha256, b"another", &[BODY], SIGNED));
        assert!(!is_signed(Hash::Sha1, SECRET, &[BODY], SIGNED));
        for broken in ["", "75", "x", &SIGNED[..62]] {
            assert!(
                !is_signed(Hash::Sha256, SECRET, &[BODY], broken),
                "{broken}"
            );
        }
    }

    #[test]
    fn an_empty_secret_lets_nobody_in() {
        // The HMAC of an empty text under an empty key.
        let signed = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
        assert!(!is_signed(Hash::Sha256, b"", &[b""], signed));
        assert!(has_token(&HeaderMap::new(), "x-gitlab-token", &[Value::new(b"")]).is_err());
    }
}
