//! Which broker has a topic, and how many partitions a topic has.

use super::config::place_of;
use super::link::Link;
use super::proto::{Command, Lookup, LookupResponse, PartitionedMetadata};
use super::topic::partition;
use super::{Config, Error, Kind};

/// How often brokers may say that another one knows: as often as the clients of Pulsar itself follow.
const REDIRECTS: usize = 20;

/// What an answer to the question for a broker says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// Ask there.
    Redirect {
        place: String,
        is_authoritative: bool,
    },
    /// Connect there; through whoever has answered, if that is a proxy.
    Connect {
        place: String,
        is_behind_proxy: bool,
    },
}

/// What a topic consists of, by its whole name: its partitions, or itself if it is not divided.
///
/// # Errors
/// If no server can be reached, or it refuses.
pub async fn parts(config: &Config, topic: &str) -> Result<Vec<String>, Error> {
    Ok(match partitions(config, topic).await? {
        0 => vec![topic.to_owned()],
        count => (0..count).map(|number| partition(topic, number)).collect(),
    })
}

/// How many partitions a topic has; 0 if it is not divided.
async fn partitions(config: &Config, topic: &str) -> Result<u32, Error> {
    let mut link = enter(config).await?;
    let question = |request_id| PartitionedMetadata {
        topic: topic.to_owned(),
        request_id,
    };
    match link.ask(question).await? {
        Command::PartitionedMetadataResponse(answer) => match answer.error {
            // Some brokers say 0 beside a success.
            Some(error) if answer.response == Some(1) => {
                Err(Error::said(error, &answer.message.unwrap_or_default()))
            }
            _ => Ok(answer.partitions.unwrap_or_default()),
        },
        other => Err(link.strange(&other)),
    }
}

/// Connects to the broker that has a topic.
pub(super) async fn find(config: &Config, topic: &str) -> Result<Link, Error> {
    let mut link = enter(config).await?;
    let mut is_authoritative = false;
    for _ in 0..REDIRECTS {
        let question = |request_id| Lookup {
            topic: topic.to_owned(),
            request_id,
            is_authoritative: Some(is_authoritative),
        };
        let answer = match link.ask(question).await? {
            Command::LookupResponse(answer) => answer,
            other => return Err(link.strange(&other)),
        };
        match read(answer, config.encryption().is_some())? {
            Answer::Redirect {
                place,
                is_authoritative: knows,
            } => {
                link = Link::open(config, &place, None).await?;
                is_authoritative = knows;
            }
            Answer::Connect {
                place,
                is_behind_proxy: true,
            } => return Link::open(config, link.address(), Some(&place)).await,
            Answer::Connect { place, .. } if place == link.address() => return Ok(link),
            Answer::Connect { place, .. } => return Link::open(config, &place, None).await,
        }
    }
    let why = format!("brokers name each other for {topic}, and none has it");
    Err(link.failed(Kind::Unreachable, &why))
}

/// Connects to the first server that answers.
async fn enter(config: &Config) -> Result<Link, Error> {
    let servers = config.servers();
    let servers = servers.map_err(|why| Error::new(Kind::Settings, why))?;
    let mut failed = None;
    for server in servers {
        match Link::open(config, &server, None).await {
            Ok(link) => return Ok(link),
            // Another one knows the client no better.
            Err(error) if error.kind() != Kind::Unreachable => return Err(error),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| Error::new(Kind::Settings, "there is no server")))
}

fn read(answer: LookupResponse, is_encrypted: bool) -> Result<Answer, Error> {
    let is_authoritative = answer.is_authoritative.unwrap_or_default();
    let is_behind_proxy = answer.is_behind_proxy.unwrap_or_default();
    if let (Some(error), 2..) = (answer.error, answer.response.unwrap_or(2)) {
        return Err(Error::said(error, &answer.message.unwrap_or_default()));
    }
    let url = if is_encrypted {
        answer.url_tls
    } else {
        answer.url
    };
    let place = url.as_deref().and_then(place_of).ok_or_else(|| {
        let scheme = if is_encrypted { "pulsar+ssl" } else { "pulsar" };
        let why = format!("the broker of the topic has no address for {scheme}://");
        Error::new(Kind::Settings, why)
    })?;
    match answer.response {
        Some(0) => Ok(Answer::Redirect {
            place,
            is_authoritative,
        }),
        Some(1) => Ok(Answer::Connect {
            place,
            is_behind_proxy,
        }),
        _ => Err(Error::new(Kind::Malformed, "an answer that says nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(kind: i32) -> LookupResponse {
        LookupResponse {
            url: Some("pulsar://a:6650".to_owned()),
            url_tls: Some("pulsar+ssl://a:6651/".to_owned()),
            response: Some(kind),
            is_authoritative: Some(true),
            ..LookupResponse::default()
        }
    }

    #[test]
    fn an_answer_says_where_to_go() {
        let redirect = Answer::Redirect {
            place: "a:6650".to_owned(),
            is_authoritative: true,
        };
        assert_eq!(read(response(0), false), Ok(redirect));
        let connect = |place: &str, is_behind_proxy| Answer::Connect {
            place: place.to_owned(),
            is_behind_proxy,
        };
        assert_eq!(read(response(1), true), Ok(connect("a:6651", false)));
        let behind = LookupResponse {
            is_behind_proxy: Some(true),
            ..response(1)
        };
        assert_eq!(read(behind, false), Ok(connect("a:6650", true)));
    }

    #[test]
    fn a_refusal_is_one() {
        let refused = LookupResponse {
            error: Some(4),
            message: Some("no right".to_owned()),
            ..response(2)
        };
        assert_eq!(read(refused, false).unwrap_err().kind(), Kind::Forbidden);
        let plain = LookupResponse {
            url_tls: None,
            ..response(1)
        };
        assert_eq!(
            read(plain, true).unwrap_err().to_string(),
            "the broker of the topic has no address for pulsar+ssl://"
        );
    }
}
