//! Which part answers what.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_http::{Admission, Handler, Head, Method, Refusal, Request, Response, StatusCode};
use tiphys_live::pause::Act;

use crate::door::{Door, with_headers};
use crate::fail::Failure;
use crate::query::Query;
use crate::site::{Site, State};
use crate::{act, events, flow, letters, objects, pages, question, stream};

/// The longest request: what somebody types.
const LONGEST: usize = 2 << 20;

/// Answers every request of a console's port.
pub struct Console {
    door: Door,
    state: Arc<State>,
}

impl Console {
    /// A console behind a door.
    pub fn new(site: Site, door: Door) -> Self {
        Self {
            door,
            state: Arc::new(State::new(site)),
        }
    }

    async fn read(&self, path: &str, query: &Query, head: &Head) -> Result<Response, Failure> {
        let state = &self.state;
        let number = || -> Result<u64, Failure> {
            query.needed("number")?;
            Ok(query.number("number")?.unwrap_or_default())
        };
        let value = match path {
            "session" => session(state),
            "flow.svg" => return flow::picture(state, query).await,
            "flow" => return flow::nodes(state, query).await,
            "objects" => objects::list(state, query).await?,
            "object" => objects::one(state, query).await?,
            "events" => events::page(state, query).await?,
            "event" => events::one(state, number()?, state.objects().await?).await?,
            "dead-letters" => letters::groups(state, query).await?,
            "dead-letters/list" => letters::list(state, query).await?,
            "dead-letter" => letters::one(state, number()?).await?,
            "stream" => {
                // A browser that comes back says the last id in a header; a page that begins, in its address.
                let last = head.headers.get("last-event-id");
                let last = last.and_then(|last| last.to_str().ok()?.parse().ok());
                let after = last.or(query.number("after")?);
                return stream::open(state, query, after);
            }
            _ => return Err(Failure::missing(format!("there is no /api/{path}"))),
        };
        Ok(tiphys_http::json(StatusCode::OK, value.to_string()))
    }

    async fn act(&self, path: &str, request: &Request) -> Result<Response, Failure> {
        let (state, body) = (&self.state, &request.body);
        let value = match path {
            "dead-letters/replay" => act::replay(state, act::asked(body)?).await?,
            "dead-letters/drop" => act::discard(state, act::asked(body)?).await?,
            "objects/pause" => act::pause(state, Act::Pause, act::asked(body)?).await?,
            "objects/resume" => act::pause(state, Act::Resume, act::asked(body)?).await?,
            "events/send-again" => act::send_again(state, act::asked(body)?).await?,
            "events/test" => {
                let asked: act::Numbered = act::asked(body)?;
                events::test(state, asked.number).await?
            }
            "event/explain" => question::explain(state, act::asked(body)?).await?,
            "try" => question::attempt(state, act::asked(body)?).await?,
            "compare" => question::compare(state, act::asked(body)?).await?,
            _ => return Err(Failure::missing(format!("there is no /api/{path}"))),
        };
        Ok(tiphys_http::json(StatusCode::OK, value.to_string()))
    }

    async fn answered(&self, request: &Request) -> Response {
        let head = &request.head;
        let path = head.uri.path();
        let answer = match (path.strip_prefix("/api/"), &head.method) {
            (Some(path), &Method::GET) => self.read(path, &Query::of(&head.uri), head).await,
            (Some(path), &Method::POST) => self.act(path, request).await,
            (None, &Method::GET) => {
                let missing = || Failure::missing(format!("there is no {path}"));
                pages::find(path).ok_or_else(missing)
            }
            (_, method) => {
                let why = format!("{method} is not for {path}");
                Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, why))
            }
        };
        answer.unwrap_or_else(|failure| failure.response())
    }
}

#[async_trait]
impl Handler for Console {
    fn admit(&self, head: &Head) -> Admission {
        match self.door.refusal(head) {
            Some(refusal) => Admission::Answered(with_headers(refusal)),
            None if head.method == Method::POST => Admission::Body { limit: LONGEST },
            None => Admission::Body { limit: 0 },
        }
    }

    async fn answer(&self, request: Request) -> Response {
        with_headers(self.answered(&request).await)
    }

    fn refused(&self, refusal: Refusal) -> Response {
        with_headers(Failure::new(refusal.status(), refusal.message()).response())
    }
}

/// Whose console it is, and what may be done with it.
fn session(state: &State) -> Value {
    let site = &state.site;
    let mut reasons = json!({});
    if let Err(why) = &site.pausing {
        reasons["pause"] = why.as_str().into();
    }
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mode": "desk",
        "place": site.place_in_words,
        "namespace": site.namespace,
        "bus": site.bus,
        "user": site.user,
        "rights": {
            // Who has the login of a bus may do with it what he likes.
            "payload": true,
            "replay": true,
            "drop": true,
            "send": true,
            "pause": site.pausing.is_ok(),
        },
        "reasons": reasons,
    })
}
