//! A storage account of Azure, and how requests say who asks: by a signature with the account's key, by one that is
//! part of the URL (SAS), or by a token of Entra.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::Url;
use sha2::Sha256;

/// The account and the key of every emulator; they are public.
const EMULATOR: (&str, &str, &str) = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "http://127.0.0.1:10001/devstoreaccount1",
);

/// The version of the interface: the newest that all regions have.
const VERSION: &str = "2021-12-02";

/// A storage account.
#[derive(PartialEq, Eq)]
pub(super) struct Account {
    name: String,
    /// Where its queues are, without a slash at the end.
    pub(super) endpoint: String,
    login: Login,
}

#[derive(PartialEq, Eq)]
enum Login {
    Key(Vec<u8>),
    /// What follows the question mark.
    Signature(String),
    /// A token of Entra.
    Token(String),
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.endpoint)
    }
}

impl Account {
    /// Reads a connection string. It holds a secret: what is wrong is said without it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut fields: BTreeMap<String, &str> = BTreeMap::new();
        for field in text
            .trim()
            .split(';')
            .filter(|field| !field.trim().is_empty())
        {
            let (name, value) = field
                .split_once('=')
                .ok_or("it is not made of NAME=VALUE, with semicolons between them")?;
            fields.insert(name.trim().to_ascii_lowercase(), value.trim());
        }
        let field = |name: &str| fields.get(name).copied().filter(|value| !value.is_empty());
        if field("usedevelopmentstorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            let (name, key, endpoint) = EMULATOR;
            return Self::new(name, endpoint, Some(key), None);
        }
        let name = field("accountname").unwrap_or_default();
        let endpoint = match (field("queueendpoint"), name) {
            (Some(endpoint), _) => endpoint.to_owned(),
            (None, "") => return Err("it has neither AccountName nor QueueEndpoint".to_owned()),
            (None, name) => {
                let scheme = field("defaultendpointsprotocol").unwrap_or("https");
                let suffix = field("endpointsuffix").unwrap_or("core.windows.net");
                format!("{scheme}://{name}.queue.{suffix}")
            }
        };
        let signature = field("sharedaccesssignature");
        Self::new(name, &endpoint, field("accountkey"), signature)
    }

    /// The account of this name, for who holds a token of Entra.
    pub(super) fn of_token(name: &str, token: String) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: format!("https://{name}.queue.core.windows.net"),
            login: Login::Token(token),
        }
    }

    fn new(
        name: &str,
        endpoint: &str,
        key: Option<&str>,
        signature: Option<&str>,
    ) -> Result<Self, String> {
        let login = match (key, signature) {
            (Some(key), _) => {
                let key = BASE64.decode(key.as_bytes());
                Login::Key(key.map_err(|_| "its AccountKey is no Base64")?)
            }
            (None, Some(signature)) => {
                Login::Signature(signature.trim_start_matches('?').to_owned())
            }
            (None, None) => {
                return Err("it has neither AccountKey nor SharedAccessSignature".to_owned());
            }
        };
        if matches!(login, Login::Key(_)) && name.is_empty() {
            return Err("it has an AccountKey and no AccountName".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            login,
        })
    }

    /// The headers of a request without a body that say who asks, and its URL. `date` is that of HTTP.
    pub(super) fn sign(
        &self,
        method: &Method,
        mut url: Url,
        date: &str,
    ) -> Result<(Url, HeaderMap), String> {
        let mut headers = HeaderMap::new();
        let header = |text: &str| {
            let value = HeaderValue::from_str(text);
            value.map_err(|_| {
                "the name of the account, or the token, cannot stand in a header".to_owned()
            })
        };
        headers.insert("x-ms-date", header(date)?);
        headers.insert("x-ms-version", HeaderValue::from_static(VERSION));
        match &self.login {
            Login::Signature(signature) => {
                let query = match url.query() {
                    Some(query) => format!("{query}&{signature}"),
                    None => signature.clone(),
                };
                url.set_query(Some(&query));
            }
            Login::Token(token) => {
                let mut value = header(&format!("Bearer {token}"))?;
                value.set_sensitive(true);
                headers.insert(http::header::AUTHORIZATION, value);
            }
            Login::Key(key) => {
                let signed = self.signed(method, &url, date);
                let mac = Hmac::<Sha256>::new_from_slice(key);
                let mut mac = mac.map_err(|error| error.to_string())?;
                mac.update(signed.as_bytes());
                let signature = BASE64.encode(&mac.finalize().into_bytes());
                let mut value = header(&format!("SharedKey {}:{signature}", self.name))?;
                value.set_sensitive(true);
                headers.insert(http::header::AUTHORIZATION, value);
            }
        }
        Ok((url, headers))
    }

    /// What is signed: none of the eleven usual headers is there.
    fn signed(&self, method: &Method, url: &Url, date: &str) -> String {
        let mut text = format!(
            "{method}\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{VERSION}\n/{}{}",
            self.name,
            url.path()
        );
        let parameters: BTreeMap<String, String> = url
            .query_pairs()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
            .collect();
        for (name, value) in parameters {
            text.extend(["\n", &name, ":", &value]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Result<String, String> {
        Account::read(text).map(|account| account.endpoint)
    }

    #[test]
    fn a_connection_string_says_where_and_who() {
        for (text, expected) in [
            (
                "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net",
                "https://shop.queue.core.windows.net",
            ),
            (
                "accountname=shop;AccountKey=c2VjcmV0;",
                "https://shop.queue.core.windows.net",
            ),
            (
                "QueueEndpoint=https://shop.queue.example/;SharedAccessSignature=sv=2021&sig=a%3D",
                "https://shop.queue.example",
            ),
            (
                "UseDevelopmentStorage=true",
                "http://127.0.0.1:10001/devstoreaccount1",
            ),
        ] {
            assert_eq!(endpoint(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, expected) in [
            (
                "s3cret",
                "it is not made of NAME=VALUE, with semicolons between them",
            ),
            (
                "AccountKey=c2VjcmV0",
                "it has neither AccountName nor QueueEndpoint",
            ),
            (
                "AccountName=shop",
                "it has neither AccountKey nor SharedAccessSignature",
            ),
            (
                "AccountName=shop;AccountKey=s3cret!",
                "its AccountKey is no Base64",
            ),
            (
                "QueueEndpoint=http://q;AccountKey=c2VjcmV0",
                "it has an AccountKey and no AccountName",
            ),
        ] {
            assert_eq!(endpoint(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_signed_has_its_parameters_in_order() {
        let account = Account::read("AccountName=shop;AccountKey=c2VjcmV0").unwrap();
        let url = "https://shop.queue.core.windows.net/orders/messages?visibilitytimeout=30&numofmessages=32";
        let url = Url::parse(url).unwrap();
        let date = "Fri, 02 Jan 2026 03:04:05 GMT";
        assert_eq!(
            account.signed(&Method::GET, &url, date),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 02 Jan 2026 03:04:05 GMT\n\
             x-ms-version:2021-12-02\n/shop/orders/messages\nnumofmessages:32\nvisibilitytimeout:30"
        );
    }

    #[test]
    fn a_shared_signature_is_a_part_of_the_url() {
        let account = Account::read("QueueEndpoint=https://q;SharedAccessSignature=?sv=1&sig=a%3D");
        let url = Url::parse("https://q/orders/messages?numofmessages=32").unwrap();
        let (url, headers) = account.unwrap().sign(&Method::GET, url, "now").unwrap();
        assert_eq!(url.query(), Some("numofmessages=32&sv=1&sig=a%3D"));
        assert!(!headers.contains_key("authorization"));
    }

    #[test]
    fn a_token_is_a_header() {
        let account = Account::of_token("shop", "t0ken".to_owned());
        assert_eq!(account.endpoint, "https://shop.queue.core.windows.net");
        let url = Url::parse("https://shop.queue.core.windows.net/orders/messages").unwrap();
        let (url, headers) = account.sign(&Method::GET, url, "now").unwrap();
        assert_eq!(url.query(), None);
        assert_eq!(headers["authorization"], "Bearer t0ken");
        assert_eq!(headers["x-ms-version"], "2021-12-02");
    }
}
