//! What the environment of the process says of Google, by the variables that Google's own programs read.

use std::path::PathBuf;

use reqwest::Url;

use super::Error;
use tiphys_base::Reason;

/// Where an instance of Google's finds out about itself; on GKE, a pod about its service account.
const METADATA: &str = "169.254.169.254";

/// The file that `gcloud auth application-default login` writes, in the folder of its settings.
const DEFAULT_FILE: &str = "application_default_credentials.json";

/// What the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The file with the credentials, which has to be there.
    pub(super) file: Option<PathBuf>,
    /// The file with the credentials of a person, if that is there.
    pub(super) default_file: Option<PathBuf>,
    /// Host and perhaps port of the metadata server.
    pub(super) metadata: String,
    emulator: Option<String>,
    endpoint: Option<String>,
}

/// A server of Pub/Sub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Host and port.
    pub address: String,
    /// It is an emulator: nothing is encrypted, and nobody has to log in.
    pub is_emulator: bool,
}

impl Environment {
    /// Reads variables; an empty one is none.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let settings = get("CLOUDSDK_CONFIG").map(PathBuf::from);
        let settings =
            settings.or_else(|| Some(PathBuf::from(get("HOME")?).join(".config/gcloud")));
        Self {
            file: get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
            default_file: settings.map(|folder| folder.join(DEFAULT_FILE)),
            metadata: get("GCE_METADATA_HOST").unwrap_or_else(|| METADATA.to_owned()),
            emulator: get("PUBSUB_EMULATOR_HOST"),
            endpoint: get("CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB"),
        }
    }

    /// That of this process.
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// The server of Pub/Sub.
    ///
    /// # Errors
    /// If the one that is named is none.
    pub fn pubsub(&self) -> Result<Server, Error> {
        if let Some(address) = &self.emulator {
            let address = address.trim_start_matches("http://").trim_end_matches('/');
            return Ok(Server {
                address: address.to_owned(),
                is_emulator: true,
            });
        }
        let Some(endpoint) = &self.endpoint else {
            return Ok(Server {
                address: "pubsub.googleapis.com:443".to_owned(),
                is_emulator: false,
            });
        };
        let url = Url::parse(endpoint).ok();
        let url = url.filter(|url| url.scheme() == "https" && url.path() == "/");
        let named = url.as_ref().and_then(|url| {
            let port = url.port_or_known_default()?;
            Some(format!("{}:{port}", url.host_str()?))
        });
        let address = named.ok_or_else(|| {
            let message = format!(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB is {endpoint:?}, which is no https://HOST/"
            );
            Error::new(Reason::Configuration, message)
        })?;
        Ok(Server {
            address,
            is_emulator: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn credentials_are_looked_for_where_the_libraries_of_google_look() {
        let usual = read(&[("HOME", "/home/me"), ("GOOGLE_APPLICATION_CREDENTIALS", "")]);
        assert_eq!(usual.file, None);
        let file = "/home/me/.config/gcloud/application_default_credentials.json";
        assert_eq!(usual.default_file.as_deref(), Some(file.as_ref()));
        assert_eq!(usual.metadata, "169.254.169.254");
        let other = read(&[
            ("GOOGLE_APPLICATION_CREDENTIALS", "/key.json"),
            ("CLOUDSDK_CONFIG", "/settings"),
            ("GCE_METADATA_HOST", "127.0.0.1:8080"),
        ]);
        assert_eq!(other.file.as_deref(), Some("/key.json".as_ref()));
        let file = "/settings/application_default_credentials.json";
        assert_eq!(other.default_file.as_deref(), Some(file.as_ref()));
        assert_eq!(other.metadata, "127.0.0.1:8080");
    }

    #[test]
    fn an_emulator_goes_before_another_server_and_that_before_google() {
        let server = |variables: &[(&str, &str)]| {
            let server = read(variables).pubsub().unwrap();
            (server.address, server.is_emulator)
        };
        let google = ("pubsub.googleapis.com:443".to_owned(), false);
        assert_eq!(server(&[]), google);
        let variable = "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB";
        let other = (variable, "https://pubsub.europe-west1.rep.googleapis.com/");
        let address = "pubsub.europe-west1.rep.googleapis.com:443".to_owned();
        assert_eq!(server(&[other]), (address, false));
        let emulator = ("PUBSUB_EMULATOR_HOST", "localhost:8085");
        let expected = ("localhost:8085".to_owned(), true);
        assert_eq!(server(&[emulator, other]), expected);
        for wrong in ["http://a:1/", "a:1", "https://a/v1"] {
            let error = read(&[(variable, wrong)]).pubsub().unwrap_err();
            assert!(error.to_string().ends_with("no https://HOST/"), "{error}");
        }
    }
}
