//! A mail server that remembers what it was sent.

use std::sync::{Arc, Mutex};

use tiphys_testbed::Certificates;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::web::server_config;

/// A mail as it came.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The connection was encrypted.
    pub is_encrypted: bool,
    /// The login, as it was sent: Base64 of `\0user\0password`.
    pub login: Option<String>,
    /// `MAIL FROM`.
    pub from: String,
    /// `RCPT TO`.
    pub to: String,
    /// Headers and body.
    pub text: String,
}

/// What the server is like.
#[derive(Debug, Clone, Default)]
pub struct MailOptions {
    /// Its certificates: it offers `STARTTLS`.
    pub certificates: Option<Certificates>,
    /// The login that it wants, as [`Mail::login`] has it.
    pub login: Option<String>,
}

/// A running mail server; it ends with the story. It refuses addresses that begin with `nobody`, and
/// asks for patience, once, for those that begin with `later`.
#[derive(Debug)]
pub struct MailServer {
    port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
    _server: JoinSet<()>,
}

struct Session {
    options: MailOptions,
    mails: Arc<Mutex<Vec<Mail>>>,
    put_off: Arc<Mutex<bool>>,
    is_encrypted: bool,
}

/// How a session ended.
enum End {
    Quit,
    StartTls,
}

impl MailServer {
    /// A server on any port, at all addresses of this machine.
    ///
    /// # Panics
    /// When there is no port free.
    pub async fn start(options: MailOptions) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await;
        let listener = listener.expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let put_off = Arc::new(Mutex::new(false));
        let tls = options
            .certificates
            .as_ref()
            .map(|certificates| TlsAcceptor::from(Arc::new(server_config(certificates))));
        let mut server = JoinSet::new();
        let kept = Arc::clone(&mails);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut session = Session {
                    options: options.clone(),
                    mails: Arc::clone(&kept),
                    put_off: Arc::clone(&put_off),
                    is_encrypted: false,
                };
                let tls = tls.clone();
                connections.spawn(async move {
                    stream.write_all(b"220 mail\r\n").await.ok();
                    if let (Some(End::StartTls), Some(tls)) =
                        (session.speak(&mut stream).await, tls)
                        && let Ok(mut stream) = tls.accept(stream).await
                    {
                        session.is_encrypted = true;
                        session.speak(&mut stream).await;
                    }
                });
            }
        });
        Self {
            port,
            mails,
            _server: server,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The mails that came, in order.
    ///
    /// # Panics
    /// When the server has panicked.
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().expect("the server runs").clone()
    }

    /// The mails, as soon as they are so many.
    pub async fn mails_times(&self, count: usize) -> Vec<Mail> {
        crate::eventually("mails come", || async {
            Some(self.mails()).filter(|mails| mails.len() >= count)
        })
        .await
    }
}

impl Session {
    /// Answers a client; `None` if it goes without a word.
    async fn speak(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<End> {
        let mut stream = BufReader::new(stream);
        let (mut login, mut from, mut to) = (None, String::new(), String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default();
            let verb = verb.to_ascii_uppercase();
            let address = |line: &str| {
                let inner = line.split('<').nth(1).unwrap_or_default();
                inner.split('>').next().unwrap_or_default().to_owned()
            };
            let wants_login = self.options.login.is_some() && login.is_none();
            let answer = match &*verb {
                "EHLO" => self.offers(),
                "STARTTLS" => "220 go\r\n".to_owned(),
                "AUTH" => {
                    let given = line.rsplit(' ').next().unwrap_or_default();
                    if self.options.login.as_deref() == Some(given) {
                        login = Some(given.to_owned());
                        "235 welcome\r\n".to_owned()
                    } else {
                        "535 5.7.8 bad credentials\r\n".to_owned()
                    }
                }
                "MAIL" if wants_login => "530 5.7.0 who is it?\r\n".to_owned(),
                "MAIL" => {
                    from = address(line);
                    "250 ok\r\n".to_owned()
                }
                "RCPT" => {
                    to = address(line);
                    self.receives(&to)
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.ok()?;
                    let mut text = Vec::new();
                    while !text.ends_with(b"\r\n.\r\n") {
                        text.push(stream.read_u8().await.ok()?);
                    }
                    let mail = Mail {
                        is_encrypted: self.is_encrypted,
                        login: login.clone(),
                        from: from.clone(),
                        to: to.clone(),
                        text: String::from_utf8_lossy(&text).into_owned(),
                    };
                    self.mails.lock().expect("nobody panics").push(mail);
                    "250 ok\r\n".to_owned()
                }
                "QUIT" => "221 bye\r\n".to_owned(),
                _ => "250 ok\r\n".to_owned(),
            };
            stream.write_all(answer.as_bytes()).await.ok()?;
            match &*verb {
                "QUIT" => return Some(End::Quit),
                "STARTTLS" => return Some(End::StartTls),
                _ => {}
            }
        }
    }

    fn offers(&self) -> String {
        let mut offers = "250-mail\r\n250-8BITMIME\r\n".to_owned();
        if self.options.certificates.is_some() && !self.is_encrypted {
            offers += "250-STARTTLS\r\n";
        }
        offers + "250 AUTH PLAIN\r\n"
    }

    fn receives(&self, to: &str) -> String {
        let mut put_off = self.put_off.lock().expect("nobody panics");
        if to.starts_with("nobody") {
            "550 5.1.1 no such user\r\n".to_owned()
        } else if to.starts_with("later") && !*put_off {
            *put_off = true;
            "450 4.2.0 greylisted\r\n".to_owned()
        } else {
            "250 ok\r\n".to_owned()
        }
    }
}
