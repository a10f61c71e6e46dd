//! Where the object of a trigger is, if it has to be fetched.

use serde::Serialize;

use super::{KeyOf, ValueRef};

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
    S3(S3Object),
    /// A file in a git repository.
    Git(GitFile),
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

/// An object in an S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct S3Object {
    /// Host, and port if it is not the usual one.
    pub endpoint: String,
    /// Plain HTTP.
    pub insecure: bool,
    /// Region of the bucket.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Key in the bucket.
    pub key: String,
    /// Where access key and secret key are. `None`: anybody may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<(ValueRef, ValueRef)>,
    /// The authorities to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<ValueRef>,
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
    /// The owner of a key.
    #[serde(rename_all = "camelCase")]
    Ssh {
        /// Where the private key is.
        private_key: ValueRef,
        /// The server may be anybody.
        insecure_ignore_host_key: bool,
    },
}
