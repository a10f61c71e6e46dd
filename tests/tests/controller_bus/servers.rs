//! Real NATS servers run what the controller makes: its configuration, certificates and login.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Value, json};
use tiphys_api::ConditionStatus::True;
use tiphys_testbed::{Process, Scratch, free_port};
use tiphys_tests::{eventually, programs};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::stage::Stage;

type Data = BTreeMap<String, String>;

/// A server as the kubelet would run it, but on ports of its own.
struct Server {
    client: u16,
    monitor: u16,
    route: u16,
}

/// The files of a pod, by the key of the servers' Secret.
const FILES: [(&str, &str); 7] = [
    ("auth", "auth.conf"),
    ("private-key", "server-key.pem"),
    ("cert", "server-cert.pem"),
    ("ca-cert", "ca-cert.pem"),
    ("cluster-private-key", "cluster-server-key.pem"),
    ("cluster-cert", "cluster-server-cert.pem"),
    ("cluster-ca-cert", "cluster-ca-cert.pem"),
];

async fn data(stage: &Stage, name: &str) -> Data {
    let secret = stage.get::<Secret>(name).await.unwrap();
    let data = secret.data.unwrap().into_iter();
    data.map(|(key, value)| (key, String::from_utf8(value.0).unwrap()))
        .collect()
}

/// Starts a cluster with the configuration of a bus. Its addresses become local ones; names of hosts
/// cannot, so that routes do not look at the names in certificates.
fn start(config: &str, secret: &Data, scratch: &Scratch) -> (Vec<Server>, Vec<Process>) {
    let folder = scratch.path().display().to_string();
    for (key, file) in FILES {
        let content = secret[key].replace("/etc/nats-config", &folder);
        scratch.write(file, &content).unwrap();
    }
    let port = || free_port().unwrap();
    let servers: Vec<Server> = (0..3)
        .map(|_| Server {
            client: port(),
            monitor: port(),
            route: port(),
        })
        .collect();
    let routes: Vec<u16> = servers.iter().map(|server| server.route).collect();
    let mut processes = Vec::new();
    for (ordinal, server) in servers.iter().enumerate() {
        let mut text = config
            .replace("/etc/nats-config", &folder)
            .replace("/data/jetstream", &format!("{folder}/data-{ordinal}"))
            .replace("/var/run/nats/nats.pid", &format!("{folder}/{ordinal}.pid"))
            .replace(
                "port: 4222",
                &format!("listen: 127.0.0.1:{}", server.client),
            )
            .replace("http: 8222", &format!("http: 127.0.0.1:{}", server.monitor))
            .replace("port: 6222", &format!("listen: 127.0.0.1:{}", server.route))
            .replace(
                "cluster-ca-cert.pem\"\n",
                "cluster-ca-cert.pem\"\n    insecure: true\n",
            );
        for (other, route) in routes.iter().enumerate() {
            let start = text
                .find(&format!("nats://eventbus-eb-js-{other}."))
                .unwrap();
            let end = start + text[start..].find('\n').unwrap();
            text.replace_range(start..end, &format!("nats://127.0.0.1:{route}"));
        }
        let name = format!("eventbus-eb-js-{ordinal}");
        let path = scratch.write(&format!("{name}.conf"), &text).unwrap();
        let mut command = Command::new(&programs().nats_server);
        command
            .arg("--config")
            .arg(path)
            .env("POD_NAME", &name)
            .env("CLUSTER_ADVERTISE", format!("127.0.0.1:{}", server.route))
            .env("JS_KEY", &secret["encryption"]);
        processes.push(Process::spawn(&name, &mut command, scratch).unwrap());
    }
    (servers, processes)
}

/// Starts TLS with the server `name`, trusting `authorities`: as a client, who is greeted before, or
/// as another server with a certificate of its own. Returns the greeting, too.
async fn connect(
    port: u16,
    name: &str,
    authorities: &str,
    identity: Option<(&str, &str)>,
) -> std::io::Result<(BufReader<TlsStream<TcpStream>>, Value)> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificates = CertificateDer::pem_slice_iter(certificate.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            let certificates = certificates.map(Result::unwrap).collect();
            config.with_client_auth_cert(certificates, key).unwrap()
        }
    };
    let mut line = String::new();
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    if identity.is_none() {
        stream.read_line(&mut line).await?;
    }
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream.into_inner()).await?;
    let mut stream = BufReader::new(stream);
    if identity.is_some() {
        stream.read_line(&mut line).await?;
    }
    let info = serde_json::from_str(line.trim_start_matches("INFO ")).unwrap();
    Ok((stream, info))
}

/// A client of a bus, with no more than the protocol.
struct Client(BufReader<TlsStream<TcpStream>>);

impl Client {
    /// Logs in; what the server says if it refuses.
    async fn log_in(
        mut stream: BufReader<TlsStream<TcpStream>>,
        user: &str,
        password: &str,
    ) -> Result<Self, String> {
        let options = json!({"user": user, "pass": password, "verbose": false, "pedantic": false});
        let text = format!("CONNECT {options}\r\nSUB inbox 1\r\nPING\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut line = String::new();
        while !line.starts_with("PONG") {
            if line.starts_with("-ERR") {
                return Err(line.trim_end().to_owned());
            }
            line.clear();
            if stream.read_line(&mut line).await.unwrap() == 0 {
                return Err("the connection was closed".to_owned());
            }
        }
        Ok(Self(stream))
    }

    async fn ask(&mut self, subject: &str, body: &str) -> Value {
        let text = format!("PUB {subject} inbox {}\r\n{body}\r\n", body.len());
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
        let mut line = String::new();
        while !line.starts_with("MSG inbox") {
            line.clear();
            assert_ne!(
                self.0.read_line(&mut line).await.unwrap(),
                0,
                "an answer to {subject}"
            );
        }
        let length: usize = line.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }
}

fn login(secret: &Data) -> (&str, &str) {
    let mut lines = secret["client-auth"].lines();
    let user = lines.next().unwrap().strip_prefix("username: ").unwrap();
    let password = lines.next().unwrap().strip_prefix("password: ").unwrap();
    (user, password)
}

async fn is_healthy(server: &Server) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.monitor))
        .await
        .ok()?;
    let request = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(())
}

#[tokio::test]
async fn three_servers_form_a_bus_that_knows_its_clients() {
    let stage = Stage::start().await;
    stage.bus("{jetstream: {version: latest}}").await;
    stage.condition("Deployed", True, "Succeeded").await;
    let config = stage
        .get::<ConfigMap>("eventbus-eb-js-config")
        .await
        .unwrap();
    let config = config.data.unwrap()["nats-js"].clone();
    let secret = data(&stage, "eventbus-eb-js-server").await;
    let access = data(&stage, "eventbus-eb-js-client-auth").await;

    let scratch = Scratch::new("bus").unwrap();
    let (servers, _processes) = start(&config, &secret, &scratch);
    for server in &servers {
        eventually("a server being healthy", || is_healthy(server)).await;
    }

    let host = format!("eventbus-eb-js-svc.{}.svc", stage.world.namespace());
    let trusted = &access["ca-cert"];
    let (stream, info) = connect(servers[1].client, &host, trusted, None)
        .await
        .unwrap();
    // Addresses are no names that a certificate could have.
    assert_eq!(info.get("connect_urls"), None, "{info}");
    let (user, password) = login(&access);
    let mut client = Client::log_in(stream, user, password).await.unwrap();
    let stream = json!({"name": "default", "subjects": ["default.*.*"], "num_replicas": 3,
                        "storage": "file"});
    let made = client
        .ask("$JS.API.STREAM.CREATE.default", &stream.to_string())
        .await;
    assert_eq!(made["config"]["num_replicas"], 3, "{made}");
    assert_eq!(made["cluster"]["name"], "eb");
    let stored = client.ask("default.es.event", "{}").await;
    assert_eq!(stored["seq"], 1, "{stored}");

    let (stream, _) = connect(servers[0].client, &host, trusted, None)
        .await
        .unwrap();
    let refused = Client::log_in(stream, user, "guessed").await.err().unwrap();
    assert_eq!(refused, "-ERR 'Authorization Violation'");
    let stranger = connect(servers[0].client, "another.host", trusted, None).await;
    assert!(stranger.is_err());
}

#[tokio::test]
async fn servers_show_each_other_certificates_with_their_names() {
    let stage = Stage::start().await;
    stage.bus("{jetstream: {version: latest}}").await;
    stage.condition("Deployed", True, "Succeeded").await;
    let config = stage
        .get::<ConfigMap>("eventbus-eb-js-config")
        .await
        .unwrap();
    let config = config.data.unwrap()["nats-js"].clone();
    let secret = data(&stage, "eventbus-eb-js-server").await;
    let scratch = Scratch::new("routes").unwrap();
    let (servers, _processes) = start(&config, &secret, &scratch);
    eventually("a server being healthy", || is_healthy(&servers[0])).await;

    let host = format!(
        "eventbus-eb-js-0.eventbus-eb-js-svc.{}.svc",
        stage.world.namespace()
    );
    let identity = (
        secret["cluster-cert"].as_str(),
        secret["cluster-private-key"].as_str(),
    );
    let trusted = &secret["cluster-ca-cert"];
    let route = connect(servers[0].route, &host, trusted, Some(identity)).await;
    // It is greeted only after its certificate was looked at.
    let (_, info) = route.unwrap();
    assert_eq!(info["tls_required"], true, "{info}");
    assert_eq!(info["cluster"], "eb", "{info}");
}
