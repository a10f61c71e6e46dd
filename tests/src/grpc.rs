//! Servers of gRPC as users write them: one with events, and one that acts on resources.
//!
//! They speak HTTP/2 by hyper; as most servers do, the one with events answers with its first event only.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tiphys_clients::grpc::eventing::{Event, EventSource};
use tiphys_clients::grpc::trigger::{
    ApplyPolicyRequest, ApplyPolicyResponse, ExecuteRequest, ExecuteResponse, FetchResourceRequest,
    FetchResourceResponse,
};
use tiphys_testbed::{Certificates, free_port};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use crate::web::server_config;

/// Answers a request.
pub(crate) type Handler =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A server at a port; it ends with the story.
pub(crate) struct Server {
    pub(crate) port: u16,
    tls: Option<TlsAcceptor>,
    handler: Handler,
    serving: Option<JoinSet<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server at {}", self.port)
    }
}

impl Server {
    pub(crate) fn start(certificates: Option<&Certificates>, handler: Handler) -> Self {
        let tls = certificates.map(|certificates| {
            let mut config = server_config(certificates);
            config.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(config).into()
        });
        let mut server = Self {
            port: free_port().expect("there is a free port"),
            tls,
            handler,
            serving: None,
        };
        server.restart();
        server
    }

    pub(crate) fn restart(&mut self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = StdListener::bind(address).expect("the port is free");
        listener.set_nonblocking(true).expect("it can be awaited");
        let listener = TcpListener::from_std(listener).expect("it can be awaited");
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, self.tls.clone(), self.handler.clone()));
        self.serving = Some(serving);
    }

    /// Ends it: its connections break, and its port is free.
    pub(crate) fn kill(&mut self) {
        self.serving = None;
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Handler) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let answering = handler(request);
            async move { Ok::<_, Infallible>(answering.await) }
        });
        let tls = tls.clone();
        // A client that goes away is none of the story's business.
        connections.spawn(async move {
            let http = http2::Builder::new(TokioExecutor::new());
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(http.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
                None => drop(http.serve_connection(TokioIo::new(stream), service).await),
            }
        });
    }
}

/// A server with events: whoever listens gets them, and nobody else.
#[derive(Debug)]
pub struct EventingServer {
    server: Server,
    listeners: Arc<Listeners>,
}

/// Who listens.
#[derive(Debug, Default)]
struct Listeners {
    token: Option<&'static str>,
    open: Mutex<Vec<UnboundedSender<Event>>>,
    asked: Mutex<Vec<EventSource>>,
}

impl EventingServer {
    /// A server that lets whoever has the token listen; without one, everybody.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(token: Option<&'static str>, certificates: Option<&Certificates>) -> Self {
        let listeners = Arc::new(Listeners {
            token,
            ..Listeners::default()
        });
        let known = listeners.clone();
        let handler: Handler = Arc::new(move |request| Box::pin(known.clone().answer(request)));
        Self {
            server: Server::start(certificates, handler),
            listeners,
        }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }

    /// Says this to whoever listens.
    ///
    /// # Panics
    /// When the server has panicked.
    pub fn say(&self, bodies: impl IntoIterator<Item = Vec<u8>>) {
        let mut open = self.listeners.open.lock().expect("nobody panics");
        for body in bodies {
            let event = Event {
                name: "ev".to_owned(),
                payload: body.into(),
            };
            open.retain(|listener| listener.send(event.clone()).is_ok());
        }
    }

    /// What it was asked for.
    ///
    /// # Panics
    /// When the server has panicked.
    pub fn asked(&self) -> Vec<EventSource> {
        self.listeners.asked.lock().expect("nobody panics").clone()
    }

    /// Ends it: its connections break.
    ///
    /// # Panics
    /// When the server has panicked.
    pub fn kill(&mut self) {
        self.server.kill();
        self.listeners.open.lock().expect("nobody panics").clear();
    }

    /// Starts it again at its port.
    ///
    /// # Panics
    /// When its port is not free.
    pub fn restart(&mut self) {
        self.server.restart();
    }
}

impl Listeners {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path() != "/generic.Eventing/StartEventSource" {
            return Status::unimplemented("no such method").into_http();
        }
        let token = self.token.map(|token| format!("Bearer {token}"));
        let given = request.headers().get("authorization");
        if token.is_some() && given.and_then(|given| given.to_str().ok()) != token.as_deref() {
            return Status::unauthenticated("the token is none of ours").into_http();
        }
        let start = tower::service_fn(move |request: tonic::Request<EventSource>| {
            self.clone().listen(request.into_inner())
        });
        Grpc::new(ProstCodec::<Event, EventSource>::default())
            .server_streaming(start, request)
            .await
    }

    async fn listen(
        self: Arc<Self>,
        source: EventSource,
    ) -> Result<tonic::Response<BoxStream<'static, Result<Event, Status>>>, Status> {
        let (sender, mut receiver) = unbounded_channel();
        self.open.lock().expect("nobody panics").push(sender);
        self.asked.lock().expect("nobody panics").push(source);
        let Some(first) = receiver.recv().await else {
            return Err(Status::unavailable("the server ends"));
        };
        let rest = stream::unfold(receiver, |mut receiver| async move {
            let event = receiver.recv().await?;
            Some((event, receiver))
        });
        let events = stream::once(async { first }).chain(rest);
        Ok(tonic::Response::new(events.map(Ok).boxed()))
    }
}

/// What a server that acts on resources was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To make a resource of this YAML.
    Fetch(String),
    /// To act on a resource, with a payload.
    Execute(String, String),
    /// To judge what came of it.
    Judge(String),
}

/// What it answers: whether it was a success, for who asks that, and a text.
pub type Answer = Result<(bool, &'static str), Status>;

/// A server that acts on resources.
#[derive(Debug)]
pub struct TriggerServer {
    server: Server,
    acts: Arc<Acts>,
}

struct Acts {
    asked: Mutex<Vec<Asked>>,
    answers: Box<dyn Fn(&Asked) -> Answer + Send + Sync>,
}

impl std::fmt::Debug for Acts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acts")
    }
}

impl TriggerServer {
    /// A server that answers so.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(
        certificates: Option<&Certificates>,
        answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let acts = Arc::new(Acts {
            asked: Mutex::default(),
            answers: Box::new(answers),
        });
        let known = acts.clone();
        let handler: Handler = Arc::new(move |request| Box::pin(known.clone().answer(request)));
        Self {
            server: Server::start(certificates, handler),
            acts,
        }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }

    /// What it was asked for, in order.
    ///
    /// # Panics
    /// When the server has panicked.
    pub fn asked(&self) -> Vec<Asked> {
        self.acts.asked.lock().expect("nobody panics").clone()
    }

    /// Ends it: its connections break, and its port is free.
    pub async fn kill(&mut self) {
        if let Some(mut serving) = self.server.serving.take() {
            serving.shutdown().await;
        }
    }

    /// Starts it again at its port.
    ///
    /// # Panics
    /// When its port is not free.
    pub fn restart(&mut self) {
        self.server.restart();
    }
}

impl Acts {
    fn ask(&self, asked: Asked) -> Answer {
        let answer = (self.answers)(&asked);
        self.asked.lock().expect("nobody panics").push(asked);
        answer
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        match &*path {
            "/triggers.Trigger/FetchResource" => {
                unary(request, move |asked: FetchResourceRequest| {
                    let (_, text) = self.ask(Asked::Fetch(readable(&asked.resource)))?;
                    let resource = text.into();
                    Ok(FetchResourceResponse { resource })
                })
                .await
            }
            "/triggers.Trigger/Execute" => {
                unary(request, move |asked: ExecuteRequest| {
                    let asked = Asked::Execute(readable(&asked.resource), readable(&asked.payload));
                    let (_, text) = self.ask(asked)?;
                    let response = text.into();
                    Ok(ExecuteResponse { response })
                })
                .await
            }
            "/triggers.Trigger/ApplyPolicy" => {
                unary(request, move |asked: ApplyPolicyRequest| {
                    let (success, text) = self.ask(Asked::Judge(readable(&asked.request)))?;
                    let message = text.to_owned();
                    Ok(ApplyPolicyResponse { success, message })
                })
                .await
            }
            _ => Status::unimplemented("no such method").into_http(),
        }
    }
}

async fn unary<Q, A>(
    request: Request<Incoming>,
    answer: impl Fn(Q) -> Result<A, Status>,
) -> Response<Body>
where
    Q: prost::Message + Default + Send + Sync + 'static,
    A: prost::Message + Send + Sync + 'static,
{
    let service = tower::service_fn(|request: tonic::Request<Q>| {
        std::future::ready(answer(request.into_inner()).map(tonic::Response::new))
    });
    Grpc::new(ProstCodec::<A, Q>::default())
        .unary(service, request)
        .await
}

fn readable(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
