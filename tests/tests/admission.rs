//! What the cluster itself says to manifests, before anything runs: the manifests of `deploy/`, the
//! CRDs' own rules, and the admission webhook, as `kubectl` shows it.

#![cfg(test)]

#[path = "admission/cluster.rs"]
mod cluster;
#[path = "admission/install.rs"]
mod install;
#[path = "admission/rules.rs"]
mod rules;
#[path = "admission/webhook.rs"]
mod webhook;

use std::path::{Path, PathBuf};

/// A folder of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
