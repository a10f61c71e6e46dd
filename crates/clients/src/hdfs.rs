//! HDFS: the files that its name nodes know.
//!
//! The library below is named in this module alone: nothing of it shows in what is public, so that another
//! one can take its place.

use std::time::Duration;

use hdfs_native::client::FileStatus;
use hdfs_native::{Client, ClientBuilder, HdfsError};
use tokio::time::timeout;

/// How long an answer of a name node may take, those of others that are asked in its place included.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What the name nodes are called together.
const SERVICE: &str = "tiphys";

/// How to reach name nodes, and who to be there.
#[derive(Debug, Clone)]
pub struct Config {
    /// Host and port of each: one of them is active.
    pub addresses: Vec<String>,
    /// The user's name.
    pub user: String,
}

/// Name nodes.
#[derive(Debug)]
pub struct Files {
    client: Client,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its whole path.
    pub path: String,
    /// How many bytes it has.
    pub size: u64,
    /// When it was changed last, in milliseconds since 1970.
    pub modified: u64,
    /// Its rights.
    pub mode: u16,
}

/// Why an act failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
}

/// In one word why an act failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The settings make no sense. Retrying does not help.
    Settings,
    /// No active name node answers.
    Unreachable,
    /// The name nodes want another login than a name.
    Unauthorized,
    /// The user may not do it.
    Forbidden,
    /// The file or directory is not there.
    NotFound,
    /// There is more than is wanted.
    TooMany,
    /// Any other answer that is a no.
    Refused,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// In one word why.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<HdfsError> for Error {
    fn from(error: HdfsError) -> Self {
        let kind = match &error {
            HdfsError::FileNotFound(_) => Kind::NotFound,
            HdfsError::RPCError(class, _) | HdfsError::FatalRPCError(class, _) => {
                match class.rsplit('.').next().unwrap_or_default() {
                    "FileNotFoundException" => Kind::NotFound,
                    "AccessControlException" if class.contains("ipc") => Kind::Unauthorized,
                    "AccessControlException" => Kind::Forbidden,
                    "StandbyException" | "RetriableException" | "SafeModeException" => {
                        Kind::Unreachable
                    }
                    _ => Kind::Refused,
                }
            }
            HdfsError::IOError(_) => Kind::Unreachable,
            HdfsError::SASLError(_) | HdfsError::GSSAPIError(..) | HdfsError::NoSASLMechanism => {
                Kind::Unauthorized
            }
            HdfsError::UrlParseError(_) | HdfsError::InvalidArgument(_) => Kind::Settings,
            _ => Kind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}

impl Files {
    /// Connects when something is asked for.
    ///
    /// # Errors
    /// If the addresses are none.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let numbers = 0..config.addresses.len();
        let names: Vec<String> = numbers.map(|number| format!("node{number}")).collect();
        let mut settings = vec![
            ("dfs.nameservices".to_owned(), SERVICE.to_owned()),
            (format!("dfs.ha.namenodes.{SERVICE}"), names.join(",")),
        ];
        for (name, address) in names.iter().zip(&config.addresses) {
            let key = format!("dfs.namenode.rpc-address.{SERVICE}.{name}");
            settings.push((key, address.clone()));
        }
        let client = ClientBuilder::new()
            .with_url(format!("hdfs://{SERVICE}"))
            .with_config(settings)
            .with_user(config.user.clone())
            .build()?;
        Ok(Self { client })
    }

    /// The files in a directory and below it that are wanted by their whole paths; no directories.
    ///
    /// # Errors
    /// If the directory cannot be read, or more than `most` files are wanted, or ten times as many are there.
    pub async fn list(
        &self,
        directory: &str,
        most: usize,
        is_wanted: impl Fn(&str) -> bool + Send + Sync,
    ) -> Result<Vec<Found>, Error> {
        let listing = self.client.list_status_iter(directory, true);
        let (mut found, mut all) = (Vec::new(), 0);
        while let Some(file) = in_time(listing.next()).await? {
            let file = match file.map_err(Error::from) {
                Ok(file) => file,
                // A directory below, which went meanwhile.
                Err(error) if error.kind == Kind::NotFound && all > 0 => continue,
                Err(error) => return Err(error),
            };
            all += 1;
            if !file.isdir && is_wanted(&file.path) {
                found.push(read(file));
            }
            if found.len() > most || all / 10 > most {
                let message = format!("more than {most} files of {all}");
                return Err(Error::new(Kind::TooMany, message));
            }
        }
        Ok(found)
    }

    /// One file; `None` if it is not there, or is a directory.
    ///
    /// # Errors
    /// If it cannot be asked for.
    pub async fn look_at(&self, path: &str) -> Result<Option<Found>, Error> {
        match in_time(self.client.get_file_info(path)).await? {
            Ok(file) => Ok((!file.isdir).then(|| read(file))),
            Err(error) => match Error::from(error) {
                error if error.kind() == Kind::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Makes sure that a directory is there.
    ///
    /// # Errors
    /// If it is not, or is a file.
    pub async fn check_directory(&self, path: &str) -> Result<(), Error> {
        let found = in_time(self.client.get_file_info(path)).await??;
        if found.isdir {
            Ok(())
        } else {
            Err(Error::new(Kind::NotFound, "it is no directory"))
        }
    }
}

async fn in_time<T>(asking: impl Future<Output = T>) -> Result<T, Error> {
    timeout(ANSWER_WITHIN, asking).await.map_err(|_| {
        let message = format!("no answer in {} s", ANSWER_WITHIN.as_secs());
        Error::new(Kind::Unreachable, message)
    })
}

fn read(file: FileStatus) -> Found {
    Found {
        path: file.path,
        size: u64::try_from(file.length).unwrap_or(u64::MAX),
        modified: file.modification_time,
        mode: file.permission,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_in_what_the_name_node_says() {
        let kind = |class: &str| {
            Error::from(HdfsError::RPCError(class.to_owned(), "no".to_owned())).kind()
        };
        assert_eq!(
            kind("org.apache.hadoop.security.AccessControlException"),
            Kind::Forbidden
        );
        assert_eq!(kind("java.io.FileNotFoundException"), Kind::NotFound);
        assert_eq!(
            kind("org.apache.hadoop.ipc.StandbyException"),
            Kind::Unreachable
        );
        assert_eq!(kind("java.lang.IllegalArgumentException"), Kind::Refused);
        assert_eq!(
            Error::from(HdfsError::NoSASLMechanism).kind(),
            Kind::Unauthorized
        );
    }
}
