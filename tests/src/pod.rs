//! A pod of an `EventSource` or a `Sensor`, without a node: the folders that the kubelet would mount,
//! and the process in it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tiphys_testbed::Scratch;

use crate::tiphys::{Tiphys, command, read_lines};
use crate::world::World;

/// The volumes that the pods of one object share.
#[derive(Debug)]
pub struct Pod {
    scratch: Arc<Scratch>,
    kind: &'static str,
    variables: Vec<(String, OsString)>,
    swaps: AtomicU32,
}

/// An object of this YAML in a namespace, as it is stored in a cluster.
///
/// # Panics
/// When it is no YAML.
pub fn stored_object(namespace: &str, yaml: &str) -> Value {
    let mut object: Value = serde_saphyr::from_str(yaml).expect("it is YAML");
    object["metadata"]["namespace"] = namespace.into();
    object["metadata"]["generation"] = 1.into();
    object["metadata"]["uid"] = "0b7e2a5c-0000-4000-8000-000000000001".into();
    object["metadata"]["creationTimestamp"] = jiff::Timestamp::now().to_string().into();
    object
}

impl Pod {
    /// Pods of this `EventSource` or `Sensor`, on the world's NATS server and as the admin of its
    /// cluster.
    ///
    /// # Panics
    /// When its folders cannot be made.
    pub fn of(world: &World, object: &Value) -> Self {
        let kubeconfig = world.kubeconfig();
        Self::at(&kubeconfig, world.namespace(), &world.nats().url(), object)
    }

    /// Pods of this `EventSource` or `Sensor` on the NATS server of this URL.
    ///
    /// # Panics
    /// When its folders cannot be made.
    pub fn at(kubeconfig: &Path, namespace: &str, nats: &str, object: &Value) -> Self {
        let kind = match object["kind"].as_str() {
            Some("EventSource") => "eventsource",
            Some("Sensor") => "sensor",
            kind => panic!("{kind:?} has no pods"),
        };
        let mut pod = Self {
            scratch: Arc::new(Scratch::new("pod").expect("a folder can be made")),
            kind,
            variables: Vec::new(),
            swaps: AtomicU32::new(0),
        };
        pod.set("KUBECONFIG", kubeconfig);
        pod.set("POD_NAMESPACE", namespace);
        for (variable, folder) in [
            ("TIPHYS_SPEC", "spec"),
            ("TIPHYS_BUS_AUTH", "auth"),
            ("TIPHYS_VALUES", "values"),
        ] {
            let path = pod.folder(folder);
            pod.set(variable, path);
        }
        let bus = json!({"jetstream": {"url": nats}});
        pod.spec(object, &bus);
        pod
    }

    /// Sets a variable of the environment.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Lets it trust this authority, in PEM, in the place of the system's.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn trust(&mut self, authority: &str) {
        let file = self.folder("authority.pem");
        fs::write(&file, authority).expect("it can be written");
        self.set("SSL_CERT_FILE", file);
    }

    /// Replaces the object and the settings of the bus, as the kubelet does when their ConfigMap has
    /// changed.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn spec(&self, object: &Value, bus: &Value) {
        let (object, bus) = (object.to_string(), bus.to_string());
        let files = [
            ("object.json", object.as_bytes()),
            ("eventbus.json", bus.as_bytes()),
        ];
        self.volume("spec", &files);
    }

    /// Replaces all files of a volume: those of `spec`, `auth`, `values/secrets/NAME` or
    /// `values/config/NAME`.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn volume(&self, volume: &str, files: &[(&str, &[u8])]) {
        let folder = self.folder(volume);
        fs::create_dir_all(&folder).expect("a folder can be made");
        let version = format!("..{}", self.swaps.fetch_add(1, Ordering::Relaxed));
        fs::create_dir(folder.join(&version)).expect("a folder can be made");
        for (name, content) in files {
            fs::write(folder.join(&version).join(name), content).expect("it can be written");
        }
        let before = fs::read_link(folder.join("..data")).ok();
        symlink(&version, folder.join("..data_tmp")).expect("a link can be made");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("it can be renamed");
        for (name, _) in files {
            // It exists after the first time.
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap_or_default();
        }
        if let Some(before) = before {
            fs::remove_dir_all(folder.join(before)).expect("it can be removed");
        }
    }

    /// Starts a process in a pod of this name.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self, name: &str) -> Tiphys {
        let mut command = command();
        command
            .arg(self.kind)
            .args(["--admin", "127.0.0.1:0"])
            .env("POD_NAME", name)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        Tiphys::spawn(name, &mut command, &self.scratch)
    }

    /// What all processes in the pod of this name have logged and printed: each line, if it is JSON.
    pub fn lines(&self, name: &str) -> Vec<Value> {
        read_lines(&self.scratch.path().join(format!("{name}.log")), 0)
    }

    fn folder(&self, volume: &str) -> PathBuf {
        self.scratch.path().join(volume)
    }
}
