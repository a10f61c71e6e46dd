//! The story: a Service is annotated, its Ingress appears, changes with it, and goes with it.

#![expect(clippy::print_stdout, reason = "what the demo shows is its output")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use tiphys_testbed::{PATIENCE, Process, wait_for};

use super::cluster::Cluster;
use super::say;

/// What is looked at.
const INGRESS: &str = "/apis/networking.k8s.io/v1/namespaces/playground/ingresses/harbour-svc-ing";
const SERVICES: &str = "/api/v1/namespaces/playground/services";
const SERVICE: &str = "/api/v1/namespaces/playground/services/harbour-svc";
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The story of an example folder on a cluster.
pub(crate) struct Story<'c> {
    cluster: &'c Cluster,
    folder: PathBuf,
}

impl<'c> Story<'c> {
    pub(crate) fn new(cluster: &'c Cluster, folder: PathBuf) -> Self {
        Self { cluster, folder }
    }

    /// Applies everything but the Service.
    pub(crate) fn apply(&self, crds: &Path) -> anyhow::Result<()> {
        let mut files: Vec<PathBuf> = fs::read_dir(crds)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        // The list of the others, for kubectl.
        files.retain(|file| !file.ends_with("kustomization.yaml"));
        files.sort();
        for file in files {
            for object in read(&file)? {
                self.cluster.apply(CRDS, &object)?;
                let name = object["metadata"]["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                self.wait(&format!("{CRDS}/{name}"), |crd| {
                    let conditions = crd["status"]["conditions"].as_array()?;
                    let established = conditions.iter().find(|c| c["type"] == "Established")?;
                    (established["status"] == "True").then_some(())
                })?;
            }
        }
        for name in ["rbac", "eventbus", "ingress-es", "ingress-sn"] {
            for object in read(&self.folder.join(format!("{name}.yaml")))? {
                self.cluster.apply(&collection(&object)?, &object)?;
            }
        }
        self.cluster.delete(SERVICE)?;
        self.wait_gone()
    }

    /// Creates, changes and deletes the Service, and looks at what happens.
    pub(crate) fn play(&self, tiphys: &Process) -> anyhow::Result<()> {
        let mut service = read(&self.folder.join("service.yaml"))?.remove(0);
        let created = Instant::now();
        self.cluster.apply(SERVICES, &service)?;
        say("The Service is created, and its Ingress appears", || {
            self.expect_port(&json!(8080))
        })?;
        println!("    {} ms after the request", created.elapsed().as_millis());
        let ingress = self.cluster.get(INGRESS)?.context("the Ingress is there")?;
        println!("    {}", ingress["spec"]);
        service["spec"]["ports"][0]["port"] = json!(9090);
        self.cluster.apply(SERVICES, &service)?;
        say(
            "Its port changes to 9090, and the Ingress follows: a number",
            || self.expect_port(&json!(9090)),
        )?;
        say("The log trigger prints the event", || {
            let line = wait_for("the log line", PATIENCE, || {
                let log = fs::read_to_string(tiphys.log())?;
                let is_wanted = |line: &&str| line.contains("\"triggerType\":\"Log\"");
                Ok(log.lines().find(is_wanted).map(ToOwned::to_owned))
            })?;
            println!("    {}…", line.chars().take(160).collect::<String>());
            Ok(())
        })?;
        self.cluster.delete(SERVICE)?;
        say("The Service is deleted, and its Ingress goes", || {
            self.wait_gone()
        })
    }

    fn expect_port(&self, port: &Value) -> anyhow::Result<()> {
        self.wait(INGRESS, |ingress| {
            let rule = &ingress["spec"]["rules"][0];
            let found = &rule["http"]["paths"][0]["backend"]["service"]["port"]["number"];
            (found == port && rule["host"] == "harbour.127.0.0.1.nip.io").then_some(())
        })
    }

    fn wait(&self, path: &str, is_so: impl Fn(&Value) -> Option<()>) -> anyhow::Result<()> {
        wait_for(path, PATIENCE, || {
            Ok(self.cluster.get(path)?.as_ref().and_then(&is_so))
        })
    }

    fn wait_gone(&self) -> anyhow::Result<()> {
        wait_for("the Ingress going", PATIENCE, || {
            Ok(self.cluster.get(INGRESS)?.is_none().then_some(()))
        })
    }
}

/// The objects of a file.
fn read(file: &Path) -> anyhow::Result<Vec<Value>> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    serde_saphyr::from_multiple(&text).with_context(|| format!("read {}", file.display()))
}

/// Where objects of this kind are created.
fn collection(object: &Value) -> anyhow::Result<String> {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let plural = match object["kind"].as_str().unwrap_or_default() {
        "EventBus" => "eventbus".to_owned(),
        "" => anyhow::bail!("an object without kind"),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let root = if api_version.contains('/') {
        "apis"
    } else {
        "api"
    };
    let scope = object["metadata"]["namespace"]
        .as_str()
        .map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
    Ok(format!("/{root}/{api_version}{scope}/{plural}"))
}
