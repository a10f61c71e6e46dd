//! AWS: who asks, and requests to its web services and to servers that speak as they do.
//!
//! A login is two keys, those of a role, or what the process finds around it; what is temporary is renewed
//! before it ends. Requests are signed by AWS Signature Version 4.

mod around;
mod environment;
mod error;
mod login;
mod service;
mod sign;
mod sts;

use std::fmt;

pub use environment::Environment;
pub use error::Error;
pub use login::{Keys, LoginFields, LoginRef, Logins};
pub use service::{Answer, Call, Service};
pub use sign::{ToSign, encode, sign};

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
    /// What goes with keys that are temporary.
    pub session_token: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}
