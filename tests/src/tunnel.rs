//! An HTTP proxy that leads to one place, whatever it is asked for.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A proxy for `HTTPS_PROXY`: so a program that knows only the name of a public host reaches a server of
/// the story. It ends with the story.
#[derive(Debug)]
pub struct Tunnel {
    url: String,
    _tasks: JoinSet<()>,
}

impl Tunnel {
    /// A proxy on any port that leads to this address.
    ///
    /// # Panics
    /// When there is no port free.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("it has an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                tunnels.spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(client.read_u8().await.unwrap_or_default());
                    }
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok();
                    if let Ok(mut server) = TcpStream::connect(to).await {
                        copy_bidirectional(&mut client, &mut server).await.ok();
                    }
                });
            }
        });
        Self {
            url: format!("http://{address}"),
            _tasks: tasks,
        }
    }

    /// What `HTTPS_PROXY` has to be.
    pub fn url(&self) -> &str {
        &self.url
    }
}
