//! The text of a kubeconfig.

use std::path::Path;

/// A kubeconfig with one context. `user` comes from [`token`] or [`impersonation`].
pub(super) fn render(url: &str, authority: &Path, user: &str) -> String {
    let authority = authority.display();
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster:
    server: {url}
    certificate-authority: {authority}
users:
- name: testbed
  user:
{user}contexts:
- name: testbed
  context:
    cluster: testbed
    user: testbed
    namespace: default
current-context: testbed
"
    )
}

/// A user with a bearer token.
pub(super) fn token(token: &str) -> String {
    format!("    token: {token}\n")
}

/// A user with a bearer token who acts as a service account.
///
/// The groups are those that the API server gives a service account by itself; with impersonation
/// nobody adds them.
pub(super) fn impersonation(token: &str, namespace: &str, service_account: &str) -> String {
    format!(
        "    token: {token}
    as: system:serviceaccount:{namespace}:{service_account}
    as-groups:
    - system:serviceaccounts
    - system:serviceaccounts:{namespace}
    - system:authenticated
"
    )
}
