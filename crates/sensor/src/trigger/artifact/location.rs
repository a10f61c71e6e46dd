//! What a location in a spec says.
//!
//! The first that is set counts, in Argo Events' order: `s3`, `inline`, `file`, `url`, `git`,
//! `configmap`, `resource`.

use tiphys_api::{ArtifactLocation, ConfigMapKeySelector, GitArtifact, S3Artifact};
use tiphys_clients::{KeyOf, ValueRef, github, s3};

use super::{Artifact, GitFile, GitLogin, GitRef, UrlDocument};

/// Region of S3 servers that have none.
const DEFAULT_REGION: &str = "us-east-1";

/// Why a location cannot be used.
pub(in crate::trigger) struct Fault {
    pub(in crate::trigger) field: &'static str,
    pub(in crate::trigger) message: String,
}

impl Fault {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }
}

impl Artifact {
    /// What a location says has to be fetched; `None`: nothing.
    pub(in crate::trigger) fn of(
        spec: &ArtifactLocation,
        namespace: &str,
    ) -> Result<Option<Self>, Fault> {
        Ok(Some(if let Some(s3) = &spec.s3 {
            s3_object(s3, namespace)?
        } else if let Some(file) = &spec.file {
            needed("file.path", &file.path)?;
            Artifact::File {
                path: file.path.to_string(),
            }
        } else if let Some(url) = &spec.url {
            needed("url.path", &url.path)?;
            Artifact::Url(UrlDocument {
                url: url.path.to_string(),
                verify_cert: *url.verify_cert,
            })
        } else if let Some(git) = &spec.git {
            git_file(git, namespace)?
        } else if let Some(configmap) = &spec.configmap {
            config_map(configmap, namespace)?
        } else {
            return Ok(None);
        }))
    }
}

fn needed(field: &'static str, text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        Err(Fault::new(field, "must be specified"))
    } else {
        Ok(())
    }
}

fn config_map(spec: &ConfigMapKeySelector, namespace: &str) -> Result<Artifact, Fault> {
    needed("configmap.name", &spec.name)?;
    needed("configmap.key", &spec.key)?;
    Ok(Artifact::Configmap(KeyOf {
        namespace: namespace.to_owned(),
        name: spec.name.to_string(),
        key: spec.key.to_string(),
    }))
}

fn s3_object(spec: &S3Artifact, namespace: &str) -> Result<Artifact, Fault> {
    needed("s3.endpoint", &spec.endpoint)?;
    let bucket = spec.bucket.as_ref();
    let bucket = bucket.ok_or_else(|| Fault::new("s3.bucket", "must be specified"))?;
    needed("s3.bucket.name", &bucket.name)?;
    needed("s3.bucket.key", &bucket.key)?;
    let login = match (&spec.access_key, &spec.secret_key) {
        (Some(access), Some(secret)) => Some((
            ValueRef::secret(access, namespace),
            ValueRef::secret(secret, namespace),
        )),
        (None, None) => None,
        _ => {
            return Err(Fault::new(
                "s3",
                "accessKey and secretKey have to be set together",
            ));
        }
    };
    let region = spec.region.trim();
    Ok(Artifact::S3(s3::Object {
        endpoint: spec.endpoint.trim().trim_end_matches('/').to_owned(),
        insecure: *spec.insecure,
        region: if region.is_empty() {
            DEFAULT_REGION
        } else {
            region
        }
        .to_owned(),
        bucket: bucket.name.trim().to_owned(),
        key: bucket.key.trim().trim_start_matches('/').to_owned(),
        login,
        authorities: spec
            .ca_certificate
            .as_ref()
            .map(|ca| ValueRef::secret(ca, namespace)),
    }))
}

fn git_file(spec: &GitArtifact, namespace: &str) -> Result<Artifact, Fault> {
    needed("git.url", &spec.url)?;
    needed("git.filePath", &spec.file_path)?;
    for (field, path) in [
        ("git.filePath", &spec.file_path),
        ("git.cloneDirectory", &spec.clone_directory),
    ] {
        if path.contains("..") || path.contains(['~', '\\']) {
            return Err(Fault::new(field, "must not contain `..`, `~` or `\\`"));
        }
    }
    let secret = |selector: &Option<_>, field| match selector {
        Some(selector) => Ok(ValueRef::secret(selector, namespace)),
        None => Err(Fault::new(field, "must be specified")),
    };
    let login = if let Some(creds) = &spec.creds {
        Some(GitLogin::Basic {
            username: secret(&creds.username, "git.creds.username")?,
            password: secret(&creds.password, "git.creds.password")?,
        })
    } else if let Some(app) = &spec.github_app {
        Some(GitLogin::App(github::App {
            private_key: secret(&app.private_key, "git.githubApp.privateKey")?,
            app: *app.app_id,
            installation: *app.installation_id,
        }))
    } else {
        spec.ssh_key_secret.as_ref().map(|key| GitLogin::Ssh {
            private_key: ValueRef::secret(key, namespace),
            insecure_ignore_host_key: *spec.insecure_ignore_host_key,
        })
    };
    // The remote is where Argo Events looks for the branch, if there is one besides the clone's.
    let remote = spec.remote.as_ref().and_then(|remote| remote.urls.first());
    let url = remote.cloned().unwrap_or_else(|| spec.url.to_string());
    if url.starts_with('-') {
        return Err(Fault::new("git.url", "is no URL"));
    }
    Ok(Artifact::Git(GitFile {
        url,
        reference: git_ref(spec)?,
        path: spec
            .file_path
            .trim_start_matches("./")
            .trim_start_matches('/')
            .to_owned(),
        login,
    }))
}

fn git_ref(spec: &GitArtifact) -> Result<GitRef, Fault> {
    let named = [
        ("git.ref", &spec.r#ref),
        ("git.tag", &spec.tag),
        ("git.branch", &spec.branch),
    ];
    let Some((field, name)) = named.into_iter().find(|(_, name)| !name.is_empty()) else {
        return Ok(GitRef::Default);
    };
    let is_sound = !name.starts_with('-')
        && !name.contains("..")
        && !name.contains(|char: char| char.is_control() || " ~^:?*[\\".contains(char));
    if !is_sound {
        return Err(Fault::new(
            field,
            format!("{:?} is no name of a git ref", name.as_str()),
        ));
    }
    let name = name.to_string();
    Ok(match field {
        "git.ref" => GitRef::Ref(name),
        "git.tag" => GitRef::Tag(name),
        _ => GitRef::Branch(name),
    })
}
