//! The picture of the event flow.

use bytes::Bytes;
use tiphys_graph::{Focus, Graph};
use tiphys_http::header::{CONTENT_TYPE, HeaderValue};
use tiphys_http::{Body, Response, StatusCode, json};
use tiphys_live::flow::graph;

use crate::fail::Failure;
use crate::query::Query;
use crate::site::State;

pub(crate) async fn picture(state: &State, query: &Query) -> Result<Response, Failure> {
    let drawn = drawn(state, query).await?.to_bare_svg();
    let mut response = Response::new(Body::from(Bytes::from(drawn)));
    let kind = HeaderValue::from_static("image/svg+xml");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

pub(crate) async fn nodes(state: &State, query: &Query) -> Result<Response, Failure> {
    let graph = drawn(state, query).await?;
    Ok(json(StatusCode::OK, graph.to_json()))
}

/// Nothing is drawn as an empty picture: objects may come.
async fn drawn(state: &State, query: &Query) -> Result<Graph, Failure> {
    let known = state.objects().await?;
    let focus = Focus {
        namespace: query.owned("namespace"),
        sensor: query.owned("sensor"),
        around: query.owned("around"),
    };
    Ok(graph(&known.loaded, &focus).unwrap_or_default())
}
