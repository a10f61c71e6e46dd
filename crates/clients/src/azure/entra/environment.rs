//! What the environment of the process says of Entra, by the variables that Microsoft's own libraries read.

/// Where tokens are given out.
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// Where an instance finds out about itself.
const METADATA: &str = "http://169.254.169.254";

/// What the environment says.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    /// An application of a tenant, and how it proves who it is.
    pub(super) application: Option<Application>,
    /// A service beside the container that knows a managed identity, and what it is asked with.
    pub(super) beside: Option<(String, String)>,
    /// Which of several managed identities; the instance's own, if none is named.
    pub(super) client: Option<String>,
    /// The service of instances.
    pub(super) metadata: String,
}

/// An application of a tenant.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Application {
    /// Where tokens are given out.
    pub(super) authority: String,
    pub(super) tenant: String,
    pub(super) client: String,
    pub(super) proof: Proof,
}

/// How an application proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// By a secret.
    Secret(String),
    /// By the token of a service account in this file, which is renewed (workload identity).
    File(String),
}

impl Environment {
    /// Reads variables; an empty one is none.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let host = |name: &str, usual: &str| {
            let host = get(name).unwrap_or_else(|| usual.to_owned());
            host.trim_end_matches('/').to_owned()
        };
        let client = get("AZURE_CLIENT_ID");
        let secret = get("AZURE_CLIENT_SECRET").map(Proof::Secret);
        let proof = secret.or_else(|| get("AZURE_FEDERATED_TOKEN_FILE").map(Proof::File));
        let application = || {
            Some(Application {
                authority: host("AZURE_AUTHORITY_HOST", AUTHORITY),
                tenant: get("AZURE_TENANT_ID")?,
                client: client.clone()?,
                proof: proof?,
            })
        };
        Self {
            application: application(),
            beside: get("IDENTITY_ENDPOINT").zip(get("IDENTITY_HEADER")),
            client,
            metadata: host("AZURE_POD_IDENTITY_AUTHORITY_HOST", METADATA),
        }
    }

    /// That of this process.
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }
}
