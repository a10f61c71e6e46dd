//! Stories of objects that are fetched when a trigger fires.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tiphys_clients::values::{ClusterValues, Values};
use tiphys_tests::{World, eventually};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::running::{KnownValues, Running, Setting};
use crate::web::{Answer, Asked, Web, answer};

const MANIFEST: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-}\ndata: {count: '1'}\n";

/// A sensor that makes the object at `source`, named after the event.
fn spec(source: &str) -> String {
    format!(
        "dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- template:
    name: make
    k8s:
      source: {source}
      parameters:
      - {{src: {{dependencyName: dep, dataKey: id}}, dest: metadata.name, operation: append}}
"
    )
}

struct Story {
    world: World,
    maps: Api<ConfigMap>,
}

impl Story {
    async fn start() -> Self {
        let world = World::start().await;
        let maps = Api::namespaced(world.client().await, world.namespace());
        Self { world, maps }
    }

    async fn run(&self, source: &str, values: Arc<dyn Values>) -> Running {
        let setting = Setting {
            namespace: self.world.namespace().to_owned(),
            client: Some(self.world.client().await),
            values,
            ..Setting::default()
        };
        Running::start(&spec(source), setting).await
    }

    /// Waits for the object that the event `id` makes.
    async fn made(&self, id: &str) -> ConfigMap {
        let name = format!("from-{id}");
        eventually("the object is made", || async {
            self.maps.get_opt(&name).await.unwrap()
        })
        .await
    }
}

#[tokio::test]
async fn a_document_on_a_web_server_is_sent_again_only_if_it_changed() {
    let story = Story::start().await;
    let web = Web::start(|asked| match asked.headers.get("if-none-match") {
        Some(tag) if tag == "\"one\"" => answer(304),
        _ => answer(200).header("etag", "\"one\"").body(MANIFEST),
    })
    .await;
    let source = format!("{{url: {{path: '{}'}}}}", web.url("/job.yaml"));
    let sensor = story.run(&source, KnownValues::of(&[])).await;
    for id in ["a", "b"] {
        sensor
            .publish("order", &format!(r#"{{"id":"{id}"}}"#))
            .await;
        assert_eq!(story.made(id).await.data.unwrap()["count"], "1");
    }
    let asked: Vec<bool> = web
        .asked()
        .iter()
        .map(|asked| asked.headers.contains_key("if-none-match"))
        .collect();
    // The first is from before the trigger listened: it is warm when the first event comes.
    assert_eq!(asked, [false, true, true]);
    sensor.stop().await;
}

#[tokio::test]
async fn a_document_that_is_not_there_is_a_failure() {
    let story = Story::start().await;
    let web = Web::start(|_| answer(404)).await;
    let source = format!("{{url: {{path: '{}'}}}}", web.url("/job.yaml"));
    let sensor = story.run(&source, KnownValues::of(&[])).await;
    sensor.publish("order", r#"{"id":"a"}"#).await;
    let letter = sensor.dead_letter().await;
    assert_eq!(
        letter.error,
        format!("get {}: 404 Not Found", web.url("/job.yaml"))
    );
    assert!(
        letter
            .action
            .unwrap()
            .contains(r#""base":{"url":{"url":"http://"#)
    );
    sensor.stop().await;
}

#[tokio::test]
async fn objects_come_from_files_and_config_maps() {
    let story = Story::start().await;
    let client = story.world.client().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.yaml");
    let source = format!("{{file: {{path: '{}'}}}}", path.display());
    let sensor = story.run(&source, KnownValues::of(&[])).await;
    sensor.publish("order", r#"{"id":"file"}"#).await;
    assert!(sensor.unavailable().await.starts_with("read "));
    std::fs::write(&path, MANIFEST).unwrap();
    story.made("file").await;
    sensor.stop().await;

    let values = Arc::new(ClusterValues::new(client));
    let sensor = story
        .run("{configmap: {name: manifests, key: map.yaml}}", values)
        .await;
    sensor.publish("order", r#"{"id":"config"}"#).await;
    assert!(
        sensor
            .unavailable()
            .await
            .ends_with("/manifests does not exist")
    );
    let text = serde_json::to_string(&format!("{MANIFEST}\n")).unwrap();
    let manifest = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: manifests}}, data: {{map.yaml: {text}}}}}"
    );
    story.world.apply(&manifest).await;
    story.made("config").await;
    sensor.stop().await;
}

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args([
            "-c",
            "user.name=story",
            "-c",
            "user.email=story@example.com",
        ])
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "git {arguments:?}");
}

/// Answers as GitHub below `root`: its git, for who has the password, and for an app's installation 5 the password.
fn git_server(root: &Path, tokens: &AtomicUsize, asked: &Asked) -> Answer {
    let login = asked
        .headers
        .get("authorization")
        .map_or("", String::as_str);
    if asked.path == "/api/v3/app/installations/5/access_tokens" {
        // A token that is signed for the app 17; what is in it has a test of its own.
        let is_app = login.starts_with("Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.");
        if !is_app {
            return answer(401);
        }
        // The first one is revoked before it is used.
        let token = match tokens.fetch_add(1, Ordering::Relaxed) {
            0 => "revoked",
            _ => "pw",
        };
        let given = format!(r#"{{"token":"{token}","expires_at":"2100-01-02T03:04:05Z"}}"#);
        return answer(201).body(given);
    }
    // ada:pw, x-access-token:pw
    if !["Basic YWRhOnB3", "Basic eC1hY2Nlc3MtdG9rZW46cHc="].contains(&login) {
        return answer(401).header("www-authenticate", "Basic realm=story");
    }
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let header = |name: &str| asked.headers.get(name).cloned().unwrap_or_default();
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &asked.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", asked.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    backend
        .stdin
        .take()
        .unwrap()
        .write_all(&asked.body)
        .unwrap();
    let output = backend.wait_with_output().unwrap().stdout;
    let end = output
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap();
    let mut response = answer(200).body(&output[end + 4..]);
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            response.status = value[..3].parse().unwrap();
        } else {
            response = response.header(name, value);
        }
    }
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_comes_from_a_git_repository_with_a_login() {
    let story = Story::start().await;
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    git(&work, &["init", "--quiet", "-b", "main", "."]);
    std::fs::create_dir(work.join("jobs")).unwrap();
    std::fs::write(work.join("jobs/map.yaml"), MANIFEST).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "one"]);
    git(
        folder.path(),
        &["clone", "--quiet", "--bare", "work", "manifests.git"],
    );
    let root = folder.path().to_owned();
    let tokens = AtomicUsize::new(0);
    let web = Web::start(move |asked| git_server(&root, &tokens, asked)).await;
    let key = include_str!("../../src/google/key.pem");
    for (id, login) in [
        (
            "git",
            "creds: {username: {name: git, key: user}, password: {name: git, key: word}}",
        ),
        (
            "app",
            "githubApp: {privateKey: {name: git, key: app}, appID: 17, installationID: 5}",
        ),
    ] {
        let source = format!(
            "{{git: {{url: '{}', branch: main, filePath: jobs/map.yaml, cloneDirectory: /git, {login}}}}}",
            web.url("/manifests.git")
        );
        let values = [
            ("git", "user", "ada"),
            ("git", "word", "pw"),
            ("git", "app", key),
        ];
        let sensor = story.run(&source, KnownValues::of(&values)).await;
        sensor
            .publish("order", &format!(r#"{{"id":"{id}"}}"#))
            .await;
        story.made(id).await;
        sensor.stop().await;
    }
}

/// An S3 server with one bucket, `manifests`.
async fn s3_server(root: &Path, servers: &mut JoinSet<()>) -> String {
    std::fs::create_dir(root.join("manifests")).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single("access", "s3cret"));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    servers.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
            connections.spawn(async move {
                // A client that goes away is none of the story's business.
                connection.await.ok();
            });
        }
    });
    address
}

#[tokio::test]
async fn an_object_comes_from_an_s3_bucket() {
    let story = Story::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut servers = JoinSet::new();
    let endpoint = s3_server(folder.path(), &mut servers).await;
    std::fs::create_dir(folder.path().join("manifests/jobs")).unwrap();
    std::fs::write(folder.path().join("manifests/jobs/a map.yaml"), MANIFEST).unwrap();
    let source = format!(
        "{{s3: {{endpoint: '{endpoint}', insecure: true, bucket: {{name: manifests, key: jobs/a map.yaml}},
        accessKey: {{name: s3, key: access}}, secretKey: {{name: s3, key: secret}}}}}}"
    );
    let wrong = KnownValues::of(&[("s3", "access", "access"), ("s3", "secret", "wrong")]);
    let sensor = story.run(&source, wrong).await;
    sensor.publish("order", r#"{"id":"s3"}"#).await;
    assert!(sensor.unavailable().await.ends_with(": 403 Forbidden"));
    sensor.stop().await;

    story
        .world
        .apply(
            "{apiVersion: v1, kind: Secret, metadata: {name: s3},
            stringData: {access: access, secret: \"s3cret\\n\"}}",
        )
        .await;
    let values = Arc::new(ClusterValues::new(story.world.client().await));
    let sensor = story.run(&source, values).await;
    sensor.publish("order", r#"{"id":"s3"}"#).await;
    story.made("s3").await;
    sensor.stop().await;
}
