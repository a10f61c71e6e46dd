//! The cluster of the demo: our own control plane, or an existing one through kubectl.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tiphys_testbed::ControlPlane;

/// A cluster, and how it is reached.
pub(crate) struct Cluster {
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    own: Option<ControlPlane>,
}

impl Cluster {
    /// Our own control plane.
    pub(crate) fn own(control_plane: ControlPlane) -> anyhow::Result<Self> {
        let kubeconfig = Some(control_plane.kubeconfig()?);
        Ok(Self {
            kubeconfig,
            context: None,
            own: Some(control_plane),
        })
    }

    /// A cluster that runs already.
    pub(crate) fn existing(kubeconfig: Option<PathBuf>, context: Option<String>) -> Self {
        Self {
            kubeconfig,
            context,
            own: None,
        }
    }

    /// What tells tiphys, or kubectl, which cluster is meant.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let kubeconfig = self.kubeconfig.as_ref();
        let kubeconfig = kubeconfig.map(|path| format!("--kubeconfig={}", path.display()));
        let context = self
            .context
            .as_ref()
            .map(|name| format!("--context={name}"));
        kubeconfig.into_iter().chain(context).collect()
    }

    /// kubectl for this cluster, as a person types it.
    pub(crate) fn kubectl(&self) -> String {
        let words = std::iter::once("kubectl".to_owned()).chain(self.arguments());
        words.collect::<Vec<_>>().join(" ")
    }

    /// The object at `path`, if there is one.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let text = self.request("GET", path, None)?;
        text.map(|text| serde_json::from_str(&text).context("read an answer"))
            .transpose()
    }

    /// Creates an object in the collection at `path`, or brings the existing one up to date.
    pub(crate) fn apply(&self, path: &str, object: &Value) -> anyhow::Result<()> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let place = format!("{path}/{name}");
        match self.get(&place)? {
            None => self.request("POST", path, Some(object)).map(drop),
            Some(live) => {
                let mut object = object.clone();
                object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
                // What the API server has filled in and does not let go of.
                if let Some(ip) = live["spec"].get("clusterIP") {
                    object["spec"]["clusterIP"] = ip.clone();
                }
                self.request("PUT", &place, Some(&object)).map(drop)
            }
        }
    }

    /// Deletes the object at `path`.
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.request("DELETE", path, None).map(drop)
    }

    /// Asks the API server; `None`: there is no such object.
    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Option<String>> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let Some(control_plane) = &self.own else {
            return self.ask_kubectl(method, path, &body);
        };
        let answer = control_plane.request(method, path, &body)?;
        match answer.status {
            200..=299 => Ok(Some(answer.body)),
            404 => Ok(None),
            status => bail!("{method} {path}: {status}: {}", answer.body),
        }
    }

    fn ask_kubectl(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Option<String>> {
        let verb = match method {
            "GET" => "get",
            "POST" => "create",
            "PUT" => "replace",
            _ => "delete",
        };
        let mut command = Command::new("kubectl");
        command.args(self.arguments()).args([verb, "--raw", path]);
        if !body.is_empty() {
            command.args(["-f", "-"]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start kubectl, which is needed for an existing cluster")?;
        if let Some(mut input) = child.stdin.take() {
            input
                .write_all(body.as_bytes())
                .context("write to kubectl")?;
        }
        let output = child.wait_with_output().context("wait for kubectl")?;
        let error = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
        } else if error.contains("NotFound")
            || error.contains("could not find the requested resource")
        {
            Ok(None)
        } else {
            bail!("kubectl {verb} {path}: {}", error.trim())
        }
    }
}
