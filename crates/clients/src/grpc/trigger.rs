//! The server of a trigger: it makes a resource of its settings, acts on it, and says whether that was a success.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::time::timeout;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use super::{Config, Error, Kind, Pool};

const FETCH: PathAndQuery = PathAndQuery::from_static("/triggers.Trigger/FetchResource");
const EXECUTE: PathAndQuery = PathAndQuery::from_static("/triggers.Trigger/Execute");
const APPLY_POLICY: PathAndQuery = PathAndQuery::from_static("/triggers.Trigger/ApplyPolicy");

/// How long a call may take: servers wait for what they started.
const WITHIN: Duration = Duration::from_mins(15);

/// Settings that a resource is wanted for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FetchResourceRequest {
    /// As YAML.
    #[prost(bytes = "bytes", tag = "1")]
    pub resource: Bytes,
}

/// A resource.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FetchResourceResponse {
    /// In any format; JSON, if parameters write to it.
    #[prost(bytes = "bytes", tag = "1")]
    pub resource: Bytes,
}

/// A resource that is to be acted on.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExecuteRequest {
    /// The resource.
    #[prost(bytes = "bytes", tag = "1")]
    pub resource: Bytes,
    /// What the events say.
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: Bytes,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExecuteResponse {
    /// In any format.
    #[prost(bytes = "bytes", tag = "1")]
    pub response: Bytes,
}

/// What came of it, to be judged.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ApplyPolicyRequest {
    /// In any format.
    #[prost(bytes = "bytes", tag = "1")]
    pub request: Bytes,
}

/// The judgement.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ApplyPolicyResponse {
    /// It is a success.
    #[prost(bool, tag = "1")]
    pub success: bool,
    /// Why, or why not.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// A server, which is connected when it is asked.
#[derive(Debug, Clone)]
pub struct Trigger(Channel);

impl Trigger {
    /// The server with these settings.
    ///
    /// # Errors
    /// If they make no sense.
    pub fn new(config: &Config, pool: &Pool) -> Result<Self, Error> {
        pool.get(config).map(Self)
    }

    /// The resource of settings.
    ///
    /// # Errors
    /// If the server does not give one.
    pub async fn fetch_resource(
        &self,
        settings: &BTreeMap<String, String>,
    ) -> Result<Bytes, Error> {
        let settings = serde_saphyr::to_string(settings);
        let settings = settings.map_err(|error| Error::settings(error.to_string()))?;
        let request = FetchResourceRequest {
            resource: settings.into(),
        };
        let response: FetchResourceResponse = self.call(request, FETCH).await?;
        Ok(response.resource)
    }

    /// Acts on a resource. What comes of it.
    ///
    /// # Errors
    /// If the server does not say that it has.
    ///
    /// # Cancellation
    /// It may have acted or not.
    pub async fn execute(&self, resource: Bytes, payload: Bytes) -> Result<Bytes, Error> {
        let request = ExecuteRequest { resource, payload };
        let response: ExecuteResponse = self.call(request, EXECUTE).await?;
        Ok(response.response)
    }

    /// Whether what came of it is a success.
    ///
    /// # Errors
    /// If the server does not say.
    pub async fn apply_policy(&self, response: Bytes) -> Result<ApplyPolicyResponse, Error> {
        let request = ApplyPolicyRequest { request: response };
        self.call(request, APPLY_POLICY).await
    }

    async fn call<Q, A>(&self, request: Q, path: PathAndQuery) -> Result<A, Error>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = Grpc::new(self.0.clone());
        let calling = async {
            grpc.ready().await.map_err(|error| Error::of(&error))?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = grpc.unary(Request::new(request), path, codec).await?;
            Ok(answer.into_inner())
        };
        let within = timeout(WITHIN, calling).await;
        within.unwrap_or_else(|_| {
            let message = format!("no answer in {} min", WITHIN.as_secs() / 60);
            Err(Error::new(Kind::Unconfirmed, message))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_numbers_of_their_fields() {
        let request = ExecuteRequest {
            resource: Bytes::from_static(b"r"),
            payload: Bytes::from_static(b"p"),
        };
        assert_eq!(request.encode_to_vec(), b"\x0a\x01r\x12\x01p");
        let answer = ApplyPolicyResponse::decode(&b"\x08\x01\x12\x02ok"[..]).unwrap();
        assert!(answer.success);
        assert_eq!(answer.message, "ok");
    }
}
