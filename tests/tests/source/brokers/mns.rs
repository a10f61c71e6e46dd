//! Alibaba's MNS as an upstream: a fake of a queue that does what its documentation says, and checks signatures.
//! There is no server of it to be had.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha1::Sha1;
use tiphys_testbed::Certificates;
use tiphys_tests::web::{Answer, Asked, Web, answer};

use super::{Kind, Wanted, body};

/// How long a message is hidden, if nobody says it.
const HIDDEN_FOR: Duration = Duration::from_secs(30);

/// How long an empty queue waits for a message, at most: less than it is asked for, since it does not hear of one
/// that comes.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// A queue.
pub(super) struct Queue {
    messages: Arc<Mutex<Messages>>,
    address: SocketAddr,
    web: Option<Web>,
}

#[derive(Default)]
struct Messages {
    next: u64,
    /// By their ids.
    left: BTreeMap<u64, Message>,
}

struct Message {
    body: String,
    visible_at: Instant,
    /// How often it was received or hidden: its receipt is good until the next time.
    turn: u64,
}

impl Queue {
    fn push(&self, body: &str) {
        let mut messages = self.messages.lock().unwrap();
        let id = messages.next;
        messages.next += 1;
        let message = Message {
            body: body.to_owned(),
            visible_at: Instant::now(),
            turn: 0,
        };
        messages.left.insert(id, message);
    }
}

impl Messages {
    fn answer(&mut self, asked: &Asked) -> Answer {
        if let Some(refusal) = refusal(asked) {
            return refusal;
        }
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        if path != "/queues/orders/messages" {
            return error(404, "QueueNotExist");
        }
        let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        match asked.method.as_str() {
            "GET" => self.receive(&query),
            "PUT" => self.hide(&query["ReceiptHandle"], &query["VisibilityTimeout"]),
            "DELETE" => self.delete(&String::from_utf8_lossy(&asked.body)),
            _ => error(400, "InvalidRequestURL"),
        }
    }

    fn receive(&mut self, query: &BTreeMap<String, String>) -> Answer {
        let most: usize = query["numOfMessages"].parse().unwrap();
        if !(1..=16).contains(&most) {
            return error(400, "InvalidArgument");
        }
        let now = Instant::now();
        let until = Timestamp::now().as_millisecond() + 30_000;
        let mut text = r#"<Messages xmlns="http://mns.aliyuncs.com/doc/v1/">"#.to_owned();
        let visible = self.left.iter_mut();
        let visible = visible.filter(|(_, message)| message.visible_at <= now);
        let mut count = 0;
        for (id, message) in visible.take(most) {
            message.turn += 1;
            message.visible_at = now + HIDDEN_FOR;
            count += 1;
            let body = message.body.replace('&', "&amp;").replace('<', "&lt;");
            write!(
                text,
                "<Message><MessageId>M{id}</MessageId><ReceiptHandle>{id}-{}==</ReceiptHandle>\
                 <MessageBody>{body}</MessageBody><NextVisibleTime>{until}</NextVisibleTime></Message>",
                message.turn
            )
            .unwrap();
        }
        if count == 0 {
            let wait = match query.get("waitseconds") {
                Some(_) => LONGEST_WAIT,
                None => Duration::ZERO,
            };
            return error(404, "MessageNotExist").after(wait);
        }
        answer(200).body(text + "</Messages>")
    }

    fn hide(&mut self, receipt: &str, seconds: &str) -> Answer {
        let seconds: u64 = seconds.parse().unwrap();
        if !(1..=43_200).contains(&seconds) {
            return error(400, "InvalidArgument");
        }
        match self.of(receipt) {
            Ok((id, message)) => {
                message.turn += 1;
                message.visible_at = Instant::now() + Duration::from_secs(seconds);
                answer(200).body(format!(
                    "<ChangeVisibility><ReceiptHandle>{id}-{}==</ReceiptHandle></ChangeVisibility>",
                    message.turn
                ))
            }
            Err(code) => error(404, code),
        }
    }

    fn delete(&mut self, list: &str) -> Answer {
        let parts = list.split("<ReceiptHandle>").skip(1);
        let receipts = parts.map(|part| part.split_once("</").unwrap().0);
        let mut errors = String::new();
        let mut count = 0;
        for receipt in receipts {
            count += 1;
            match self.of(receipt).map(|(id, _)| id) {
                Ok(id) => drop(self.left.remove(&id)),
                Err(code) => write!(
                    errors,
                    "<Error><ErrorCode>{code}</ErrorCode><ReceiptHandle>{receipt}</ReceiptHandle></Error>"
                )
                .unwrap(),
            }
        }
        assert!((1..=16).contains(&count), "{count} receipts");
        if errors.is_empty() {
            answer(204)
        } else {
            answer(404).body(format!("<Errors>{errors}</Errors>"))
        }
    }

    /// The message of a receipt that is still good.
    fn of(&mut self, receipt: &str) -> Result<(u64, &mut Message), &'static str> {
        let (id, turn) = receipt.trim_end_matches('=').split_once('-').unwrap();
        let (id, turn): (u64, u64) = (id.parse().unwrap(), turn.parse().unwrap());
        match self.left.get_mut(&id) {
            None => Err("MessageNotExist"),
            Some(message) if message.turn != turn || message.visible_at <= Instant::now() => {
                Err("ReceiptHandleError")
            }
            Some(message) => Ok((id, message)),
        }
    }
}

fn error(status: u16, code: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\"?><Error xmlns=\"http://mns.aliyuncs.com/doc/v1\"><Code>{code}</Code>\
         <Message>as documented</Message><RequestId>R</RequestId><HostId>H</HostId></Error>"
    );
    answer(status).body(body)
}

/// Why a request is not worked on, whatever it is about.
fn refusal(asked: &Asked) -> Option<Answer> {
    let header = |name: &str| asked.headers.get(name).map_or("", String::as_str);
    if header("x-mns-version") != "2015-06-06" {
        return Some(error(400, "InvalidVersionHeader"));
    }
    let signed = format!(
        "{}\n{}\n{}\n{}\nx-mns-version:2015-06-06\n{}",
        asked.method,
        header("content-md5"),
        header("content-type"),
        header("date"),
        asked.path
    );
    let mut mac = Hmac::<Sha1>::new_from_slice(b"right").unwrap();
    mac.update(signed.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    match header("authorization").strip_prefix("MNS tiphys:") {
        None => Some(error(403, "InvalidAccessKeyId")),
        Some(said) if said != signature => Some(error(403, "SignatureDoesNotMatch")),
        Some(_) => None,
    }
}

async fn serve(address: SocketAddr, messages: Arc<Mutex<Messages>>) -> Web {
    Web::start_at(address, move |asked| messages.lock().unwrap().answer(asked)).await
}

#[async_trait]
impl Kind for Queue {
    const KEEPS: bool = true;
    const LANES: Option<u64> = None;
    const HAS_BODY: bool = false;
    const LARGE: usize = 60_000;
    const PASSWORD: &'static str = "spec.mns.ev.accessKey and secretKey";

    async fn start(_: Wanted) -> Self {
        let messages = Arc::default();
        let web = serve(([127, 0, 0, 1], 0).into(), Arc::clone(&messages)).await;
        Self {
            messages,
            address: web.address(),
            web: Some(web),
        }
    }

    fn spec(&self) -> (&'static str, Value) {
        let key = |key: &str| json!({"name": "login", "key": key});
        let event = json!({
            "queue": "orders", "endpoint": format!("http://{}", self.address),
            "accessKey": key("user"), "secretKey": key("password"),
        });
        ("mns", event)
    }

    fn certificates(&self) -> Option<&Certificates> {
        None
    }

    async fn send(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.push(&body(number));
        }
    }

    async fn send_body(&mut self, body: &[u8]) {
        self.push(&String::from_utf8_lossy(body));
    }

    fn number(payload: &Value) -> Option<u64> {
        let body: Value = serde_json::from_str(payload["body"].as_str()?).ok()?;
        body["n"].as_u64()
    }

    async fn left(&mut self) -> u64 {
        let left = self.messages.lock().unwrap().left.len();
        left.try_into().unwrap()
    }

    fn kill(&mut self) {
        self.web = None;
    }

    fn restart(&mut self) {
        let serving = serve(self.address, Arc::clone(&self.messages));
        self.web = Some(tokio::runtime::Handle::current().block_on(serving));
    }
}
