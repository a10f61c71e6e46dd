//! Who may use a bus: one user for event sources and sensors, one for operators, and the key with
//! which the servers encrypt what they store.
//!
//! Made once and kept for ever: event sources and sensors hold them, and what is stored can be read
//! with the very same key only. What is missing is restored from where it stands, too.

use std::collections::BTreeMap;

/// The content of a Secret, as text.
pub(super) type Data = BTreeMap<String, String>;

/// Key of the servers' Secret: the part of their configuration with users and certificates.
pub(super) const AUTH: &str = "auth";

/// Key of both Secrets: the key that encrypts what is stored. The servers use their own; the other
/// is what an accident with it is mended from.
pub(super) const ENCRYPTION: &str = "encryption";

/// Key of the clients' Secret: the login, as YAML.
pub(super) const CLIENT_AUTH: &str = "client-auth";

/// What encrypts the data of a bus that Argo Events made: there, the configuration says
/// `key: "$JS_KEY"`, and NATS replaces no variables between quotes. So the key of all those buses
/// is this text, and their data cannot be read with another.
const ARGO_ENCRYPTION: &str = r#""$JS_KEY""#;

/// How a key begins that Argo Events made. Those made here are PKCS #8.
const ARGO_KEY: &str = "-----BEGIN RSA PRIVATE KEY-----";

/// Where randomness comes from.
pub(super) type Random<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), getrandom::Error>;

/// The users of a bus, and its encryption key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// The part of the servers' configuration with users and certificates.
    pub(super) auth: String,
    /// The key that encrypts what is stored.
    pub(super) encryption: String,
    /// The login of event sources and sensors, as YAML.
    pub(super) client_auth: String,
}

/// A user and the password.
#[derive(Clone, PartialEq, Eq)]
struct Login {
    user: String,
    password: String,
}

impl Credentials {
    /// Those that stand in the Secrets, completed by new ones.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn complete(
        server: Option<&Data>,
        client: Option<&Data>,
        random: Random<'_>,
    ) -> Result<Self, getrandom::Error> {
        let text = |data: Option<&Data>, key: &str| {
            let text = data.and_then(|data| data.get(key)).cloned();
            text.filter(|text| !text.trim().is_empty())
        };
        let auth = text(server, AUTH);
        let client_auth = text(client, CLIENT_AUTH);
        let in_use = auth.as_deref().and_then(Login::in_configuration);
        let known = client_auth.as_deref().and_then(Login::in_yaml);
        let encryption = if is_of_argo(server) {
            Some(ARGO_ENCRYPTION.to_owned())
        } else {
            text(server, ENCRYPTION).or_else(|| text(client, ENCRYPTION))
        };
        let login = match in_use.clone().or_else(|| known.clone()) {
            Some(login) => login,
            None => Login {
                user: word(8, random)?,
                password: word(16, random)?,
            },
        };
        let auth = match auth {
            // Somebody wrote it who knew what for: it is theirs.
            Some(auth) if in_use.is_some() || client_auth.is_some() => auth,
            _ => login.configuration(&word(24, random)?),
        };
        let client_auth = match client_auth {
            Some(client_auth) if in_use.is_none() || known == in_use => client_auth,
            _ => login.yaml(),
        };
        let encryption = match encryption {
            Some(encryption) => encryption,
            None => word(12, random)?,
        };
        Ok(Self {
            auth,
            encryption,
            client_auth,
        })
    }
}

impl Login {
    /// The first user of a NATS configuration who is not the operators' `sys`.
    fn in_configuration(text: &str) -> Option<Self> {
        let mut words = words(text);
        while let Some(word) = words.next() {
            if word != "user" {
                continue;
            }
            let user = words.next().unwrap_or_default();
            if user != "sys" && words.next() == Some("password") {
                return Some(Self {
                    user: user.to_owned(),
                    password: words.next()?.to_owned(),
                });
            }
        }
        None
    }

    fn in_yaml(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_it = name.trim().eq_ignore_ascii_case(key);
                is_it.then(|| value.trim().trim_matches(['"', '\'']).to_owned())
            })
        };
        Some(Self {
            user: value("username")?,
            password: value("password")?,
        })
    }

    fn yaml(&self) -> String {
        format!("username: {}\npassword: {}", self.user, self.password)
    }

    fn configuration(&self, system_password: &str) -> String {
        let Self { user, password } = self;
        format!(
            r#"system_account: sys
accounts {{
  js {{
    jetstream: enabled
    users: [
      {{user: "{user}", password: "{password}"}}
    ]
  }}
  sys {{
    users: [
      {{user: "sys", password: "{system_password}"}}
    ]
  }}
}}
tls {{
  cert_file: "/etc/nats-config/server-cert.pem"
  key_file: "/etc/nats-config/server-key.pem"
  ca_file: "/etc/nats-config/ca-cert.pem"
}}
"#
        )
    }
}

fn is_of_argo(server: Option<&Data>) -> bool {
    let key = server.and_then(|server| server.get("private-key"));
    key.is_some_and(|key| key.trim_start().starts_with(ARGO_KEY))
}

/// The words of a NATS configuration, without its punctuation.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "{}[]:=,;\"'".contains(c))
        .filter(|word| !word.is_empty())
}

/// Random letters and digits. The first is a letter: NATS and YAML would read some words of digits
/// as numbers.
fn word(length: usize, random: Random<'_>) -> Result<String, getrandom::Error> {
    const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut word = String::with_capacity(length);
    while word.len() < length {
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        for byte in bytes {
            let choices = if word.is_empty() { 52 } else { LETTERS.len() };
            // Of the 256 values of a byte, those that would favour some letters are left out.
            let fair = 256 / choices * choices;
            let index = usize::from(byte);
            if index < fair && word.len() < length {
                word.push(char::from(LETTERS[index % choices]));
            }
        }
    }
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Data};

    fn data(pairs: &[(&str, &str)]) -> Data {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn complete(server: Option<&Data>, client: Option<&Data>) -> Credentials {
        // The bytes 0, 1, 2 and so on, from the beginning each time.
        let mut counting = |bytes: &mut [u8]| {
            for (number, byte) in (0..).zip(bytes) {
                *byte = number;
            }
            Ok(())
        };
        Credentials::complete(server, client, &mut counting).unwrap()
    }

    const AUTH: &str = r#"system_account: sys
accounts {
  js {
    jetstream: enabled
    users: [
      {user: "abcdefgh", password: "abcdefghijklmnop"}
    ]
  }
  sys {
    users: [
      {user: "sys", password: "abcdefghijklmnopqrstuvwx"}
    ]
  }
}
tls {
  cert_file: "/etc/nats-config/server-cert.pem"
  key_file: "/etc/nats-config/server-key.pem"
  ca_file: "/etc/nats-config/ca-cert.pem"
}
"#;

    #[test]
    fn credentials_are_made_if_there_are_none() {
        let made = complete(None, None);
        assert_eq!(made.auth, AUTH);
        assert_eq!(
            made.client_auth,
            "username: abcdefgh\npassword: abcdefghijklmnop"
        );
        assert_eq!(made.encryption.len(), 12);
    }

    #[test]
    fn credentials_that_are_there_stay() {
        let server = data(&[("auth", AUTH), ("encryption", "k1")]);
        let client = data(&[(
            "client-auth",
            "username: abcdefgh\npassword: abcdefghijklmnop",
        )]);
        let kept = complete(Some(&server), Some(&client));
        assert_eq!(kept.auth, server["auth"]);
        assert_eq!(kept.client_auth, client["client-auth"]);
        assert_eq!(kept.encryption, "k1");
    }

    #[test]
    fn the_secret_of_the_clients_is_restored_from_the_servers() {
        let argo = "system_account: sys\naccounts: {\n  \"js\": { jetstream: true, users: [\n\
                    {user: u8, password: p16}] },\n  sys: {users: [{user: sys, password: s}]}\n}";
        let server = data(&[("auth", argo), ("encryption", "k1")]);
        let wrong = data(&[("client-auth", "username: u8\npassword: other")]);
        for client in [None, Some(&wrong)] {
            let restored = complete(Some(&server), client);
            assert_eq!(restored.auth, argo);
            assert_eq!(restored.client_auth, "username: u8\npassword: p16");
        }
    }

    #[test]
    fn the_secret_of_the_servers_is_restored_from_the_clients() {
        let client = data(&[
            ("client-auth", "username: u8\npassword: p16"),
            ("encryption", "k1"),
        ]);
        let restored = complete(None, Some(&client));
        assert!(restored.auth.contains(r#"{user: "u8", password: "p16"}"#));
        assert_eq!(restored.client_auth, client["client-auth"]);
        assert_eq!(restored.encryption, "k1");
    }

    #[test]
    fn users_of_ones_own_are_left_alone() {
        let server = data(&[("auth", "include ./users.conf"), ("encryption", "k1")]);
        let client = data(&[("client-auth", "nkey: SU")]);
        let kept = complete(Some(&server), Some(&client));
        assert_eq!(kept.auth, "include ./users.conf");
        assert_eq!(kept.client_auth, "nkey: SU");
    }

    #[test]
    fn a_bus_of_argo_events_keeps_the_key_that_its_data_is_encrypted_with() {
        let server = data(&[
            ("auth", AUTH),
            ("encryption", "neverUsed123"),
            ("private-key", "-----BEGIN RSA PRIVATE KEY-----\nMII"),
        ]);
        assert_eq!(complete(Some(&server), None).encryption, "\"$JS_KEY\"");
    }
}
