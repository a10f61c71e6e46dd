//! Which keys servers have: lines as in `~/.ssh/known_hosts`.

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, Mac as _};
use russh::keys::{PublicKey, parse_public_key_base64};
use sha1::Sha1;

use super::{Error, Kind};

/// The public key of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey(PublicKey);

/// Which keys servers have.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    entries: Vec<(String, HostKey)>,
}

impl HostKey {
    /// Without what a line says beside the key.
    pub(super) fn new(key: &PublicKey) -> Self {
        Self(PublicKey::new(key.key_data().clone(), ""))
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.0
    }

    /// A line of `ssh-keygen`: the type, the key, and whatever else, with anything before it. What is wrong is said
    /// without the line, which may be a secret.
    ///
    /// # Errors
    /// If there is no key in it.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let pair = words.windows(2).find(|pair| is_type(pair[0]));
        let Some([_, key]) = pair else {
            return Err(Error::new(Kind::Key, "it has no public key"));
        };
        let key = parse_public_key_base64(key).map_err(|error| {
            Error::new(Kind::Key, format!("its public key cannot be read: {error}"))
        })?;
        Ok(Self::new(&key))
    }

    /// What people compare, such as `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(russh::keys::HashAlg::Sha256).to_string()
    }
}

impl fmt::Display for HostKey {
    /// Its type, and the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys that were read can be written.
        f.write_str(&self.0.to_openssh().unwrap_or_default())
    }
}

impl KnownHosts {
    /// Reads the lines of a file.
    ///
    /// # Errors
    /// The first line that cannot be used.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let entries = lines.map(|(number, line)| {
            if line.starts_with('@') {
                let message = format!("line {number}: markers are not known here");
                return Err(Error::new(Kind::Key, message));
            }
            let hosts = line.split_whitespace().next().unwrap_or_default();
            let key = HostKey::parse(line).map_err(|error| error.in_line(number))?;
            Ok((hosts.to_owned(), key))
        });
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// The keys of the server at a host and port.
    pub fn of(&self, address: &str) -> Vec<HostKey> {
        let (host, port) = parts(address);
        let name = match port {
            22 => host.to_owned(),
            port => format!("[{host}]:{port}"),
        };
        let known = self.entries.iter();
        let known = known.filter(|(hosts, _)| names(hosts, &name));
        known.map(|(_, key)| key.clone()).collect()
    }
}

/// Host and port of an address; without one, that of SSH.
pub(super) fn parts(address: &str) -> (&str, u16) {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().unwrap_or(22))
        }
        _ => (address, 22),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

fn is_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
}

/// Whether one of several patterns, parted by commas, is of a server, and none excludes it.
fn names(patterns: &str, name: &str) -> bool {
    let mut is_named = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, name) => return false,
            Some(_) => {}
            None => is_named |= matches(pattern, name),
        }
    }
    is_named
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("|1|") {
        Some(hashed) => is_hash(hashed, name),
        None => fits(
            pattern.to_ascii_lowercase().as_bytes(),
            name.to_ascii_lowercase().as_bytes(),
        ),
    }
}

/// A name as `ssh-keygen -H` writes it: a salt, and the name's digest with it.
fn is_hash(hashed: &str, name: &str) -> bool {
    let Some((salt, digest)) = hashed.split_once('|') else {
        return false;
    };
    let (Ok(salt), Ok(digest)) = (
        BASE64.decode(salt.as_bytes()),
        BASE64.decode(digest.as_bytes()),
    ) else {
        return false;
    };
    Hmac::<Sha1>::new_from_slice(&salt)
        .is_ok_and(|mac| mac.chain_update(name).verify_slice(&digest).is_ok())
}

/// Whether a pattern with `*` and `?` fits.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                // The last star takes one more.
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                from = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

    fn keys(text: &str, address: &str) -> Vec<String> {
        let known = KnownHosts::parse(text).unwrap();
        let keys = known.of(address);
        keys.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_key_is_found_by_host_and_port() {
        let text = format!(
            "# servers\n\n[files.example]:2222 {ED25519} root@files\nfiles.example,10.0.0.7 {OTHER}\n"
        );
        assert_eq!(keys(&text, "files.example:2222"), [ED25519]);
        assert_eq!(keys(&text, "files.example:22"), [OTHER]);
        assert_eq!(keys(&text, "files.example"), [OTHER]);
        assert_eq!(keys(&text, "10.0.0.7:22"), [OTHER]);
        assert_eq!(keys(&text, "elsewhere:22"), [""; 0]);
    }

    #[test]
    fn a_key_is_found_by_a_pattern_or_a_hash() {
        let text = format!("*.example,!bad.example {ED25519}");
        assert_eq!(keys(&text, "a.b.Example:22"), [ED25519]);
        assert_eq!(keys(&text, "bad.example:22"), [""; 0]);
        let hashed =
            format!("|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= {OTHER}");
        assert_eq!(keys(&hashed, "example.com:22"), [OTHER]);
        assert_eq!(keys(&hashed, "example.org:22"), [""; 0]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let refused = |text: &str| KnownHosts::parse(text).unwrap_err().to_string();
        assert_eq!(refused("\nfiles.example"), "line 2: it has no public key");
        assert_eq!(
            refused(&format!("@cert-authority *.example {ED25519}")),
            "line 1: markers are not known here"
        );
        assert!(HostKey::parse("ssh-ed25519 AAAA").is_err());
    }

    #[test]
    fn a_key_has_the_fingerprint_of_ssh_keygen() {
        assert_eq!(
            HostKey::parse(ED25519).unwrap().fingerprint(),
            "SHA256:T7SvZ2cslqpPj6nKzitCBHHlpVF3r3MvLwmFL0fk0IE"
        );
    }

    #[test]
    fn an_address_may_lack_its_port() {
        assert_eq!(parts("h:2222"), ("h", 2222));
        assert_eq!(parts("h"), ("h", 22));
        assert_eq!(parts("[::1]:2222"), ("::1", 2222));
        assert_eq!(parts("::1"), ("::1", 22));
    }
}
