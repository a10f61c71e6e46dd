//! A MinIO server with one bucket: an S3 server that checks logins and lists objects, with what MinIO has
//! beyond that in front of it. What is written to the bucket without being told is what happened in a gap.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::byte_serialize;
use futures::StreamExt as _;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use serde_json::json;
use tempfile::TempDir;
use tiphys_testbed::{Certificates, free_port};
use tiphys_tests::web::server_config;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

pub(super) const BUCKET: &str = "harbour";
pub(super) const ACCESS_KEY: &str = "tiphys";
pub(super) const SECRET_KEY: &str = "right";

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Somebody who listens.
struct Listener {
    prefix: String,
    suffix: String,
    events: Vec<String>,
    lines: mpsc::UnboundedSender<Bytes>,
}

/// How a server differs from MinIO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// It is an S3 server and no more, and says so.
    Plain,
    /// It takes the question for one of a list, as AWS does.
    Lists,
    /// It says nothing while nothing happens.
    Silent,
    /// Nobody may list the bucket.
    Forbids,
}

/// A server.
pub(super) struct Server {
    port: u16,
    folder: TempDir,
    flaw: Arc<Mutex<Flaw>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
    sequence: u64,
    running: Option<JoinSet<()>>,
    tls: Option<(Certificates, TlsAcceptor)>,
}

impl Server {
    pub(super) fn start(is_encrypted: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut server = Self {
            port: free_port().unwrap(),
            folder,
            flaw: Arc::new(Mutex::new(Flaw::None)),
            listeners: Arc::default(),
            sequence: 0,
            running: None,
            tls: is_encrypted.then(|| {
                let certificates = Certificates::generate().unwrap();
                let acceptor = Arc::new(server_config(&certificates)).into();
                (certificates, acceptor)
            }),
        };
        server.restart();
        server
    }

    pub(super) fn certificates(&self) -> Option<&Certificates> {
        self.tls.as_ref().map(|(certificates, _)| certificates)
    }

    pub(super) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn set_flaw(&self, flaw: Flaw) {
        *self.flaw.lock().unwrap() = flaw;
    }

    /// Writes an object, and tells of it.
    pub(super) fn put(&mut self, key: &str) {
        self.put_untold(key);
        self.tell("s3:ObjectCreated:Put", key, &json!({}));
    }

    /// Writes an object, and tells nobody.
    pub(super) fn put_untold(&self, key: &str) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "hello").unwrap();
    }

    /// Removes an object, and tells of it.
    pub(super) fn remove(&mut self, key: &str) {
        std::fs::remove_file(self.path(key)).unwrap();
        self.tell("s3:ObjectRemoved:Delete", key, &json!({}));
    }

    /// Tells whoever listens.
    pub(super) fn tell(&mut self, event: &str, key: &str, metadata: &serde_json::Value) {
        self.sequence += 1;
        let written: String = byte_serialize(key.as_bytes()).collect();
        let record = json!({
            "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "",
            "eventTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "eventName": event, "userIdentity": {"principalId": ACCESS_KEY},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-request-id": "17"},
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "Config",
                "bucket": {
                    "name": BUCKET, "ownerIdentity": {"principalId": ACCESS_KEY},
                    "arn": "arn:aws:s3:::harbour",
                },
                "object": {
                    "key": written, "size": 5, "userMetadata": metadata,
                    "sequencer": format!("{:016X}", self.sequence),
                },
            },
            "source": {"host": "127.0.0.1", "port": "", "userAgent": "story"},
        });
        let line = Bytes::from(format!("{}\n", json!({"Records": [record]})));
        let mut listeners = self.listeners.lock().unwrap();
        listeners.retain(|listener| {
            let hears = key.starts_with(&listener.prefix)
                && key.ends_with(&listener.suffix)
                && listener.events.iter().any(|wanted| {
                    let wanted = wanted.trim_end_matches('*');
                    event.starts_with(wanted)
                });
            !hears || listener.lines.send(line.clone()).is_ok()
        });
    }

    /// Ends the answers of all who listen.
    pub(super) fn hang_up(&self) {
        self.listeners.lock().unwrap().clear();
    }

    /// How many listen.
    pub(super) fn listeners(&self) -> usize {
        let mut listeners = self.listeners.lock().unwrap();
        listeners.retain(|listener| !listener.lines.is_closed());
        listeners.len()
    }

    pub(super) fn kill(&mut self) {
        self.running = None;
        self.hang_up();
    }

    pub(super) fn restart(&mut self) {
        let listener = std::net::TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let mut builder =
            S3ServiceBuilder::new(s3s_fs::FileSystem::new(self.folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let desk = Desk {
            s3: builder.build(),
            flaw: self.flaw.clone(),
            listeners: self.listeners.clone(),
        };
        let acceptor = self.tls.as_ref().map(|(_, acceptor)| acceptor.clone());
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (desk, acceptor) = (desk.clone(), acceptor.clone());
                connections.spawn(async move {
                    match acceptor {
                        None => serve(stream, desk).await,
                        Some(acceptor) => {
                            // Otherwise it does not trust us.
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, desk).await;
                            }
                        }
                    }
                });
            }
        });
        self.running = Some(running);
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, desk: Desk) {
    let service = service_fn(move |request| desk.clone().answer(request));
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away is none of the story's business.
    serving.await.ok();
}

#[derive(Clone)]
struct Desk {
    s3: S3Service,
    flaw: Arc<Mutex<Flaw>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
}

impl Desk {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let bucket = request.uri().path().trim_matches('/').to_owned();
        // It checks the login first, and then says that it cannot listen.
        let answer = self.s3.call(request.map(s3s::Body::from)).await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        let flaw = *self.flaw.lock().unwrap();
        if flaw == Flaw::Forbids && query.iter().any(|(name, _)| name == "list-type") {
            let error = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
            return Ok(xml(403, error));
        }
        let is_listening = query.iter().any(|(name, _)| name == "events");
        let is_let_in = answer.status() == StatusCode::NOT_IMPLEMENTED;
        if !is_listening || !is_let_in || flaw == Flaw::Plain {
            return Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()));
        }
        if flaw == Flaw::Lists {
            return Ok(xml(200, "<ListBucketResult></ListBucketResult>"));
        }
        if bucket != BUCKET {
            let error = "<Error><Code>NoSuchBucket</Code><Message>No such bucket</Message></Error>";
            return Ok(xml(404, error));
        }
        let all = |name: &str| {
            let values = query.iter().filter(|(other, _)| other == name);
            values.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let (lines, said) = mpsc::unbounded_channel();
        self.listeners.lock().unwrap().push(Listener {
            prefix: all("prefix").concat(),
            suffix: all("suffix").concat(),
            events: all("events"),
            lines,
        });
        let body = if flaw == Flaw::Silent {
            let said = stream::unfold(
                said,
                |mut said| async move { Some((said.recv().await?, said)) },
            );
            StreamBody::new(said.map(|line| Ok(Frame::data(line)))).boxed_unsync()
        } else {
            let said = stream::unfold((said, ticks()), |(mut said, mut tick)| async move {
                let line = tokio::select! {
                    line = said.recv() => line?,
                    _ = tick.tick() => Bytes::from_static(b"{\"Records\":null}\n"),
                };
                Some((line, (said, tick)))
            });
            StreamBody::new(said.map(|line| Ok(Frame::data(line)))).boxed_unsync()
        };
        let answer = Response::builder().header("content-type", "text/event-stream");
        Ok(answer.body(body)?)
    }
}

fn xml(status: u16, body: &'static str) -> Response<Body> {
    let body = Full::from(body).map_err(Into::into).boxed_unsync();
    let answer = Response::builder().status(status);
    answer
        .header("content-type", "application/xml")
        .body(body)
        .unwrap()
}

/// As often as the client asks for.
fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
