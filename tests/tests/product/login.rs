//! The console where everybody reaches it: who logs in, and what his roles let him see and do; and the console of
//! `tiphys run`, which is for who started it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use tiphys_tests::ask::{Reply, ask, ask_as_page};
use tiphys_tests::web::{Web, answer};
use tiphys_tests::{Tiphys, World, command, eventually, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::console_pages::{have_passed, tests_of};
use crate::wire::{self, Wire};

/// Who comes, by what a role allows him.
const ROLES: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: viewer}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: viewer}
rules:
- {apiGroups: [argoproj.io], resources: [eventbus, eventsources, sensors], verbs: [list]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: editor}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: editor}
rules:
- {apiGroups: [argoproj.io], resources: [eventbus, eventsources, sensors], verbs: [list]}
- {apiGroups: [argoproj.io], resources: [eventbus], verbs: [payload, replay, drop, send], resourceNames: [default]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: janitor}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: janitor}
rules:
- {apiGroups: [argoproj.io], resources: [eventbus, eventsources, sensors], verbs: [list]}
- {apiGroups: [argoproj.io], resources: [eventbus], verbs: [replay, drop, send]}
";

fn binding(world: &World, name: &str) -> String {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": world.namespace()}],
    })
    .to_string()
}

/// A token of a service account.
async fn token(world: &World, account: &str) -> String {
    let accounts = world.api::<ServiceAccount>().await;
    let (params, request) = (PostParams::default(), TokenRequest::default());
    let made = accounts.create_token_request(account, &params, &request);
    made.await.unwrap().status.unwrap().token
}

/// A sensor whose trigger nobody answers well, so that every large event is a dead letter.
fn sensor(world: &World, web: &Web) -> String {
    let triggers = format!(
        "
  - template:
      name: call
      conditions: a
      http: {{url: {}, method: POST}}
    policy: {{status: {{allow: [200]}}}}
",
        web.url("/")
    );
    wire::sensor(world, &triggers).replace(
        "eventName: a}",
        "eventName: a, filters: {data: [{path: size, type: number, comparator: '>', value: ['10']}]}}",
    )
}

/// A console that people log in to.
struct Console {
    child: Child,
    host: String,
    log: PathBuf,
}

/// Somebody who has logged in.
struct Guest<'c> {
    console: &'c Console,
    cookie: String,
}

impl Console {
    async fn start(world: &World, folder: &Path) -> Self {
        let log = folder.join("console.log");
        let child = command()
            .args(["console", "--login", "--listen", "127.0.0.1:0"])
            .args(["-n", world.namespace(), "--nats", &world.nats().url()])
            .args(["--log-format", "json", "-f"])
            .args([
                folder.join("sensor.yaml"),
                "--kubeconfig".into(),
                world.kubeconfig(),
            ])
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let host = eventually("the address", || async {
            let text = std::fs::read_to_string(&log).ok()?;
            let mut lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let line: Value = lines.find(|line: &Value| line["address"].is_string())?;
            Some(line["address"].as_str()?.to_owned())
        });
        Self {
            host: host.await,
            child,
            log,
        }
    }

    async fn send(&self, method: &str, path: &str, cookie: &str, body: &str) -> Reply {
        ask_as_page(&self.host, method, path, cookie, body).await
    }

    async fn knock(&self, token: &str) -> Reply {
        let body = json!({ "token": token }).to_string();
        self.send("POST", "/api/login", "", &body).await
    }

    async fn enter(&self, token: &str) -> Guest<'_> {
        let reply = self.knock(token).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let cookie = reply.cookie();
        Guest {
            console: self,
            cookie,
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Guest<'_> {
    /// What a tab is shown of both events, which it has not seen.
    async fn stream(&self) -> String {
        let mut stream = TcpStream::connect(&self.console.host).await.unwrap();
        let request = format!(
            "GET /api/stream HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nLast-Event-ID: 0\r\n\r\n",
            self.console.host, self.cookie
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut seen = String::new();
        while !(seen.contains("large") && seen.contains("small")) {
            let mut bytes = vec![0; 64 << 10];
            let read = within("a message", stream.read(&mut bytes)).await.unwrap();
            assert!(read > 0, "the stream ended: {seen}");
            seen += &String::from_utf8_lossy(&bytes[..read]);
        }
        seen
    }

    async fn get(&self, path: &str) -> Reply {
        self.console.send("GET", path, &self.cookie, "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        let body = body.to_string();
        self.console.send("POST", path, &self.cookie, &body).await
    }
}

struct Scene {
    console: Console,
    wire: Wire,
    world: World,
    _running: Tiphys,
    _web: Web,
    _folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    let world = World::start().await;
    let bindings = ["viewer", "editor", "janitor"].map(|name| binding(&world, name));
    world
        .apply(&format!("{ROLES}---\n{}", bindings.join("\n---\n")))
        .await;
    let wire = Wire::to(&world).await;
    let web = Web::start(|_| answer(400)).await;
    let folder = tempfile::tempdir().unwrap();
    let text = sensor(&world, &web);
    std::fs::write(folder.path().join("sensor.yaml"), &text).unwrap();
    let running = world.desk().file("sensor.yaml", &text).start();
    wire::listening(&running).await;
    let console = Console::start(&world, folder.path()).await;
    Scene {
        console,
        wire,
        world,
        _running: running,
        _web: web,
        _folder: folder,
    }
}

#[tokio::test]
async fn whoever_has_a_token_of_the_cluster_comes_in_until_it_ends() {
    let Scene { console, world, .. } = &scene().await;
    // Pages are for everybody; what they ask is not.
    assert_eq!(console.send("GET", "/events", "", "").await.status, 200);
    let outside = console.send("GET", "/api/session", "", "").await;
    assert_eq!(outside.status, 401);
    let said: Value = serde_json::from_str(&outside.body).unwrap();
    assert_eq!(said, json!({"error": "log in first", "login": true}));

    let wrong = console.knock("guess").await;
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.body.contains("does not know this token"),
        "{}",
        wrong.body
    );
    assert!(!wrong.headers.contains_key("set-cookie"));

    let entered = console.knock(&token(world, "editor").await).await;
    let cookie = &entered.headers["set-cookie"];
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    assert!(
        !cookie.contains("ey"),
        "the token itself is no cookie: {cookie}"
    );
    let session = entered.json();
    let namespace = world.namespace();
    assert_eq!(session["mode"], "cluster");
    assert_eq!(
        session["user"],
        format!("system:serviceaccount:{namespace}:editor")
    );
    assert_eq!(
        session["rights"],
        json!({"payload": true, "replay": true, "drop": true, "send": true, "pause": false})
    );
    assert_eq!(
        session["reasons"],
        json!({"pause": format!(
            "a role has to allow it in namespace {namespace}: pause eventsources, pause sensors (argoproj.io)"
        )})
    );

    // Another name leads here as well; a page of somebody else does nothing.
    let guest = Guest {
        console,
        cookie: entered.cookie(),
    };
    let foreign = [
        format!("Host: {}", console.host),
        "Origin: http://evil.example".to_owned(),
        format!("Cookie: {}", guest.cookie),
        "Content-Type: application/json".to_owned(),
    ];
    let foreign = foreign.each_ref().map(String::as_str);
    let all = json!({"all": true}).to_string();
    let path = "/api/dead-letters/drop";
    assert_eq!(
        ask(&console.host, "POST", path, &foreign, &all)
            .await
            .status,
        403
    );

    assert_eq!(guest.get("/api/session").await.status, 200);
    let left = guest.post("/api/logout", &json!({})).await;
    assert_eq!(left.status, 200);
    assert!(left.headers["set-cookie"].contains("Max-Age=0"));
    assert_eq!(guest.get("/api/session").await.status, 401);

    // Whose account is deleted is nobody any more, as soon as he wants to do something.
    let guest = console.enter(&token(world, "editor").await).await;
    let accounts = world.api::<ServiceAccount>().await;
    accounts
        .delete("editor", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the end of the session", || async {
        let all = json!({"all": true, "dryRun": true});
        let asked = guest.post("/api/dead-letters/drop", &all).await;
        (asked.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_viewer_sees_what_happened_and_no_value_of_it() {
    let Scene {
        console,
        world,
        wire,
        ..
    } = &scene().await;
    let pearl = json!({"size": 50, "name": "pearl"});
    wire.event("input", "a", "large", &pearl).await;
    let shell = json!({"size": 5, "name": "shell"});
    wire.event("input", "a", "small", &shell).await;
    wire.dead_letters(1).await;

    let viewer = console.enter(&token(world, "viewer").await).await;
    let session = viewer.get("/api/session").await.json();
    assert_eq!(
        session["rights"],
        json!({"payload": false, "replay": false, "drop": false, "send": false, "pause": false})
    );
    let events = viewer.get("/api/events").await.json();
    let rows = events["events"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["id"], "small");
    assert_eq!(rows[0]["decisions"][0]["outcome"], "filtered");
    assert_eq!(rows[0]["decisions"][0]["reason"], Value::Null);
    // What is not shown is not found by it either.
    let found = viewer.get("/api/events?text=shell").await.json();
    assert_eq!(found["events"], json!([]));

    for path in [
        "/api/events",
        "/api/event?number=1",
        "/api/event?number=2",
        "/api/dead-letters",
        "/api/dead-letters/list",
        "/api/dead-letter?number=1",
        "/api/objects",
        "/api/flow",
    ] {
        let reply = viewer.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        for value in ["pearl", "shell", "400 Bad Request"] {
            assert!(!reply.body.contains(value), "{path}: {}", reply.body);
        }
    }
    let seen = viewer.stream().await;
    assert!(seen.contains("large"), "{seen}");
    for value in ["pearl", "shell"] {
        assert!(!seen.contains(value), "{seen}");
    }
    let letters = viewer.get("/api/dead-letters?text=400").await.json();
    assert_eq!(letters["groups"], json!([]));
    let letter = viewer.get("/api/dead-letter?number=1").await.json();
    assert_eq!(letter["trigger"], "call");
    assert_eq!(letter["event"]["id"], "large");
    for field in ["error", "action", "payload"] {
        assert_eq!(letter[field], Value::Null, "{field}");
    }

    let mut pages = tests_of("login", &format!("http://{}", console.host));
    pages.env("TIPHYS_TOKEN", token(world, "viewer").await);
    have_passed(&pages.output().await.unwrap());

    for (path, body) in [
        ("/api/dead-letters/replay", json!({"all": true})),
        ("/api/dead-letters/drop", json!({"all": true})),
        ("/api/events/send-again", json!({"number": 1})),
        ("/api/events/test", json!({"number": 1})),
        ("/api/event/explain", json!({"number": 1, "manifests": ""})),
        ("/api/compare", json!({"manifests": ""})),
        (
            "/api/objects/pause",
            json!({"kind": "Sensor", "namespace": world.namespace(), "name": "workbench"}),
        ),
    ] {
        let reply = viewer.post(path, &body).await;
        assert_eq!(reply.status, 403, "{path}: {}", reply.body);
        assert!(
            reply.body.contains("a role has to allow it"),
            "{path}: {}",
            reply.body
        );
    }
    wire.dead_letters(1).await;
}

#[tokio::test]
async fn an_editor_sees_values_and_acts_and_a_stranger_sees_nothing() {
    let Scene {
        console,
        world,
        wire,
        ..
    } = &scene().await;
    let pearl = json!({"size": 50, "name": "pearl"});
    wire.event("input", "a", "large", &pearl).await;
    wire.dead_letters(1).await;

    let stranger = console.enter(&token(world, "stranger").await).await;
    assert_eq!(stranger.get("/api/session").await.status, 200);
    for path in [
        "/api/objects",
        "/api/events",
        "/api/flow.svg",
        "/api/stream",
    ] {
        let reply = stranger.get(path).await;
        assert_eq!(reply.status, 403, "{path}: {}", reply.body);
        let namespace = world.namespace();
        let error = format!("system:serviceaccount:{namespace}:stranger may not see what is here");
        assert!(reply.body.contains(&error), "{path}: {}", reply.body);
    }

    let editor = console.enter(&token(world, "editor").await).await;
    let event = editor.get("/api/event?number=1").await.json();
    assert_eq!(event["data"], pearl);
    let groups = editor.get("/api/dead-letters").await.json();
    assert!(
        groups["groups"][0]["error"]
            .as_str()
            .unwrap()
            .contains("400"),
        "{groups}"
    );
    let drop = |is_dry: bool| json!({"all": true, "dryRun": is_dry});
    let dry = editor
        .post("/api/dead-letters/drop", &drop(true))
        .await
        .json();
    assert_eq!(dry["done"].as_array().unwrap().len(), 1, "{dry}");
    wire.dead_letters(1).await;
    let done = editor
        .post("/api/dead-letters/drop", &drop(false))
        .await
        .json();
    assert_eq!(done["done"].as_array().unwrap().len(), 1, "{done}");
    assert_eq!(editor.get("/api/dead-letters").await.json()["total"], 0);
    // Logs are for more people than values of events are.
    let log = std::fs::read_to_string(&console.log).unwrap();
    let line = log
        .lines()
        .find(|line| line.contains("Acted by the console"));
    assert!(line.is_some_and(|line| line.contains(":editor")), "{log}");
    assert!(!log.contains("400"), "{log}");
}

#[tokio::test]
async fn who_acts_without_seeing_values_is_told_none() {
    let Scene {
        console,
        world,
        wire,
        ..
    } = &scene().await;
    let pearl = json!({"size": 50, "name": "pearl"});
    wire.event("input", "a", "large", &pearl).await;
    wire.dead_letters(1).await;
    // No event: why it is none would quote it.
    wire.send("default.input.b", "text", r#""pearl""#).await;

    let janitor = console.enter(&token(world, "janitor").await).await;
    let groups = janitor.get("/api/dead-letters").await.json();
    let group = &groups["groups"][0];
    assert_eq!(group["error"], Value::Null);
    let mut guessed = json!({"group": group, "dryRun": true});
    guessed["group"]["error"] = "guess".into();
    let conflict = janitor.post("/api/dead-letters/drop", &guessed).await;
    assert_eq!(conflict.status, 409, "{}", conflict.body);

    let (all, number) = (
        json!({"all": true, "dryRun": true}),
        json!({"number": 2, "dryRun": true}),
    );
    for (path, body, status) in [
        ("/api/dead-letters/replay", &all, 200),
        ("/api/dead-letters/drop", &all, 200),
        ("/api/events/send-again", &number, 400),
    ] {
        let reply = janitor.post(path, body).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        for value in ["pearl", "400 Bad Request"] {
            assert!(!reply.body.contains(value), "{path}: {}", reply.body);
        }
    }
    let mut elsewhere = json!({"group": group, "dryRun": true});
    elsewhere["group"]["namespace"] = "elsewhere".into();
    let refused = janitor.post("/api/dead-letters/drop", &elsewhere).await;
    assert_eq!(refused.status, 403, "{}", refused.body);

    // A letter that came after the dry run is not meant by it.
    let dry = janitor.post("/api/dead-letters/drop", &all).await.json();
    wire.event("input", "a", "later", &pearl).await;
    wire.dead_letters(2).await;
    let act = json!({"all": true, "to": dry["to"]});
    let done = janitor.post("/api/dead-letters/drop", &act).await.json();
    assert_eq!(done["done"].as_array().unwrap().len(), 1, "{done}");
    wire.dead_letters(1).await;
}

#[tokio::test]
async fn what_runs_serves_its_own_console_on_the_admin_port() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let web = Web::start(|_| answer(200)).await;
    let desk = world.desk().file("sensor.yaml", &sensor(&world, &web));
    let running = desk.start();
    wire::listening(&running).await;
    let line = running.logged("Serving the console").await;
    let url = line["url"].as_str().unwrap().to_owned();
    let (host, token) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once("/?token=")
        .unwrap();
    let named = format!("Host: {host}");

    wire.event("input", "a", "large", &json!({"size": 50}))
        .await;
    wire::outcome(&running, "call", "fired", 1).await;
    let nobody = ask(host, "GET", "/api/events", &[&named], "").await;
    assert_eq!(nobody.status, 401);
    let entered = ask(host, "GET", &format!("/?token={token}"), &[&named], "").await;
    assert_eq!(entered.status, 303);
    let cookie = format!("Cookie: {}", entered.cookie());
    let events = ask(host, "GET", "/api/events", &[&named, &cookie], "")
        .await
        .json();
    assert_eq!(events["events"][0]["id"], "large");
    assert_eq!(events["events"][0]["decisions"][0]["outcome"], "fired");
    let session = ask(host, "GET", "/api/session", &[&named, &cookie], "")
        .await
        .json();
    assert_eq!(session["mode"], "run");
    // What was there before is there, for everybody.
    assert_eq!(running.get("/readyz").await.unwrap().0, 200);
    assert!(running.get("/metrics").await.unwrap().1.contains("tiphys_"));
}
