//! The URL of a broker.

use percent_encoding::percent_decode_str;
use reqwest::Url;

/// What URLs may begin with.
#[derive(Debug)]
pub(in crate::source) struct Scheme {
    pub(in crate::source) name: &'static str,
    /// The port if a URL has none.
    pub(in crate::source) port: u16,
    pub(in crate::source) is_encrypted: bool,
}

/// Where a URL leads.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::source) struct Address {
    /// A name or an IP address; one with colons is in brackets.
    host: String,
    pub(in crate::source) port: u16,
    pub(in crate::source) user: Option<String>,
    pub(in crate::source) password: Option<String>,
    /// What comes behind the first slash.
    pub(in crate::source) path: String,
    pub(in crate::source) is_encrypted: bool,
}

impl Address {
    /// Reads a URL with one of `schemes`. It may hold a password: what is wrong is said without it.
    pub(in crate::source) fn read(text: &str, schemes: &[Scheme]) -> Result<Self, String> {
        let text = text.trim();
        let begins = || {
            let names: Vec<String> = schemes
                .iter()
                .map(|scheme| format!("{}://", scheme.name))
                .collect();
            format!("it has to begin with {}", names.join(" or "))
        };
        let (name, _) = text.split_once("://").ok_or_else(begins)?;
        let scheme = schemes.iter().find(|scheme| scheme.name == name);
        let scheme = scheme.ok_or_else(begins)?;
        let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let host = url.host_str().filter(|host| !host.is_empty());
        let path = url.path();
        Ok(Self {
            host: host.unwrap_or("localhost").to_owned(),
            port: url.port().unwrap_or(scheme.port),
            user: Some(decoded(url.username())).filter(|user| !user.is_empty()),
            password: url.password().map(decoded),
            path: decoded(path.strip_prefix('/').unwrap_or(path)),
            is_encrypted: scheme.is_encrypted,
        })
    }

    /// Host and port.
    pub(in crate::source) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The host without brackets, as certificates have it.
    #[cfg(feature = "amqp")]
    pub(in crate::source) fn host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let scheme = |name, port, is_encrypted| Scheme {
            name,
            port,
            is_encrypted,
        };
        let schemes = [scheme("amqp", 5672, false), scheme("amqps", 5671, true)];
        let address = Address::read(text, &schemes)?;
        let Address {
            user,
            password,
            path,
            is_encrypted,
            ..
        } = &address;
        let place = address.place();
        Ok(format!(
            "{user:?} {password:?} {place} {path} {is_encrypted}"
        ))
    }

    #[test]
    fn a_url_has_a_place_and_a_login() {
        for (text, expected) in [
            ("amqp://rabbit", "None None rabbit:5672  false"),
            ("amqp://rabbit:1/ ", "None None rabbit:1  false"),
            (
                "amqps://me:p%40ss@rabbit/%2Fshop",
                r#"Some("me") Some("p@ss") rabbit:5671 /shop true"#,
            ),
            (
                "amqp://me@[::1]/shop",
                r#"Some("me") None [::1]:5672 shop false"#,
            ),
            ("amqp:///shop", "None None localhost:5672 shop false"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        let schemes = "it has to begin with amqp:// or amqps://";
        for (text, expected) in [
            ("rabbit:5672", schemes),
            ("me:secret@rabbit:5672", schemes),
            ("http://me:secret@rabbit", schemes),
            (
                "amqp://me:secret@rabbit:many",
                "it is no URL: invalid port number",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }
}
