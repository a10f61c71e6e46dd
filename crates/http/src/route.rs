//! Who answers what.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use http::{Method, StatusCode, header};

use crate::request::{Head, Refusal, Request};
use crate::response::{Response, text, with_header};

/// What becomes of a request before its body is read.
#[derive(Debug)]
pub enum Admission {
    /// Its body is read, if it has at most so many bytes.
    Body {
        /// The most bytes.
        limit: usize,
    },
    /// It is answered at once.
    Answered(Response),
}

/// Why nobody answers a request.
#[derive(Debug)]
pub(crate) enum Absent {
    Path,
    /// The path has other methods.
    Method {
        allowed: String,
    },
}

/// Answers the requests of a route.
///
/// # Cancellation
/// A future of [`Handler::answer`] is dropped when its client goes away, and when the port closes and
/// time is up.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Looks at the line and the headers of a request before its body is read. By default, there may
    /// be no body.
    fn admit(&self, head: &Head) -> Admission {
        let _ = head;
        Admission::Body { limit: 0 }
    }

    /// Answers a request that has come whole.
    async fn answer(&self, request: Request) -> Response;

    /// Answers a request that was admitted and does not come whole, or finds the port busy.
    fn refused(&self, refusal: Refusal) -> Response {
        refusal.response()
    }
}

/// A path with who answers it.
pub struct Route {
    /// The path, matched exactly.
    pub path: String,
    /// The method; all methods if it is left out.
    pub method: Option<Method>,
    /// Who answers.
    pub handler: Arc<dyn Handler>,
}

/// A route that another one has already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {path} is taken", .method.as_ref().map_or("every method of", |method| method.as_str()))]
pub struct Taken {
    /// Its path.
    pub path: String,
    /// Its method.
    pub method: Option<Method>,
}

/// The routes of a port; they may change while it is open.
#[derive(Default)]
pub struct Router {
    paths: RwLock<HashMap<String, Vec<Entry>>>,
    fallback: Option<Arc<dyn Handler>>,
}

struct Entry {
    method: Option<Method>,
    handler: Arc<dyn Handler>,
}

/// A route in its router, until it is dropped.
pub(crate) struct Registration {
    router: Arc<Router>,
    path: String,
    method: Option<Method>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.read().keys()).finish()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("path", &self.path)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Router {
    /// Routes that stay, and who answers everything else. Of two equal routes the first one counts.
    pub fn fixed(routes: impl IntoIterator<Item = Route>, fallback: Arc<dyn Handler>) -> Self {
        let fixed = Self::changing(fallback);
        for route in routes {
            // A repetition in a fixed list is never reached.
            fixed.insert(route).ok();
        }
        fixed
    }

    /// Routes that come and go, and who answers everything else.
    pub(crate) fn changing(fallback: Arc<dyn Handler>) -> Self {
        Self {
            paths: RwLock::default(),
            fallback: Some(fallback),
        }
    }

    /// Answers a route until the registration is dropped.
    pub(crate) fn add(self: &Arc<Self>, route: Route) -> Result<Registration, Taken> {
        let (path, method) = (route.path.clone(), route.method.clone());
        self.insert(route)?;
        Ok(Registration {
            router: Arc::clone(self),
            path,
            method,
        })
    }

    /// True if there is no route.
    pub(crate) fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Who answers a request.
    pub(crate) fn find(&self, head: &Head) -> Result<Arc<dyn Handler>, Absent> {
        let paths = self.read();
        let Some(entries) = paths.get(head.uri.path()) else {
            return self.fallback.clone().ok_or(Absent::Path);
        };
        let matches = |method: &Method| method == head.method;
        let found = entries
            .iter()
            .find(|entry| entry.method.as_ref().is_none_or(matches));
        if let Some(entry) = found {
            return Ok(Arc::clone(&entry.handler));
        }
        let methods = entries.iter().filter_map(|entry| entry.method.as_ref());
        let allowed: Vec<&str> = methods.map(Method::as_str).collect();
        Err(Absent::Method {
            allowed: allowed.join(", "),
        })
    }

    fn insert(&self, route: Route) -> Result<(), Taken> {
        let Route {
            path,
            method,
            handler,
        } = route;
        let mut paths = self.write();
        let entries = paths.entry(path.clone()).or_default();
        let is_taken =
            |entry: &Entry| entry.method.is_none() || method.is_none() || entry.method == method;
        if entries.iter().any(is_taken) {
            return Err(Taken { path, method });
        }
        entries.push(Entry { method, handler });
        Ok(())
    }

    fn remove(&self, path: &str, method: Option<&Method>) {
        let mut paths = self.write();
        let Some(entries) = paths.get_mut(path) else {
            return;
        };
        entries.retain(|entry| entry.method.as_ref() != method);
        if entries.is_empty() {
            paths.remove(path);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Vec<Entry>>> {
        self.paths.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Vec<Entry>>> {
        self.paths.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Absent {
    pub(crate) fn response(self) -> Response {
        match self {
            Self::Path => text(StatusCode::NOT_FOUND, "not found"),
            Self::Method { allowed } => {
                let message = format!("the method has to be {allowed}");
                let response = text(StatusCode::METHOD_NOT_ALLOWED, message);
                with_header(response, header::ALLOW, &allowed)
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.router.remove(&self.path, self.method.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use http::Request as HttpRequest;

    use super::*;

    struct Nobody;

    #[async_trait]
    impl Handler for Nobody {
        async fn answer(&self, _: Request) -> Response {
            text(StatusCode::OK, "nobody")
        }
    }

    fn route(path: &str, method: Option<Method>) -> Route {
        Route {
            path: path.to_owned(),
            method,
            handler: Arc::new(Nobody),
        }
    }

    fn status(router: &Router, method: Method, path: &str) -> (u16, Option<String>) {
        let request = HttpRequest::builder().method(method).uri(path).body(());
        match router.find(&request.unwrap().into_parts().0) {
            Ok(_) => (200, None),
            Err(absent) => {
                let response = absent.response();
                let allow = response.headers().get(header::ALLOW);
                let allow = allow.map(|value| value.to_str().unwrap().to_owned());
                (response.status().as_u16(), allow)
            }
        }
    }

    #[test]
    fn a_path_has_one_handler_a_method() {
        let router = Arc::new(Router::default());
        let get = router.add(route("/a", Some(Method::GET))).unwrap();
        let _post = router.add(route("/a", Some(Method::POST))).unwrap();
        for method in [Some(Method::GET), Some(Method::POST), None] {
            let taken = router.add(route("/a", method.clone())).unwrap_err();
            assert_eq!(taken.method, method);
        }
        assert_eq!(status(&router, Method::GET, "/a?b=c"), (200, None));
        assert_eq!(
            status(&router, Method::PUT, "/a"),
            (405, Some("GET, POST".to_owned()))
        );
        assert_eq!(status(&router, Method::GET, "/b"), (404, None));
        drop(get);
        assert_eq!(
            status(&router, Method::GET, "/a"),
            (405, Some("POST".to_owned()))
        );
    }

    #[test]
    fn a_router_without_routes_is_empty_again() {
        let router = Arc::new(Router::default());
        let only = router.add(route("/a", None)).unwrap();
        assert!(!router.is_empty());
        drop(only);
        assert!(router.is_empty());
    }
}
