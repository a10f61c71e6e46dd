//! What is shown to a namespace to be let in: signatures that are made here, and those that are given.

use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sha2::Sha256;

use super::{Error, Kind, Login};
use crate::Clients;

/// How long a signature that is made here counts, as long as those of Microsoft's libraries.
const COUNTS_FOR: Duration = Duration::from_hours(1);

/// How long before its end a claim is renewed, if it counts for longer than twice that.
const RENEWED_BEFORE: Duration = Duration::from_mins(10);

/// The type of signatures.
const SIGNATURE: &str = "servicebus.windows.net:sastoken";

/// A claim is not shown more often than this.
const SHOWN_EVERY: Duration = Duration::from_secs(30);

/// What stands in a signature as it is.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// The type of the token, by its name at Service Bus.
    pub(super) kind: &'static str,
    pub(super) token: String,
    /// How long it is until another one has to be shown. `None`: there is no other one.
    pub(super) renewed_in: Option<Duration>,
}

impl Claim {
    /// What `login` shows for the resource of this name, such as `sb://shop/orders`.
    pub(super) async fn of(
        login: &Login,
        resource: &str,
        clients: &Clients,
    ) -> Result<Self, Error> {
        let now = Timestamp::now();
        match login {
            Login::Key { name, key } => Ok(Self {
                kind: SIGNATURE,
                token: signature(name, key, resource, now)?,
                renewed_in: Some(renewed_in(COUNTS_FOR)),
            }),
            Login::Signature(signature) => Ok(Self {
                kind: SIGNATURE,
                token: signature.clone(),
                renewed_in: None,
            }),
            Login::Entra(service) => {
                let token = clients.entra.token(clients, service).await?;
                let left = Duration::try_from(token.expires.duration_since(now));
                Ok(Self {
                    kind: "jwt",
                    token: token.text,
                    renewed_in: Some(renewed_in(left.unwrap_or_default())),
                })
            }
        }
    }
}

/// When a claim that counts for so long is renewed.
fn renewed_in(left: Duration) -> Duration {
    let early = left.saturating_sub(RENEWED_BEFORE);
    early.max(left / 2).max(SHOWN_EVERY)
}

/// A signature by the key of a policy.
fn signature(name: &str, key: &str, resource: &str, now: Timestamp) -> Result<String, Error> {
    let quoted = |bytes: &[u8]| percent_encode(bytes, QUOTED).to_string();
    let end = now.as_second() + i64::try_from(COUNTS_FOR.as_secs()).unwrap_or_default();
    let resource = quoted(resource.as_bytes());
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    let mut mac = mac.map_err(|error| Error::new(Kind::Settings, error.to_string()))?;
    mac.update(format!("{resource}\n{end}").as_bytes());
    let signature = BASE64.encode(&mac.finalize().into_bytes());
    let (signature, name) = (quoted(signature.as_bytes()), quoted(name.as_bytes()));
    Ok(format!(
        "SharedAccessSignature sr={resource}&sig={signature}&se={end}&skn={name}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_documentation() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let resource = "sb://shop.servicebus.windows.net/orders";
        let signature = signature("RootManageSharedAccessKey", "c2VjcmV0", resource, now);
        // Made with Python's hmac, by Microsoft's example.
        assert_eq!(
            signature.unwrap(),
            "SharedAccessSignature sr=sb%3A%2F%2Fshop.servicebus.windows.net%2Forders&\
             sig=ze6vOKFTlkNLtBe3lzHYDUib7BeC0f67AL%2BCwFp3ijg%3D&se=1767326645&\
             skn=RootManageSharedAccessKey"
        );
    }

    #[test]
    fn a_short_claim_is_renewed_at_half_its_time() {
        for (left, expected) in [(60, 50), (20, 10), (10, 5)] {
            let [left, expected] = [left, expected].map(Duration::from_mins);
            assert_eq!(renewed_in(left), expected);
        }
        assert_eq!(renewed_in(Duration::ZERO), Duration::from_secs(30));
    }
}
