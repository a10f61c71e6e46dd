//! Hosts of source code as sources: GitHub, GitLab, Gerrit, Bitbucket.

use std::collections::BTreeMap;

use crate::auth::{BasicAuth, GithubAppCreds};
use crate::event_source::common::EventSourceFilter;
use crate::event_source::webhook::WebhookContext;
use crate::given::{Given, object};
use crate::secret::SecretKeySelector;
use crate::tls::TlsConfig;

object! {
    /// Repositories of one owner.
    pub struct OwnedRepositories {
        /// The user or organization.
        owner: Given<String>,
        /// Names of its repositories.
        names: Given<Vec<String>>,
    }
}

object! {
    /// Takes events of GitHub.
    pub struct GithubEventSource {
        /// Deprecated: id of the webhook.
        id: Given<i64>,
        /// Where GitHub calls.
        webhook: Option<WebhookContext>,
        /// Deprecated: use `repositories`.
        owner: Given<String>,
        /// Deprecated: use `repositories`.
        repository: Given<String>,
        /// Types of events; `*` for all.
        events: Given<Vec<String>>,
        /// Secret with an access token, to manage webhooks.
        api_token: Option<SecretKeySelector>,
        /// Secret with the secret that GitHub signs with.
        webhook_secret: Option<SecretKeySelector>,
        /// GitHub does not check our certificate. Default: false.
        insecure: Given<bool>,
        /// The webhook is active. Default: false.
        active: Given<bool>,
        /// `json` or `form`.
        content_type: Given<String>,
        /// Base URL of a GitHub Enterprise server; needs `githubUploadURL`.
        #[serde(rename = "githubBaseURL")]
        github_base_url: Given<String>,
        /// Upload URL of a GitHub Enterprise server; needs `githubBaseURL`.
        #[serde(rename = "githubUploadURL")]
        github_upload_url: Given<String>,
        /// The webhook is deleted with the event source. Default: false.
        delete_hook_on_finish: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// The repositories.
        repositories: Given<Vec<OwnedRepositories>>,
        /// Organizations instead of repositories.
        organizations: Given<Vec<String>>,
        /// A GitHub app that manages webhooks.
        github_app: Option<GithubAppCreds>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// Takes events of GitLab.
    pub struct GitlabEventSource {
        /// Where GitLab calls.
        webhook: Option<WebhookContext>,
        /// Deprecated: use `projects`.
        #[serde(rename = "projectID")]
        project_id: Given<String>,
        /// Types of events, for example `PushEvents`.
        events: Given<Vec<String>>,
        /// Secret with an access token, to manage webhooks.
        access_token: Option<SecretKeySelector>,
        /// GitLab checks our certificate. Default: false.
        #[serde(rename = "enableSSLVerification")]
        enable_ssl_verification: Given<bool>,
        /// Base URL of the GitLab server.
        #[serde(rename = "gitlabBaseURL")]
        gitlab_base_url: Given<String>,
        /// The webhook is deleted with the event source. Default: false.
        delete_hook_on_finish: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Ids or paths of projects.
        projects: Given<Vec<String>>,
        /// Secret with the token that GitLab sends.
        secret_token: Option<SecretKeySelector>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// Ids or paths of groups.
        groups: Given<Vec<String>>,
    }
}

object! {
    /// Takes events of Gerrit.
    pub struct GerritEventSource {
        /// Where Gerrit calls.
        webhook: Option<WebhookContext>,
        /// Name of the webhook.
        hook_name: Given<String>,
        /// Types of events.
        events: Given<Vec<String>>,
        /// Login of Gerrit.
        auth: Option<BasicAuth>,
        /// Base URL of the Gerrit server.
        #[serde(rename = "gerritBaseURL")]
        gerrit_base_url: Given<String>,
        /// The webhook is deleted with the event source. Default: false.
        delete_hook_on_finish: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Names of projects.
        projects: Given<Vec<String>>,
        /// Gerrit checks our certificate. Default: false.
        ssl_verify: Given<bool>,
        /// How often Gerrit tries to call. Default: Gerrit's.
        max_tries: Given<i32>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// Takes events of Bitbucket Cloud.
    pub struct BitbucketEventSource {
        /// The webhook is deleted with the event source. Default: false.
        delete_hook_on_finish: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Where Bitbucket calls.
        webhook: Option<WebhookContext>,
        /// Login of Bitbucket.
        auth: Option<BitbucketAuth>,
        /// Secret with the secret that Bitbucket signs with. Not in Argo Events.
        webhook_secret: Option<SecretKeySelector>,
        /// Types of events.
        events: Given<Vec<String>>,
        /// Deprecated: use `repositories`.
        owner: Given<String>,
        /// Deprecated: use `repositories`.
        project_key: Given<String>,
        /// Deprecated: use `repositories`.
        repository_slug: Given<String>,
        /// The repositories.
        repositories: Given<Vec<BitbucketRepository>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// A repository of Bitbucket Cloud.
    pub struct BitbucketRepository {
        /// The workspace.
        owner: Given<String>,
        /// Name of the repository in URLs.
        repository_slug: Given<String>,
    }
}

object! {
    /// Login of Bitbucket Cloud.
    pub struct BitbucketAuth {
        /// User name and app password.
        basic: Option<BasicAuth>,
        /// Secret with an OAuth token.
        oauth_token: Option<SecretKeySelector>,
    }
}

object! {
    /// Takes events of Bitbucket Server.
    pub struct BitbucketServerEventSource {
        /// Where Bitbucket Server calls.
        webhook: Option<WebhookContext>,
        /// Deprecated: use `repositories`.
        project_key: Given<String>,
        /// Deprecated: use `repositories`.
        repository_slug: Given<String>,
        /// Keys of projects.
        projects: Given<Vec<String>>,
        /// The repositories.
        repositories: Given<Vec<BitbucketServerRepository>>,
        /// Types of events.
        events: Given<Vec<String>>,
        /// A push that opens a pull request is not published. Default: false.
        #[serde(rename = "skipBranchRefsChangedOnOpenPR")]
        skip_branch_refs_changed_on_open_pr: Given<bool>,
        /// A push of several changes is published as one event each. Default: false.
        one_event_per_change: Given<bool>,
        /// Secret with an access token, to manage webhooks.
        access_token: Option<SecretKeySelector>,
        /// Secret with the secret that Bitbucket Server signs with.
        webhook_secret: Option<SecretKeySelector>,
        /// Base URL of the Bitbucket Server.
        #[serde(rename = "bitbucketserverBaseURL")]
        bitbucketserver_base_url: Given<String>,
        /// The webhook is deleted with the event source. Default: false.
        delete_hook_on_finish: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// TLS settings.
        tls: Option<TlsConfig>,
        /// Time between two looks at the webhooks. Default: `1m`.
        check_interval: Given<String>,
    }
}

object! {
    /// A repository of Bitbucket Server.
    pub struct BitbucketServerRepository {
        /// Key of the project.
        project_key: Given<String>,
        /// Name of the repository in URLs.
        repository_slug: Given<String>,
    }
}
