//! JSON Web Tokens, by which somebody is known who has a private key (RFC 7519, RS256).

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// A token with these claims, signed with the RSA key in `pem`, which the other side knows by `key_id` if it has
/// several.
///
/// # Errors
/// If the key is none that can sign.
pub fn sign(pem: &[u8], key_id: Option<&str>, claims: &Value) -> Result<String, String> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "the key is no PEM".to_owned())?;
    let key = match &key {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err("the key is no RSA key".to_owned()),
    };
    let key = key.map_err(|error| error.to_string())?;
    let mut head = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(key_id) = key_id {
        head["kid"] = key_id.into();
    }
    let encode = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let unsigned = format!("{}.{}", encode(&head), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    let signing = key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        unsigned.as_bytes(),
        &mut signature,
    );
    signing.map_err(|_| "the key cannot sign".to_owned())?;
    Ok(format!("{unsigned}.{}", BASE64URL_NOPAD.encode(&signature)))
}
