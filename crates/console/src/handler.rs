//! Which part answers what.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tiphys_http::{Admission, Handler, Head, Method, Refusal, Request, Response, StatusCode};
use tiphys_live::access::Right;
use tiphys_live::pause::Act;
use tracing::info;

use crate::door::{self, Door, LOGIN, with_headers};
use crate::fail::Failure;
use crate::query::Query;
use crate::site::{Site, State};
use crate::visitor::{Caller, RECENT, Visitor};
use crate::{act, events, flow, letters, objects, pages, question, stream};

/// Where a session ends.
const LOGOUT: &str = "/api/logout";

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

    async fn read(&self, path: &str, head: &Head, visitor: Visitor) -> Result<Response, Failure> {
        let (state, query) = (&self.state, &Query::of(&head.uri));
        let number = || -> Result<u64, Failure> {
            query.needed("number")?;
            Ok(query.number("number")?.unwrap_or_default())
        };
        let caller = &*visitor.caller(RECENT).await?;
        if path == "session" {
            return Ok(self.session(caller));
        }
        caller.needs(Right::Look)?;
        let value = match path {
            "flow.svg" => return flow::picture(state, query).await,
            "flow" => return flow::nodes(state, query).await,
            "objects" => objects::list(state, query).await?,
            "object" => objects::one(state, query).await?,
            "events" => {
                let page = events::page(state, query, caller).await?;
                return Ok(tiphys_http::json(StatusCode::OK, page));
            }
            "event" => events::one(state, number()?, state.objects().await?, caller).await?,
            "dead-letters" => letters::groups(state, query, caller).await?,
            "dead-letters/list" => letters::list(state, query, caller).await?,
            "dead-letter" => letters::one(state, number()?, caller).await?,
            "stream" => {
                // A browser that comes back says the last id in a header; a page that begins, in its address.
                let last = head.headers.get("last-event-id");
                let last = last.and_then(|last| last.to_str().ok()?.parse().ok());
                let after = last.or(query.number("after")?);
                return stream::open(state, query, after, visitor);
            }
            _ => return Err(Failure::missing(format!("there is no /api/{path}"))),
        };
        Ok(tiphys_http::json(StatusCode::OK, value.to_string()))
    }

    async fn act(
        &self,
        path: &str,
        request: &Request,
        visitor: &Visitor,
    ) -> Result<Response, Failure> {
        let caller = visitor.caller(Duration::ZERO).await?;
        caller.needs(Right::Look)?;
        let missing = || Failure::missing(format!("there is no /api/{path}"));
        let wanted = Wanted::of(path).ok_or_else(missing)?;
        caller.needs(wanted.right())?;
        let (state, body) = (Arc::clone(&self.state), request.body.clone());
        // A client that goes away ends no act, and leaves none without its trace.
        let act = self
            .state
            .acts
            .spawn(async move { wanted.done(&state, &caller, &body).await });
        let broken = |_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of this program");
        let value = act.await.map_err(broken)??;
        Ok(tiphys_http::json(StatusCode::OK, value.to_string()))
    }

    /// Lets somebody in who has a token.
    async fn enter(&self, request: &Request) -> Result<Response, Failure> {
        let Door::Login(logins) = &self.door else {
            return Err(Failure::missing("nobody logs in here"));
        };
        let Token { token } = act::asked(&request.body)?;
        let (id, caller) = logins.enter(&token).await?;
        info!(
            user = caller.name.as_deref().unwrap_or_default(),
            "Logged in to the console"
        );
        if let Some(before) = door::session(logins, &request.head) {
            logins.leave(&before);
        }
        let mut response = self.session(&caller);
        door::remember(&mut response, logins, &id, &request.head);
        Ok(response)
    }

    fn leave(&self, head: &Head) -> Result<Response, Failure> {
        let Door::Login(logins) = &self.door else {
            return Err(Failure::missing("nobody logs out here"));
        };
        if let Some(session) = door::session(logins, head) {
            logins.leave(&session);
        }
        let nothing = json!({"done": [], "refused": []});
        let mut response = tiphys_http::json(StatusCode::OK, nothing.to_string());
        door::forget(&mut response, logins, head);
        Ok(response)
    }

    /// Whose console it is, and what may be done with it.
    fn session(&self, caller: &Caller) -> Response {
        let site = &self.state.site;
        let (mut rights, mut reasons) = (json!({}), json!({}));
        for (name, right) in [
            ("payload", Right::Payload),
            ("replay", Right::Replay),
            ("drop", Right::Drop),
            ("send", Right::Send),
            ("pause", Right::Pause),
        ] {
            rights[name] = caller.may(right).into();
            if let Some(why) = caller.missing.get(&right) {
                reasons[name] = why.as_str().into();
            }
        }
        let session = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "mode": site.mode.name(),
            "place": site.place_in_words,
            "namespace": site.namespace,
            "bus": site.bus,
            "user": caller.name,
            "rights": rights,
            "reasons": reasons,
        });
        tiphys_http::json(StatusCode::OK, session.to_string())
    }

    async fn answered(&self, request: &Request) -> Result<Response, Failure> {
        let head = &request.head;
        let path = head.uri.path();
        match (path.strip_prefix("/api/"), &head.method) {
            (Some(_), &Method::POST) if path == LOGIN => self.enter(request).await,
            (Some(_), &Method::POST) if path == LOGOUT => self.leave(head),
            (Some(path), &Method::GET) => self.read(path, head, self.door.visitor(head)?).await,
            (Some(path), &Method::POST) => self.act(path, request, &self.door.visitor(head)?).await,
            (None, &Method::GET) => {
                let missing = || Failure::missing(format!("there is no {path}"));
                pages::find(path).ok_or_else(missing)
            }
            (_, method) => {
                let why = format!("{method} is not for {path}");
                Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, why))
            }
        }
    }
}

/// What is asked for by a `POST`.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Replay,
    Drop,
    Pause(Act),
    SendAgain,
    Test,
    Explain,
    Compare,
    Try,
}

impl Wanted {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "dead-letters/replay" => Self::Replay,
            "dead-letters/drop" => Self::Drop,
            "objects/pause" => Self::Pause(Act::Pause),
            "objects/resume" => Self::Pause(Act::Resume),
            "events/send-again" => Self::SendAgain,
            "events/test" => Self::Test,
            "event/explain" => Self::Explain,
            "compare" => Self::Compare,
            "try" => Self::Try,
            _ => return None,
        })
    }

    /// What it takes beside the right to look.
    fn right(self) -> Right {
        match self {
            Self::Replay => Right::Replay,
            Self::Drop => Right::Drop,
            Self::Pause(_) => Right::Pause,
            Self::SendAgain => Right::Send,
            Self::Test | Self::Explain | Self::Compare => Right::Payload,
            Self::Try => Right::Look,
        }
    }

    /// Does it, for somebody who may.
    async fn done(
        self,
        state: &Arc<State>,
        caller: &Caller,
        body: &Bytes,
    ) -> Result<Value, Failure> {
        match self {
            Self::Replay => act::replay(state, caller, act::asked(body)?).await,
            Self::Drop => act::discard(state, caller, act::asked(body)?).await,
            Self::Pause(act) => act::pause(state, caller, act, act::asked(body)?).await,
            Self::SendAgain => act::send_again(state, caller, act::asked(body)?).await,
            Self::Test => {
                let asked: act::Numbered = act::asked(body)?;
                events::test(state, asked.number).await
            }
            Self::Explain => question::explain(state, caller, act::asked(body)?).await,
            Self::Compare => question::compare(state, act::asked(body)?).await,
            Self::Try => question::attempt(state, act::asked(body)?).await,
        }
    }
}

/// What one logs in with.
#[derive(Deserialize)]
struct Token {
    token: String,
}

#[async_trait]
impl Handler for Console {
    fn admit(&self, head: &Head) -> Admission {
        match self.door.admit(head) {
            Admission::Answered(refusal) => Admission::Answered(with_headers(refusal)),
            admitted @ Admission::Body { .. } => admitted,
        }
    }

    async fn answer(&self, request: Request) -> Response {
        let answer = self.answered(&request).await;
        with_headers(answer.unwrap_or_else(|failure| failure.response()))
    }

    fn refused(&self, refusal: Refusal) -> Response {
        with_headers(Failure::new(refusal.status(), refusal.message()).response())
    }
}
