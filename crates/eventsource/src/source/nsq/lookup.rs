//! nsqlookupd: which nsqds have a topic.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use reqwest::{Client, Url};
use serde::Deserialize;
use tiphys_clients::http::{Settings, read};
use tokio::time::timeout;

use super::Nsq;
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// How many nsqds may have a topic.
const MOST_PRODUCERS: usize = 1_000;

/// Asks for the nsqds of one topic.
#[derive(Debug)]
pub(super) struct Lookup<'a> {
    source: &'a Nsq,
    client: Client,
    url: Url,
}

/// Of nsqlookupd since 1.0; before, the same stands under `data`.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    producers: Vec<Producer>,
    data: Option<Box<Answer>>,
}

#[derive(Deserialize)]
struct Producer {
    broadcast_address: String,
    tcp_port: u16,
}

impl<'a> Lookup<'a> {
    pub(super) async fn open(
        source: &'a Nsq,
        context: &SourceContext,
    ) -> Result<Self, SourceError> {
        let act = || format!("use {}.hostAddress", source.path);
        let url = url(&source.lookupd, &source.topic);
        let url = url.map_err(|why| SourceError::new(Reason::Invalid, act()).because(why))?;
        let settings = Settings {
            tls: context.tls(source.tls.as_ref()).await?.unwrap_or_default(),
            proxies: true,
            follows: false,
        };
        let client = context.clients().http.get(&settings);
        let client = client.map_err(|error| {
            SourceError::new(Reason::Configuration, act())
                .because(error)
                .with_hint(format!("check {}.tls", source.path))
        })?;
        Ok(Self {
            source,
            client,
            url,
        })
    }

    /// The addresses of all nsqds that have the topic; none, if nobody has published to it yet.
    pub(super) async fn find(&self) -> Result<BTreeSet<String>, SourceError> {
        let asking = async {
            let request = self.client.get(self.url.clone());
            let request = request.header("Accept", "application/vnd.nsq; version=1.0");
            let mut response = request.send().await?;
            let (body, is_cut) = read(&mut response, LARGEST_ANSWER).await?;
            Ok::<_, reqwest::Error>((response.status(), body, is_cut))
        };
        let (status, body, is_cut) = match timeout(ANSWER_WITHIN, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return Err(self
                    .failed(Reason::Unreachable)
                    .because(error.without_url()));
            }
            Err(_) => {
                let why = format!("no answer in {} s", ANSWER_WITHIN.as_secs());
                return Err(self.failed(Reason::Unreachable).because(why));
            }
        };
        if is_topic_unknown(status, &body) {
            return Ok(BTreeSet::new());
        }
        if !status.is_success() {
            let reason = Reason::of_status(status.as_u16());
            return Err(self.failed(reason).because(status.to_string()));
        }
        if is_cut {
            return Err(self
                .failed(Reason::Malformed)
                .because("the answer is too large"));
        }
        producers(&body).map_err(|why| self.failed(Reason::Malformed).because(why))
    }

    fn failed(&self, reason: Reason) -> SourceError {
        let Nsq { path, lookupd, .. } = self.source;
        SourceError::new(reason, format!("ask nsqlookupd {lookupd}")).with_hint(format!(
            "check {path}.hostAddress: host and HTTP port of an nsqlookupd, not of an nsqd"
        ))
    }
}

/// The question, as Argo Events' library makes it of an address.
fn url(lookupd: &str, topic: &str) -> Result<Url, String> {
    let text = if lookupd.contains("://") {
        lookupd.to_owned()
    } else {
        format!("http://{lookupd}")
    };
    let url = Url::parse(&text).map_err(|error| error.to_string());
    let mut url = url.map_err(|why| format!("{lookupd:?} is no host with a port: {why}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{lookupd:?} is no URL of a web server"));
    }
    if matches!(url.path(), "" | "/") {
        url.set_path("/lookup");
    }
    url.query_pairs_mut().append_pair("topic", topic);
    Ok(url)
}

/// That nobody has published to a topic is told from a path that is not there.
fn is_topic_unknown(status: StatusCode, body: &[u8]) -> bool {
    let said = |text: &[u8]| memchr::memmem::find(body, text).is_some();
    !status.is_success() && said(b"TOPIC_NOT_FOUND")
}

fn producers(body: &[u8]) -> Result<BTreeSet<String>, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let producers = answer.data.map_or(answer.producers, |data| data.producers);
    if producers.len() > MOST_PRODUCERS {
        return Err(format!(
            "{} nsqds, and at most {MOST_PRODUCERS} are listened to",
            producers.len()
        ));
    }
    Ok(producers.iter().map(Producer::address).collect())
}

impl Producer {
    fn address(&self) -> String {
        let Self {
            broadcast_address: host,
            tcp_port: port,
        } = self;
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Result<Vec<String>, String> {
        producers(body.as_bytes()).map(|found| found.into_iter().collect())
    }

    #[test]
    fn an_address_becomes_a_question() {
        for (address, expected) in [
            (
                "lookup:4161",
                "http://lookup:4161/lookup?topic=a.b%23ephemeral",
            ),
            (
                "https://lookup/other?x=1",
                "https://lookup/other?x=1&topic=a.b%23ephemeral",
            ),
            (
                "http://[::1]:4161/",
                "http://[::1]:4161/lookup?topic=a.b%23ephemeral",
            ),
        ] {
            assert_eq!(url(address, "a.b#ephemeral").unwrap().as_str(), expected);
        }
        assert_eq!(
            url("tcp://lookup:4160", "t").unwrap_err(),
            "\"tcp://lookup:4160\" is no URL of a web server"
        );
        assert!(url("lookup:port", "t").is_err());
    }

    #[test]
    fn the_nsqds_of_a_topic_are_found_in_both_forms() {
        let one = r#"{"remote_address":"10.0.0.7:5512","hostname":"n","broadcast_address":"nsqd-0",
            "tcp_port":4150,"http_port":4151,"version":"1.3.0"}"#;
        let other = r#"{"broadcast_address":"fd00::7","tcp_port":4150}"#;
        let list = format!(r#"{{"channels":["c"],"producers":[{one},{other},{one}]}}"#);
        let expected = ["[fd00::7]:4150".to_owned(), "nsqd-0:4150".to_owned()];
        assert_eq!(found(&list).unwrap(), expected);
        let old = format!(r#"{{"status_code":200,"status_txt":"OK","data":{list}}}"#);
        assert_eq!(found(&old).unwrap(), expected);
        assert_eq!(found(r#"{"producers":[]}"#).unwrap(), [""; 0]);
        assert!(found("<html>").is_err());
    }

    #[test]
    fn a_list_without_end_is_refused() {
        let one = r#"{"broadcast_address":"n","tcp_port":1},"#.repeat(1_000);
        let list = format!(r#"{{"producers":[{one}{{"broadcast_address":"n","tcp_port":1}}]}}"#);
        assert_eq!(
            found(&list).unwrap_err(),
            "1001 nsqds, and at most 1000 are listened to"
        );
    }

    #[test]
    fn an_unknown_topic_is_no_failure_and_a_wrong_path_is() {
        let unknown = |status, body: &[u8]| is_topic_unknown(status, body);
        let body = br#"{"message":"TOPIC_NOT_FOUND"}"#;
        assert!(unknown(StatusCode::NOT_FOUND, body));
        assert!(!unknown(
            StatusCode::NOT_FOUND,
            br#"{"message":"NOT_FOUND"}"#
        ));
        assert!(!unknown(StatusCode::OK, body));
    }
}
