//! Whom a namespace lets in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use super::{POLICY, Shared};

/// What is said to a claim: a status, and its text.
pub(super) type Verdict = (i32, &'static str);

const INVALID: Verdict = (401, "InvalidSignature: The token has an invalid signature.");

impl Shared {
    /// Checks a claim to the resource of this name.
    pub(super) fn check(&self, kind: &str, token: &str, resource: &str) -> Verdict {
        match kind {
            "jwt" => {
                let tokens = self.tokens.lock().expect("nobody panics");
                if tokens.contains(token) {
                    (202, "Accepted")
                } else {
                    (401, "InvalidToken: The token is not one of this tenant.")
                }
            }
            "servicebus.windows.net:sastoken" => self.check_signature(token, resource),
            _ => (400, "The type of the token is not known."),
        }
    }

    fn check_signature(&self, token: &str, resource: &str) -> Verdict {
        let Some(fields) = token.strip_prefix("SharedAccessSignature ") else {
            return (400, "The token is no signature.");
        };
        let field = |name: &str| {
            let mut fields = fields.split('&').filter_map(|field| field.split_once('='));
            fields.find_map(|(known, value)| (known == name).then_some(value))
        };
        let [Some(about), Some(signature), Some(end), Some(policy)] =
            ["sr", "sig", "se", "skn"].map(field)
        else {
            return (400, "The token misses a field.");
        };
        let key = self.key.lock().expect("nobody panics").clone();
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
        let mut mac = mac.expect("a key may have any length");
        mac.update(format!("{about}\n{end}").as_bytes());
        let expected = STANDARD.encode(mac.finalize().into_bytes());
        if policy != POLICY || unquoted(signature) != expected || unquoted(about) != resource {
            return INVALID;
        }
        let end: i64 = end.parse().unwrap_or_default();
        if end <= Timestamp::now().as_second() {
            return (401, "ExpiredToken: The token is expired.");
        }
        (202, "Accepted")
    }
}

fn unquoted(text: &str) -> String {
    let text = format!("a={text}");
    let mut parts = form_urlencoded::parse(text.as_bytes());
    parts
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}
