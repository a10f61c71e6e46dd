//! Where the object of a trigger comes from, and the S3 location shared with the `minio` source.

use std::collections::BTreeMap;

use crate::auth::GithubAppCreds;
use crate::given::{Given, object};
use crate::scalar::RawJson;
use crate::secret::{ConfigMapKeySelector, SecretKeySelector};

object! {
    /// Where the Kubernetes object of a trigger comes from; the first that is set in the order
    /// `s3`, `inline`, `file`, `url`, `git`, `configmap`, `resource` counts.
    pub struct ArtifactLocation {
        /// An object in an S3 bucket.
        s3: Option<S3Artifact>,
        /// The manifest as text.
        inline: Option<String>,
        /// A file in the sensor's container.
        file: Option<FileArtifact>,
        /// A document on a web server.
        url: Option<UrlArtifact>,
        /// A key of a ConfigMap.
        configmap: Option<ConfigMapKeySelector>,
        /// A file in a git repository.
        git: Option<GitArtifact>,
        /// The manifest itself.
        resource: Option<RawJson>,
    }
}

object! {
    /// An S3 bucket: one object of it, or its notifications.
    pub struct S3Artifact {
        /// Host (and port) of the S3 server.
        endpoint: Given<String>,
        /// The bucket and the key in it.
        bucket: Option<S3Bucket>,
        /// Region of the bucket.
        region: Given<String>,
        /// Plain HTTP instead of HTTPS. Default: false.
        insecure: Given<bool>,
        /// Secret with the access key.
        access_key: Option<SecretKeySelector>,
        /// Secret with the secret key.
        secret_key: Option<SecretKeySelector>,
        /// Event types of the notifications, for example `s3:ObjectCreated:Put`.
        events: Given<Vec<String>>,
        /// Which keys are watched. Default: all.
        filter: Option<S3Filter>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Secret with a CA certificate (PEM) of the server.
        ca_certificate: Option<SecretKeySelector>,
    }
}

object! {
    /// An S3 bucket.
    pub struct S3Bucket {
        /// Key of the object.
        key: Given<String>,
        /// Name of the bucket.
        name: Given<String>,
    }
}

object! {
    /// Which keys of a bucket are watched.
    pub struct S3Filter {
        /// How the key starts.
        prefix: Given<String>,
        /// How the key ends.
        suffix: Given<String>,
    }
}

object! {
    /// A file in the sensor's container, mounted by `spec.template`.
    pub struct FileArtifact {
        /// Path of the file.
        path: Given<String>,
    }
}

object! {
    /// A document on a web server.
    pub struct UrlArtifact {
        /// The URL.
        path: Given<String>,
        /// The server's certificate is checked. Default: false.
        verify_cert: Given<bool>,
    }
}

object! {
    /// A file in a git repository.
    pub struct GitArtifact {
        /// URL of the repository.
        url: Given<String>,
        /// Directory of the clone. Default: a temporary one.
        clone_directory: Given<String>,
        /// User name and password.
        creds: Option<GitCreds>,
        /// Secret with an SSH private key.
        ssh_key_secret: Option<SecretKeySelector>,
        /// Path of the file in the repository.
        file_path: Given<String>,
        /// Branch to check out. Default: `master`; `ref` and `tag` go first.
        branch: Given<String>,
        /// Tag to check out.
        tag: Given<String>,
        /// Ref to fetch and check out.
        r#ref: Given<String>,
        /// A remote besides `origin`.
        remote: Option<GitRemoteConfig>,
        /// The SSH host key is not checked. Default: false.
        insecure_ignore_host_key: Given<bool>,
        /// A GitHub app that logs in.
        github_app: Option<GithubAppCreds>,
    }
}

object! {
    /// User name and password of a git server.
    pub struct GitCreds {
        /// Secret with the user name.
        username: Option<SecretKeySelector>,
        /// Secret with the password.
        password: Option<SecretKeySelector>,
    }
}

object! {
    /// A remote of a git repository.
    pub struct GitRemoteConfig {
        /// Name of the remote.
        name: Given<String>,
        /// Its URLs.
        urls: Given<Vec<String>>,
    }
}
