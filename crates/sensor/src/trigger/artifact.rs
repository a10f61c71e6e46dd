//! Objects that have to be fetched: where they are, and how they are got.

mod fetch;
mod git;
mod location;

use serde::Serialize;
use tiphys_clients::{KeyOf, ValueRef, github, http, s3};

use super::Unmet;

pub(super) use fetch::Fetcher;
pub(super) use location::Fault;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Artifact {
    /// A file of the process' container.
    File {
        /// Its path.
        path: String,
    },
    /// A document on a web server.
    Url(UrlDocument),
    /// A key of a `ConfigMap`.
    Configmap(KeyOf),
    /// An object in an S3 bucket.
    S3(s3::Object),
    /// A file in a git repository.
    Git(GitFile),
}

impl Artifact {
    /// Why it can never be fetched.
    pub(super) fn unmet(&self) -> Vec<Unmet> {
        let unmet = match self {
            Self::Url(document) => {
                let url = http::parse(&document.url).map(drop);
                Unmet::of("source.url.path", url.map_err(|error| error.to_string()))
            }
            Self::S3(object) => {
                let url = s3::bucket_url(&object.endpoint, object.insecure, &object.bucket);
                Unmet::of(
                    "source.s3",
                    url.map(drop).map_err(|error| error.to_string()),
                )
            }
            Self::File { .. } | Self::Configmap(_) | Self::Git(_) => None,
        };
        unmet.into_iter().collect()
    }
}

/// A document on a web server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlDocument {
    /// Its URL.
    pub url: String,
    /// Whether the server has to prove who it is.
    pub verify_cert: bool,
}

/// A file in a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GitFile {
    /// The repository.
    pub url: String,
    /// What is fetched.
    #[serde(rename = "ref")]
    pub reference: GitRef,
    /// The file's path in the repository.
    pub path: String,
    /// Who to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<GitLogin>,
}

/// What is fetched of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GitRef {
    /// The branch `master`, or where there is none what the repository calls its head.
    Default,
    /// A branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A ref by its full name, or a commit.
    Ref(String),
}

/// Who to be at a git server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GitLogin {
    /// A user with a password.
    Basic {
        /// Where the user's name is.
        username: ValueRef,
        /// Where the password is.
        password: ValueRef,
    },
    /// An installation of a GitHub App.
    App(github::App),
    /// The owner of a key.
    #[serde(rename_all = "camelCase")]
    Ssh {
        /// Where the private key is.
        private_key: ValueRef,
        /// The server may be anybody.
        insecure_ignore_host_key: bool,
    },
}
