//! What an SFTP server did not do, and in one word why.

use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::StatusCode;

/// Why an act failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
}

/// In one word why an act failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A key, or a line with one, cannot be read. Retrying does not help.
    Key,
    /// No server answers.
    Unreachable,
    /// Who answers shows another key than the server's.
    HostKey,
    /// The server accepts no credentials of ours.
    Unauthorized,
    /// The login is good, the permission is missing.
    Forbidden,
    /// The file or directory is not there.
    NotFound,
    /// There is more than is wanted.
    TooMany,
    /// Any other answer that is a no.
    Refused,
}

impl Error {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The same, of a line in a file.
    pub(super) fn in_line(self, number: usize) -> Self {
        Self::new(self.kind, format!("line {number}: {}", self.message))
    }

    /// In one word why.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<russh::Error> for Error {
    fn from(error: russh::Error) -> Self {
        use russh::Error as Ssh;
        let kind = match &error {
            Ssh::NoCommonAlgo { .. }
            | Ssh::UnsupportedAuthMethod
            | Ssh::ChannelOpenFailure(_)
            | Ssh::RequestDenied => Kind::Refused,
            Ssh::UnknownKey | Ssh::WrongServerSig => Kind::HostKey,
            Ssh::Keys(_) | Ssh::SshKey(_) => Kind::Key,
            _ => Kind::Unreachable,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<SftpError> for Error {
    fn from(error: SftpError) -> Self {
        let kind = match &error {
            SftpError::Status(status) => match status.status_code {
                StatusCode::NoSuchFile => Kind::NotFound,
                StatusCode::PermissionDenied => Kind::Forbidden,
                StatusCode::NoConnection | StatusCode::ConnectionLost => Kind::Unreachable,
                _ => Kind::Refused,
            },
            _ => Kind::Unreachable,
        };
        let message = match error {
            SftpError::Timeout => "no answer in time".to_owned(),
            SftpError::UnexpectedBehavior(_) | SftpError::IO(_) => {
                "the connection was lost".to_owned()
            }
            error => error.to_string(),
        };
        Self::new(kind, message)
    }
}
