//! The server of an event source: it is given a text, and answers with events for as long as it likes.

use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use super::{Config, Error};

/// The one call of the service.
const START: PathAndQuery = PathAndQuery::from_static("/generic.Eventing/StartEventSource");

/// How large an event may be that is received, in bytes: as much as may be on its way to the bus.
const LARGEST: usize = 8 << 20;

/// What the server is given.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EventSource {
    /// Name of the event.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The text.
    #[prost(bytes = "bytes", tag = "2")]
    pub config: Bytes,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Event {
    /// Name of the event.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The body.
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: Bytes,
}

/// A server that is connected.
#[derive(Debug, Clone)]
pub struct Eventing(Channel);

/// The events of a server.
#[derive(Debug)]
pub struct Events(Streaming<Event>);

impl Eventing {
    /// Connects.
    ///
    /// # Errors
    /// If the settings make no sense, or the server cannot be reached.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        config.connect().await.map(Self)
    }

    /// Asks for events, with a token if there is one. Many servers answer with the first event only.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn start(&self, source: EventSource, token: Option<&str>) -> Result<Events, Error> {
        let mut request = Request::new(source);
        if let Some(token) = token {
            let mut value = MetadataValue::try_from(format!("Bearer {token}")).map_err(|_| {
                Error::settings("the token has letters that a header cannot have".to_owned())
            })?;
            value.set_sensitive(true);
            request.metadata_mut().insert("authorization", value);
        }
        let mut grpc = Grpc::new(self.0.clone()).max_decoding_message_size(LARGEST);
        grpc.ready().await.map_err(|error| Error::of(&error))?;
        let codec = ProstCodec::<EventSource, Event>::default();
        let events = grpc.server_streaming(request, START, codec).await?;
        Ok(Events(events.into_inner()))
    }
}

impl Events {
    /// The next event; `None` when the server ends.
    ///
    /// # Errors
    /// If the server ends with a failure, or the connection breaks.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        Ok(self.0.message().await?)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn messages_have_the_numbers_of_their_fields() {
        let source = EventSource {
            name: "n".to_owned(),
            config: Bytes::from_static(b"c"),
        };
        assert_eq!(source.encode_to_vec(), b"\x0a\x01n\x12\x01c");
        let event = Event::decode(&b"\x0a\x02ev\x12\x01p"[..]).unwrap();
        assert_eq!((&*event.name, &*event.payload), ("ev", &b"p"[..]));
    }
}
