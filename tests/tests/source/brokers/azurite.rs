//! Azure Queue Storage as an upstream: a queue of Azurite, which checks signatures as Azure does.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sha2::Sha256;
use tiphys_clients::http::{Pool, Settings, parse, read};
use tiphys_clients::tls::Tls;
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Certificates};
use tiphys_tests::eventually;

use super::stage::{Stage, dead_letters, listening};
use super::{Kind, Wanted, body};

/// The account of every Azurite, and its key; both are public.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

const VERSION: &str = "2021-12-02";

/// A queue.
pub(super) struct Queue {
    server: BrokerServer,
    http: Pool,
}

impl Queue {
    fn connection_string(&self, key: &str) -> String {
        let address = self.server.address();
        format!("AccountName={ACCOUNT};AccountKey={key};QueueEndpoint=http://{address}/{ACCOUNT};")
    }

    /// Calls the service, for as long as it takes until it is there.
    async fn ask(&self, method: Method, path: &str, text: &str) -> (HeaderMap, String) {
        let url = format!("http://{}/{ACCOUNT}/{path}", self.server.address());
        let url = parse(&url).unwrap();
        let settings = Settings {
            tls: Tls::default(),
            proxies: false,
            follows: false,
        };
        let client = self.http.get(&settings).unwrap();
        let mut response = eventually("an answer", || async {
            let now = Timestamp::now().to_zoned(TimeZone::UTC);
            let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let length = match text.len() {
                0 => String::new(),
                length => length.to_string(),
            };
            let parameters: BTreeMap<_, _> = url.query_pairs().collect();
            let parameters = parameters
                .iter()
                .flat_map(|(name, value)| ["\n", name, ":", value])
                .collect::<String>();
            let signed = format!(
                "{method}\n\n\n{length}\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{VERSION}\n\
                 /{ACCOUNT}{}{parameters}",
                url.path()
            );
            let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
            mac.update(signed.as_bytes());
            let signature = STANDARD.encode(mac.finalize().into_bytes());
            let request = client.request(method.clone(), url.clone());
            let request = request
                .header("x-ms-date", date)
                .header("x-ms-version", VERSION)
                .header("content-length", text.len())
                .header("authorization", format!("SharedKey {ACCOUNT}:{signature}"));
            request.body(text.to_owned()).send().await.ok()
        })
        .await;
        let status = response.status();
        let (answer, _) = read(&mut response, 1 << 20).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(status.is_success(), "{status}: {answer}");
        (response.headers().clone(), answer)
    }

    async fn send_text(&self, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let message = format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>");
        self.ask(Method::POST, "orders/messages", &message).await;
    }
}

#[async_trait]
impl Kind for Queue {
    const KEEPS: bool = true;
    const LANES: Option<u64> = None;
    const LARGE: usize = 60_000;
    const PASSWORD: &'static str = "spec.azureQueueStorage.ev.connectionString";

    async fn start(_: Wanted) -> Self {
        let starting = || BrokerServer::start(Broker::Azurite, &BrokerOptions::default());
        let server = tokio::task::spawn_blocking(starting)
            .await
            .unwrap()
            .unwrap();
        let queue = Self {
            server,
            http: Pool::default(),
        };
        queue.ask(Method::PUT, "orders", "").await;
        queue
    }

    fn spec(&self) -> (&'static str, Value) {
        let event = json!({
            "queueName": "orders", "jsonBody": true, "waitTimeInSeconds": 0,
            "connectionString": {"name": "login", "key": "password"},
        });
        ("azureQueueStorage", event)
    }

    fn login(&self) -> (String, String) {
        (ACCOUNT.to_owned(), self.connection_string(KEY))
    }

    fn mistaken(&self) -> String {
        self.connection_string("bWlzdGFrZW4=")
    }

    fn certificates(&self) -> Option<&Certificates> {
        None
    }

    async fn send(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.send_text(&body(number)).await;
        }
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.send_text(&String::from_utf8_lossy(body)).await;
    }

    async fn left(&mut self) -> u64 {
        let (headers, _) = self.ask(Method::GET, "orders?comp=metadata", "").await;
        let count = &headers["x-ms-approximate-messages-count"];
        count.to_str().unwrap().parse().unwrap()
    }

    fn kill(&mut self) {
        // It writes down what it keeps only now and then.
        self.server.stop().unwrap();
    }

    fn restart(&mut self) {
        self.server.restart().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_in_base64_are_decoded_and_what_is_none_can_be_left() {
    let edit = |event: &mut Value| {
        event["decodeMessage"] = true.into();
        event["dlq"] = true.into();
    };
    let mut stage = Stage::<Queue>::new(Wanted::default(), "", edit).await;
    let tiphys = stage.start("pod-0").await;
    stage.broker.send_text("{oh}").await;
    for number in 0..3 {
        stage.broker.send_text(&STANDARD.encode(body(number))).await;
    }
    stage.stored(3).await;
    stage.check_all_once(3).await;
    let is_said = |report: &Value| {
        let error = report["parts"][0]["lastError"].to_string();
        error.contains("is left in the queue: the message is no Base64")
    };
    tiphys.reported("what is left", is_said).await;
    dead_letters(&tiphys, 0).await;
    assert_eq!(stage.broker.left().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_bus_stays_hidden_and_goes_back_at_the_end() {
    let mut stage = Stage::<Queue>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..1).await;
    stage.stored(1).await;
    stage.bus.kill(0).unwrap();
    stage.broker.send(1..20).await;
    // Longer than a message is hidden at a time: it has another receipt by then.
    tiphys_tests::pause(std::time::Duration::from_secs(35)).await;
    tiphys.stop().await;
    tokio::task::block_in_place(|| stage.bus.restart(0)).unwrap();
    let next = stage.start("pod-1").await;
    listening(&next).await;
    stage.stored(20).await;
    stage.check_all_once(20).await;
    stage.check_nothing_left().await;
}
