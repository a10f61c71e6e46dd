//! How a worker reaches its bus: settings and credentials from files.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use tiphys_api::SecretKeySelector;
use tiphys_api::message::with_causes;
use tiphys_api::worker::{BUS_AUTH_FILE, BUS_KEY};
use tiphys_base::Reason;
use tiphys_eventbus::{BoxError, BusConfig, ConfigError, Secrets};

use crate::Error;
use crate::files::read;

/// Where the files are.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    pub(crate) spec: PathBuf,
    pub(crate) auth: PathBuf,
    pub(crate) values: PathBuf,
}

/// How to reach the bus.
#[derive(Debug)]
pub(crate) struct Settings {
    /// How to connect, and the settings of the stream.
    pub(crate) target: Result<BusConfig, Unusable>,
    /// All files that it was made of: a change of one of them makes another one.
    pub(crate) files: Vec<PathBuf>,
    /// The same for equal contents of the files.
    pub(crate) fingerprint: u64,
}

/// Why there is no bus to connect to.
#[derive(Debug)]
pub(crate) struct Unusable {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// Reads the files that the configuration names.
struct Reader<'f> {
    folders: &'f Folders,
    files: Vec<PathBuf>,
    hasher: DefaultHasher,
}

/// Reads how to reach the bus. `name` is what the server shows this client as.
pub(crate) fn load(folders: &Folders, name: &str) -> Settings {
    let mut reader = Reader {
        folders,
        files: Vec::new(),
        hasher: DefaultHasher::new(),
    };
    let target = reader.target(name);
    Settings {
        target,
        files: reader.files,
        fingerprint: reader.hasher.finish(),
    }
}

impl Reader<'_> {
    fn target(&mut self, name: &str) -> Result<BusConfig, Unusable> {
        let invalid = |error: Error| Unusable {
            reason: Reason::InvalidConfig,
            message: with_causes(&error),
        };
        let bytes = self
            .needed(&self.folders.spec.join(BUS_KEY))
            .map_err(invalid)?;
        let config = serde_json::from_slice(&bytes).map_err(|source| {
            invalid(Error::BusSettings {
                file: BUS_KEY,
                source,
            })
        })?;
        BusConfig::read(&config, self, name).map_err(|error| Unusable {
            reason: match error {
                ConfigError::Unsupported(_) => Reason::Unsupported,
                _ => Reason::InvalidConfig,
            },
            message: with_causes(&error),
        })
    }

    fn text(&mut self, path: &Path) -> Result<String, Error> {
        let bytes = self.needed(path)?;
        String::from_utf8(bytes).map_err(|_| Error::NotUtf8(path.to_owned()))
    }

    fn needed(&mut self, path: &Path) -> Result<Vec<u8>, Error> {
        self.files.push(path.to_owned());
        let bytes = read(path)?;
        bytes.hash(&mut self.hasher);
        bytes.ok_or_else(|| Error::Missing(path.to_owned()))
    }
}

impl Secrets for Reader<'_> {
    fn access(&mut self, _selector: &SecretKeySelector) -> Result<String, BoxError> {
        let path = self.folders.auth.join(BUS_AUTH_FILE);
        Ok(self.text(&path)?)
    }

    /// A key of a Secret, where the controller mounts it.
    fn secret(&mut self, selector: &SecretKeySelector) -> Result<String, BoxError> {
        let (name, key) = (selector.name.as_str(), selector.key.as_str());
        for part in [name, key] {
            if part.is_empty() || part.contains('/') || part == "." || part == ".." {
                return Err(Error::ValueName(part.to_owned()).into());
            }
        }
        let path = self.folders.values.join("secrets").join(name).join(key);
        Ok(self.text(&path)?)
    }
}

#[cfg(test)]
mod tests {
    use tiphys_eventbus::Server;
    use tiphys_eventbus::jetstream::Auth;

    use super::*;

    fn folders(root: &Path) -> Folders {
        let folders = Folders {
            spec: root.join("spec"),
            auth: root.join("auth"),
            values: root.join("values"),
        };
        std::fs::create_dir_all(&folders.spec).unwrap();
        std::fs::create_dir_all(&folders.auth).unwrap();
        std::fs::create_dir_all(folders.values.join("secrets/bus")).unwrap();
        folders
    }

    #[test]
    fn a_bus_is_read_with_its_credentials_and_authority() {
        let scratch = tempfile::tempdir().unwrap();
        let folders = folders(scratch.path());
        let config = r#"{"jetstream":{"url":"nats://bus:4222","accessSecret":{"name":"s","key":"k"},
            "streamConfig":"maxage: 5m\n","tls":{"caCertSecret":{"name":"bus","key":"ca"}}}}"#;
        std::fs::write(folders.spec.join("eventbus.json"), config).unwrap();
        std::fs::write(folders.auth.join("auth.yaml"), "username: u\npassword: p").unwrap();
        let settings = load(&folders, "pod");
        let unusable = settings.target.unwrap_err();
        assert_eq!(unusable.reason, Reason::InvalidConfig);
        assert!(
            unusable.message.ends_with("secrets/bus/ca is not there"),
            "{}",
            unusable.message
        );

        std::fs::write(folders.values.join("secrets/bus/ca"), "pem").unwrap();
        let complete = load(&folders, "pod");
        assert_eq!(complete.files.len(), 3);
        assert_ne!(complete.fingerprint, settings.fingerprint);
        let BusConfig { server, stream } = complete.target.unwrap();
        let Server::JetStream(config) = server else {
            panic!("it is a server");
        };
        assert_eq!(config.url, "nats://bus:4222");
        assert_eq!(stream.as_deref(), Some("maxage: 5m\n"));
        assert_eq!(config.tls.unwrap().authorities.as_deref(), Some("pem"));
        let user = Auth::UserPassword {
            user: "u".to_owned(),
            password: "p".to_owned(),
        };
        assert!(config.auth == user);
    }

    #[test]
    fn a_bus_of_another_kind_is_refused_by_name() {
        let scratch = tempfile::tempdir().unwrap();
        let folders = folders(scratch.path());
        std::fs::write(
            folders.spec.join("eventbus.json"),
            r#"{"kafka":{"url":"k:9092"}}"#,
        )
        .unwrap();
        let unusable = load(&folders, "pod").target.unwrap_err();
        assert_eq!(unusable.reason, Reason::Unsupported);
        assert!(unusable.message.contains("Kafka"), "{}", unusable.message);
    }
}
