//! The console as a Deployment: people log in by tokens of the cluster, and do what their roles allow.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tiphys_tests::ask::{Reply, ask_as_page};
use tiphys_tests::{Cluster, Story, eventually};

use crate::harbour::{
    SENSOR_OBJECT, all, are_ready, bus_of_one, event_source, own, rbac, sensor, serve,
};

/// The story's overlay, for the namespace of a story of ours.
pub(crate) async fn manifests(story: &Story) -> String {
    let overlay = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/playground-console");
    let overlay = overlay.display().to_string();
    let console = story.kubectl(["kustomize", &overlay]).await;
    own(
        story,
        &console.replace("tiphys:0.1.0", story.cluster().image()),
    )
}

/// A service account with a role of the cluster in the namespace, and a token of it.
async fn somebody(story: &Story, name: &str, role: &str) -> String {
    story.kubectl(["create", "serviceaccount", name]).await;
    let (role, account) = (
        format!("--clusterrole={role}"),
        format!("--serviceaccount={}:{name}", story.namespace()),
    );
    story
        .kubectl(["create", "rolebinding", name, &role, &account])
        .await;
    let token = story.kubectl(["create", "token", name]).await;
    token.trim().to_owned()
}

/// A port of this machine that leads to it.
struct Forward {
    child: Child,
    host: String,
    /// It writes a line for each connection, and ends where nobody reads it.
    _out: BufReader<ChildStdout>,
}

impl Forward {
    fn open(story: &Story) -> Self {
        let cluster = story.cluster();
        let mut command = Command::new(cluster.program());
        if let Some(context) = cluster.context() {
            command.arg("--context").arg(context);
        }
        command.args(["-n", story.namespace(), "port-forward"]);
        command.args(["service/tiphys-console", ":80"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        // Forwarding from 127.0.0.1:40123 -> 7780
        let host = line.split(' ').nth(2).unwrap().to_owned();
        Self {
            child,
            host,
            _out: out,
        }
    }

    async fn send(&self, method: &str, path: &str, cookie: &str, body: &Value) -> Reply {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        ask_as_page(&self.host, method, path, cookie, &body).await
    }

    async fn enter(&self, token: &str) -> String {
        let body = json!({ "token": token });
        let reply = self.send("POST", "/api/login", "", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.cookie()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn people_log_in_and_do_what_their_roles_allow() {
    let story = Cluster::open().story().await;
    let objects = [
        rbac(&story),
        bus_of_one(&story),
        event_source(&story),
        sensor(&story),
    ];
    story.apply(&all(&objects)).await;
    story.apply(&manifests(&story).await).await;
    story.rolled_out("deployment/tiphys-console").await;
    are_ready(&story).await;
    serve(&story, &["argo"]).await;

    let viewer = somebody(&story, "orpheus", "view").await;
    let editor = somebody(&story, "jason", "edit").await;
    let forward = Forward::open(&story);
    let (viewer, editor) = (forward.enter(&viewer).await, forward.enter(&editor).await);
    let none = Value::Null;

    let seen = forward.send("GET", "/api/events", &viewer, &none).await;
    assert!(!seen.body.contains("argo.example.com"), "{}", seen.body);
    let seen = seen.json();
    let first = &seen["events"][0];
    assert_eq!(first["source"], "ingress-es", "{seen}");
    assert_eq!(first["decisions"][0]["outcome"], "fired", "{seen}");
    let path = format!("/api/event?number={}", first["number"]);
    let seen = forward.send("GET", &path, &viewer, &none).await.json();
    assert_eq!(seen["data"], Value::Null);
    let seen = forward.send("GET", &path, &editor, &none).await;
    assert!(seen.body.contains("argo.example.com"), "{}", seen.body);

    let thing = json!({"kind": "Sensor", "namespace": story.namespace(), "name": "ingress-sn"});
    let refused = forward
        .send("POST", "/api/objects/pause", &viewer, &thing)
        .await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let done = forward
        .send("POST", "/api/objects/pause", &editor, &thing)
        .await
        .json();
    assert_eq!(done["refused"], json!([]), "{done}");
    eventually("the Sensor being paused", || async {
        let ready = story.condition(SENSOR_OBJECT, "Ready").await;
        (ready.reason == "Paused").then_some(())
    })
    .await;
    // Who it was stands at the object.
    let described = eventually("the Kubernetes Event", || async {
        let described = story.kubectl(["describe", SENSOR_OBJECT]).await;
        described.contains("tiphys-console").then_some(described)
    });
    let described = described.await;
    let who = format!(
        "system:serviceaccount:{}:jason by the console:",
        story.namespace()
    );
    assert!(described.contains(&who), "{described}");
    let done = forward
        .send("POST", "/api/objects/resume", &editor, &thing)
        .await
        .json();
    assert_eq!(done["refused"], json!([]), "{done}");
    story.wait("condition=Ready", &[SENSOR_OBJECT]).await;

    // A right that is taken away ends: at once for who acts.
    story.kubectl(["delete", "rolebinding", "jason"]).await;
    eventually("the end of the right", || async {
        let asked = forward
            .send("POST", "/api/objects/pause", &editor, &thing)
            .await;
        (asked.status == 403).then_some(())
    })
    .await;
}
