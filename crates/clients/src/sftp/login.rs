//! Who to be on a server.

use std::fmt;
use std::sync::Arc;

use russh::keys::{Error as KeyError, PrivateKey, decode_secret_key};

use super::{Error, HostKey, Kind};

/// Who to be.
pub struct Login {
    /// The user's name.
    pub user: String,
    /// How it is proven.
    pub proof: Proof,
}

/// How it is proven.
pub enum Proof {
    /// By telling it.
    Password(String),
    /// By signing.
    Key(KeyFile),
}

/// A private key, and the public keys of the server beside it, as Argo Events has them in one file.
#[derive(Clone)]
pub struct KeyFile {
    pub(super) key: Arc<PrivateKey>,
    host_keys: Vec<HostKey>,
}

impl KeyFile {
    /// Reads the file: a private key, and public keys of the server, a line each, before or after it.
    ///
    /// # Errors
    /// If there is no private key, or it has a passphrase; or a line that is neither.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (private, lines) = parts(text);
        if private.is_empty() {
            return Err(Error::new(Kind::Key, "there is no private key in it"));
        }
        let key = decode_secret_key(&private, None);
        let key = key.and_then(|key| {
            if key.is_encrypted() {
                Err(KeyError::KeyIsEncrypted)
            } else {
                Ok(key)
            }
        });
        let key = key.map_err(|error| {
            let message = match error {
                KeyError::KeyIsEncrypted => "the private key has a passphrase".to_owned(),
                error => format!("the private key cannot be read: {error}"),
            };
            Error::new(Kind::Key, message)
        })?;
        let own = HostKey::new(key.public_key());
        let keys = lines
            .iter()
            .map(|(number, line)| HostKey::parse(line).map_err(|error| error.in_line(*number)));
        let keys: Result<Vec<HostKey>, Error> = keys.collect();
        // The public half of the private key says nothing of the server.
        let host_keys = keys?.into_iter().filter(|key| *key != own).collect();
        Ok(Self {
            key: Arc::new(key),
            host_keys,
        })
    }

    /// The keys of the server in the file; none, if it is a private key alone.
    pub fn host_keys(&self) -> &[HostKey] {
        &self.host_keys
    }
}

/// The lines of a private key, and the others that say something, with their numbers.
fn parts(text: &str) -> (String, Vec<(usize, &str)>) {
    let (mut private, mut others) = (String::new(), Vec::new());
    let mut is_inside = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim_end)) {
        is_inside |= line.starts_with("-----BEGIN ");
        if is_inside {
            private.push_str(line);
            private.push('\n');
        } else if !line.is_empty() && !line.starts_with('#') {
            others.push((number, line));
        }
        is_inside &= !line.starts_with("-----END ");
    }
    (private, others)
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made for these tests.
    const PRIVATE: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACC2OHR3ZhZZvzd9aQe6w6+yB4eWVvF3iytbwoeN7BwPywAAAIgStM6tErTO
rQAAAAtzc2gtZWQyNTUxOQAAACC2OHR3ZhZZvzd9aQe6w6+yB4eWVvF3iytbwoeN7BwPyw
AAAEAZ78235/8gvPxvnp3Kfz8T5H/pJsARYrHC+48yUtHw+LY4dHdmFlm/N31pB7rDr7IH
h5ZW8XeLK1vCh43sHA/LAAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----
";
    const PUBLIC: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILY4dHdmFlm/N31pB7rDr7IHh5ZW8XeLK1vCh43sHA/L";
    const LOCKED: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAD+1Iwev
BmOhSLxtRtS/+yAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIOZ20abgCN0dHv+I
wZXcVmjTafPO/MJ7+ROwWNfFZeAWAAAAkE3l8PNXGv7lzVx+fgSMIWzlSHcZF7vqO5WfqO
sA+XtoHC0uy/GkOt3NPvcpwsqmpBSKY54bSjhFhbGZOarK+i2ktzYpwmzUmHiQYalImlEO
1b/IMxZpuoZvjaSvtKSNNHwWWED3zwD6hshMkdPsEQhXFamJgCLfVkIxShGH1rx3fnphCn
LBE2U/MF+RZn2M9A==
-----END OPENSSH PRIVATE KEY-----
";
    const HOST: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn host_keys(text: &str) -> Vec<String> {
        let file = KeyFile::parse(text).unwrap();
        file.host_keys().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_key_stands_alone_or_with_the_keys_of_the_server() {
        assert_eq!(host_keys(PRIVATE), [""; 0]);
        assert_eq!(
            host_keys(&format!("{PRIVATE}\n{HOST} root@files\n")),
            [HOST]
        );
        assert_eq!(host_keys(&format!("# server\n{HOST}\n{PRIVATE}")), [HOST]);
        assert_eq!(
            host_keys(&format!("files.example {HOST}\n{PRIVATE}")),
            [HOST]
        );
        assert_eq!(host_keys(&format!("{PRIVATE}{PUBLIC}\n")), [""; 0]);
    }

    #[test]
    fn what_is_wrong_with_a_key_is_named() {
        let refused = |text: &str| KeyFile::parse(text).err().unwrap().to_string();
        assert_eq!(refused(HOST), "there is no private key in it");
        assert_eq!(refused(LOCKED), "the private key has a passphrase");
        assert_eq!(
            refused(&format!("{PRIVATE}well\n")),
            "line 8: it has no public key"
        );
        let broken = PRIVATE.replace("b3Bl", "b3Bm");
        assert!(refused(&broken).starts_with("the private key cannot be read: "));
    }
}
