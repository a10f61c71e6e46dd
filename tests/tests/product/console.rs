//! The event flow in a browser: who comes in, what he sees, and what he may do.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tiphys_tests::ask::{Reply, ask};
use tiphys_tests::web::{Web, answer};
use tiphys_tests::{Tiphys, World, command, eventually, tiphys, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wire::{self, Wire};

/// Calls somebody about large ships.
fn sensor(world: &World, web: &Web) -> String {
    let triggers = format!(
        "
  - template:
      name: call
      conditions: a
      http:
        url: {}
        method: POST
        payload:
        - {{src: {{dependencyName: a, dataKey: name}}, dest: title}}
    policy: {{status: {{allow: [200]}}}}
",
        web.url("/")
    );
    wire::sensor(world, &triggers).replace(
        "eventName: a}",
        "eventName: a, filters: {data: [{path: size, type: number, comparator: '>', value: ['10']}]}}",
    )
}

/// A console of this world's bus.
pub(crate) struct Console {
    child: Child,
    host: String,
    token: String,
    cookie: String,
}

impl Console {
    pub(crate) fn start(world: &World, manifests: &str) -> Self {
        let mut child = command()
            .args([
                "console",
                "--listen",
                "127.0.0.1:0",
                "-n",
                world.namespace(),
            ])
            .args(["-f", manifests, "--nats", &world.nats().url()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap();
        let (host, token) = address.split_once("/?token=").unwrap();
        let (host, token) = (host.to_owned(), token.to_owned());
        let port = host.rsplit_once(':').unwrap().1;
        let cookie = format!("Cookie: tiphys-console-{port}={token}");
        Self {
            child,
            host,
            token,
            cookie,
        }
    }

    /// The address that it printed.
    pub(crate) fn address(&self) -> String {
        format!("http://{}/?token={}", self.host, self.token)
    }

    async fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
        ask(&self.host, method, path, headers, body).await
    }

    async fn get(&self, path: &str) -> Reply {
        let host = format!("Host: {}", self.host);
        self.ask("GET", path, &[&host, &self.cookie], "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        let (host, origin) = (
            format!("Host: {}", self.host),
            format!("Origin: http://{}", self.host),
        );
        let json = "Content-Type: application/json";
        let headers = [&*host, &self.cookie, &origin, json];
        self.ask("POST", path, &headers, &body.to_string()).await
    }

    /// The stream of a tab, from an event on.
    async fn stream(&self, last: Option<u64>) -> Stream {
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n"));
        let request = format!(
            "GET /api/stream HTTP/1.1\r\nHost: {}\r\n{}\r\n{}\r\n",
            self.host,
            self.cookie,
            last.unwrap_or_default()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        Stream {
            stream,
            text: String::new(),
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Server-sent events.
struct Stream {
    stream: TcpStream,
    text: String,
}

impl Stream {
    /// The data of the next message of a name that is wanted.
    async fn until(&mut self, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            while let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.text = rest;
                let line = |field: &str| message.lines().find_map(|line| line.strip_prefix(field));
                if line("event: ") == Some(name) {
                    let data = serde_json::from_str(line("data: ").unwrap()).unwrap();
                    if is_wanted(&data) {
                        return data;
                    }
                }
            }
            let mut bytes = vec![0; 64 << 10];
            let read = within("a message", self.stream.read(&mut bytes))
                .await
                .unwrap();
            assert!(read > 0, "the stream ended");
            self.text += &String::from_utf8_lossy(&bytes[..read]);
        }
    }

    /// The ids of so many events.
    async fn events(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let events = self.until("events", |_| true).await;
            let events = events.as_array().unwrap().iter();
            ids.extend(events.map(|event| event["id"].as_str().unwrap().to_owned()));
        }
        ids
    }
}

/// A Sensor that runs, and the target of its trigger.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) wire: Wire,
    pub(crate) web: Web,
    /// The target takes what it gets.
    pub(crate) is_open: Arc<AtomicBool>,
    pub(crate) manifests: String,
    _running: Tiphys,
    _folder: tempfile::TempDir,
}

pub(crate) async fn scene() -> Scene {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let is_open = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&is_open);
    let web = Web::start(move |_| {
        answer(if open.load(Ordering::Relaxed) {
            200
        } else {
            400
        })
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("sensor.yaml");
    let text = sensor(&world, &web);
    std::fs::write(&manifests, &text).unwrap();
    let running = world.desk().file("sensor.yaml", &text).start();
    wire::listening(&running).await;
    Scene {
        _running: running,
        manifests: manifests.display().to_string(),
        _folder: folder,
        world,
        wire,
        web,
        is_open,
    }
}

#[tokio::test]
async fn only_who_has_the_address_comes_in() {
    let Scene {
        world, manifests, ..
    } = &scene().await;
    let console = Console::start(world, manifests);
    let host = format!("Host: {}", console.host);
    assert_eq!(
        console
            .ask("GET", "/api/session", &[&host], "")
            .await
            .status,
        401
    );
    let with_token = format!("/events?token={}", console.token);
    let entered = console.ask("GET", &with_token, &[&host], "").await;
    assert_eq!(entered.status, 303);
    assert_eq!(entered.headers["location"], "/events");
    let cookie = &entered.headers["set-cookie"];
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );

    let page = console.get("/events/12").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-encoding"], "gzip");
    assert_eq!(
        page.headers["content-security-policy"],
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    assert_eq!(page.headers["x-content-type-options"], "nosniff");

    // A page of somebody else whose name leads here, and one that sends a form.
    let (cookie, json) = (&*console.cookie, "Content-Type: application/json");
    let evil = ["Host: evil.example", cookie];
    assert_eq!(
        console.ask("GET", "/api/session", &evil, "").await.status,
        421
    );
    let all = json!({"all": true}).to_string();
    let path = "/api/dead-letters/drop";
    let foreign = [&*host, cookie, json, "Origin: http://evil.example"];
    assert_eq!(console.ask("POST", path, &foreign, &all).await.status, 403);
    let nobody = [&*host, cookie, json];
    assert_eq!(console.ask("POST", path, &nobody, &all).await.status, 403);
    let origin = format!("Origin: http://{}", console.host);
    let form = [&*host, cookie, &origin, "Content-Type: text/plain"];
    assert_eq!(console.ask("POST", path, &form, &all).await.status, 415);
    assert_eq!(console.post(path, &json!({})).await.status, 400);

    let elsewhere = tiphys([
        "console",
        "--listen",
        "0.0.0.0:0",
        "-f",
        manifests,
        "--nats",
        "x",
    ]);
    assert_eq!(elsewhere.status.code(), Some(1));
}

#[tokio::test]
async fn an_event_is_shown_with_the_reason_that_why_gives() {
    let Scene {
        world,
        wire,
        manifests,
        ..
    } = &scene().await;
    let console = Console::start(world, manifests);
    let mut stream = console.stream(None).await;
    stream.until("bus", |bus| bus["ok"] == true).await;
    stream.until("rates", |_| true).await;
    let script = "<script>alert(1)</script>";
    let small = json!({"size": 5, "name": script});
    wire.event("input", "a", "small", &small).await;
    let secret = json!({"kind": "Secret", "data": {"key": "c2VhbA=="}, "size": 5});
    wire.event("input", "a", "secret", &secret).await;
    assert_eq!(stream.events(2).await, ["small", "secret"]);

    let found = console.get("/api/event?number=1").await;
    assert_eq!(found.headers["content-type"], "application/json");
    let found = found.json();
    assert_eq!(found["event"]["decisions"][0]["outcome"], "filtered");
    let url = world.nats().url();
    let why = tiphys([
        "why",
        "small",
        "-f",
        manifests,
        "--nats",
        &url,
        "-n",
        world.namespace(),
    ]);
    let why = String::from_utf8(why.stdout).unwrap();
    let conclusion = found["conclusion"][0].as_str().unwrap();
    assert!(
        conclusion
            .contains("did not fire, because dependency a: data[0] size: 5, wanted a number > 10"),
        "{conclusion}"
    );
    assert!(why.contains(conclusion), "{conclusion}\n{why}");
    assert_eq!(found["data"]["name"], script);

    let hidden = console.get("/api/event?number=2").await;
    assert!(!hidden.body.contains("c2VhbA=="), "{}", hidden.body);
    assert_eq!(hidden.json()["data"]["data"]["key"], "***");
    let listed = console
        .get("/api/events?text=alert&outcome=filtered")
        .await
        .json();
    assert_eq!(listed["events"].as_array().unwrap().len(), 1);
    assert_eq!((&listed["first"], &listed["last"]), (&json!(1), &json!(2)));

    // A tab that comes back has no gap and sees nothing twice.
    drop(stream);
    wire.event("input", "b", "third", &json!({})).await;
    let mut again = console.stream(Some(1)).await;
    assert_eq!(again.events(2).await, ["secret", "third"]);

    let flow = console.get("/api/flow").await.json();
    let picture = console.get("/api/flow.svg").await;
    assert_eq!(picture.headers["content-type"], "image/svg+xml");
    assert!(
        !picture.body.contains("<style"),
        "the policy of the page forbids it"
    );
    for node in flow["nodes"].as_array().unwrap() {
        let id = format!("id=\"{}\"", node["id"].as_str().unwrap());
        assert!(picture.body.contains(&id), "{id}");
    }
}

#[tokio::test]
async fn other_objects_answer_without_a_change() {
    let Scene {
        world,
        wire,
        manifests,
        web,
        ..
    } = &scene().await;
    wire.event("input", "a", "small", &json!({"size": 15, "name": "argo"}))
        .await;
    let console = Console::start(world, manifests);
    let edited = sensor(world, web).replace("'10'", "'20'");
    let explained = json!({"number": 1, "manifests": edited});
    let explained = console.post("/api/event/explain", &explained).await.json();
    let conclusion = explained["conclusion"][0].as_str().unwrap();
    assert!(
        conclusion.contains("size: 15, wanted a number > 20"),
        "{conclusion}"
    );
    let now = console.get("/api/event?number=1").await.json();
    assert_eq!(now["event"]["decisions"][0]["outcome"], "fired");

    let compared = console
        .post("/api/compare", &json!({"manifests": edited}))
        .await
        .json();
    assert_eq!(
        (&compared["events"], &compared["changed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(compared["changes"][0]["change"], "gone");

    let tried = json!({
        "manifests": edited.replace("comparator: '>'", "comparator: '~'"),
        "input": r#"{"eventSourceName": "input", "eventName": "a", "data": {"size": 50}}"#,
    });
    let tried = console.post("/api/try", &tried).await.json();
    assert!(!tried["faults"].as_array().unwrap().is_empty(), "{tried}");
    let broken = json!({"number": 1, "manifests": "kind: [Sensor"});
    let broken = console.post("/api/event/explain", &broken).await;
    assert_eq!(broken.status, 400, "{}", broken.body);
}

#[tokio::test]
async fn a_replay_says_first_what_it_does_and_does_it_once() {
    let Scene {
        world,
        wire,
        manifests,
        web,
        is_open,
        ..
    } = &scene().await;
    wire.event("input", "a", "large", &json!({"size": 50, "name": "argo"}))
        .await;
    wire.dead_letters(1).await;
    let console = Console::start(world, manifests);
    let groups = console.get("/api/dead-letters").await.json();
    assert_eq!(groups["total"], 1);
    let group = &groups["groups"][0];
    assert_eq!(group["trigger"], "call");
    is_open.store(true, Ordering::Relaxed);
    let before = web.asked().len();

    let dry = json!({"group": group, "dryRun": true});
    let dry = console.post("/api/dead-letters/replay", &dry).await.json();
    let line = dry["done"][0].as_str().unwrap();
    assert!(line.contains("would be replayed"), "{line}");
    assert_eq!(console.get("/api/dead-letters").await.json()["total"], 1);

    let done = console
        .post("/api/dead-letters/replay", &json!({"group": group}))
        .await
        .json();
    assert_eq!(done["refused"], json!([]));
    let asked = web.asked_times(before + 1).await;
    assert_eq!(asked.last().unwrap().body, r#"{"title":"argo"}"#);
    let gone = || async {
        let groups = console.get("/api/dead-letters").await.json();
        (groups["total"] == 0).then_some(())
    };
    eventually("no dead letter", gone).await;
    let again = console
        .post("/api/dead-letters/replay", &json!({"all": true}))
        .await
        .json();
    assert_eq!(again, json!({"done": [], "refused": []}));

    // An event that is sent again is another one, and its trigger fires again.
    let sent = console
        .post("/api/events/send-again", &json!({"number": 1}))
        .await
        .json();
    assert!(
        sent["done"][0]
            .as_str()
            .unwrap()
            .contains("published on default.input.a")
    );
    assert_eq!(web.asked_times(before + 2).await.len(), before + 2);

    let pause = json!({"kind": "Sensor", "namespace": world.namespace(), "name": "workbench"});
    let refused = console.post("/api/objects/pause", &pause).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_goes_and_comes_back_is_said() {
    let Scene {
        mut world,
        wire,
        manifests,
        ..
    } = scene().await;
    wire.event("input", "a", "one", &json!({"size": 1})).await;
    let console = Console::start(&world, &manifests);
    let mut stream = console.stream(Some(0)).await;
    assert_eq!(stream.events(1).await, ["one"]);
    // One that has seen no event yet once began anew when the bus was back, and missed what came first.
    let mut newest = console.stream(None).await;
    newest.until("rates", |_| true).await;
    world.nats_mut().kill(0).unwrap();
    stream.until("bus", |bus| bus["ok"] == false).await;
    tokio::task::block_in_place(|| world.nats_mut().restart(0)).unwrap();
    let wire = Wire::to(&world).await;
    wire.event("input", "a", "two", &json!({"size": 2})).await;
    assert_eq!(stream.events(1).await, ["two"]);
    assert_eq!(newest.events(1).await, ["two"]);
}
