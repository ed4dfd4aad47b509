//! A connection that breaks or falls silent when a test says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Passing,
    /// Open, but nothing goes through any more.
    Frozen,
    /// Connections of an earlier generation are closed.
    Cut(usize),
}

pub struct Proxy {
    pub address: SocketAddr,
    mood: watch::Sender<Mood>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, _) = watch::channel(Mood::Passing);
        let connections = Arc::new(AtomicUsize::new(0));
        let (moods, counter) = (mood.clone(), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let generation = counter.fetch_add(1, Ordering::SeqCst) + 1;
                if let Ok(upstream) = TcpStream::connect(server).await {
                    let (client_read, client_write) = client.into_split();
                    let (server_read, server_write) = upstream.into_split();
                    tokio::spawn(pass(client_read, server_write, moods.subscribe(), generation));
                    tokio::spawn(pass(server_read, client_write, moods.subscribe(), generation));
                }
            }
        });
        Self { address, mood, connections }
    }

    pub fn freeze(&self) {
        self.mood.send_replace(Mood::Frozen);
    }

    /// Breaks every connection that there is; new ones pass.
    pub fn cut(&self) {
        self.mood.send_replace(Mood::Cut(self.connections()));
    }

    /// How many there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut mood: watch::Receiver<Mood>,
    generation: usize,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let now = *mood.borrow_and_update();
        match now {
            Mood::Cut(last) if generation <= last => return,
            Mood::Frozen => {
                if mood.changed().await.is_err() {
                    return;
                }
            }
            _ => tokio::select! {
                changed = mood.changed() => if changed.is_err() { return },
                read = from.read(&mut buffer) => match read {
                    Ok(count) if count > 0 && to.write_all(&buffer[..count]).await.is_ok() => {}
                    _ => return,
                },
            },
        }
    }
}
