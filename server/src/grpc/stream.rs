//! Server streams: a bounded hand-over from a task to the client, with an end to a client that never reads, and the
//! events of a watcher sent over it. What an event looks like on the wire is said in convert.
//!
//! At most one message waits beside those that the connection itself holds: a slow client costs nothing, because a
//! watcher is asked for the next event only when there is room for it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::{Code, Status};
use whyglass_engine as engine;
use whyglass_proto::v1;

use super::convert::{Frame, event, heartbeat};
use super::status::{panicked, shutting_down, status};

const WAITING: usize = 1;

/// What the client's side of a stream is made of. Ends with a status even where the feeding task panics.
#[derive(Debug)]
pub(super) struct Fed<T> {
    items: mpsc::Receiver<T>,
    end: Option<oneshot::Receiver<Result<(), Status>>>,
}

/// Where a task puts the messages of a stream.
#[derive(Debug)]
pub(super) struct Feed<T> {
    items: mpsc::Sender<T>,
    stall: Duration,
}

/// Why a feeding task stops early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The client has left.
    Left,
    /// The client has read nothing for too long.
    Stalled,
}

/// Starts a task that feeds a stream; its result is the stream's last word. A client that reads nothing for `stall` has
/// the stream ended.
pub(super) fn feed<T, F>(stall: Duration, task: impl FnOnce(Feed<T>) -> F) -> Fed<T>
where
    T: Send + 'static,
    F: Future<Output = Result<Result<(), Status>, Gone>> + Send + 'static,
{
    let (items, received) = mpsc::channel(WAITING);
    let (end, ended) = oneshot::channel();
    let feeding = task(Feed { items, stall });
    tokio::spawn(async move {
        let last = match feeding.await {
            Ok(last) => last,
            Err(Gone::Left) => Ok(()),
            Err(Gone::Stalled) => {
                tracing::warn!("a stream was ended because its client reads nothing");
                let message = "the stream was not read for too long; watch again from the last sequence number seen";
                Err(status(Code::Aborted, "READER_STALLED", message))
            }
        };
        // Nobody may be left to hear it.
        let _ = end.send(last);
    });
    Fed { items: received, end: Some(ended) }
}

impl<T> Feed<T> {
    /// Waits for room for one message.
    async fn room(&self) -> Result<mpsc::Permit<'_, T>, Gone> {
        match tokio::time::timeout(self.stall, self.items.reserve()).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) => Err(Gone::Left),
            Err(_) => Err(Gone::Stalled),
        }
    }

    /// Sends one message as soon as there is room.
    pub(super) async fn send(&self, item: T) -> Result<(), Gone> {
        self.room().await?.send(item);
        Ok(())
    }
}

impl<T> Stream for Fed<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(item) = std::task::ready!(self.items.poll_recv(context)) {
            return Poll::Ready(Some(Ok(item)));
        }
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        let last = std::task::ready!(Pin::new(end).poll(context)).unwrap_or_else(|_| Err(panicked()));
        self.end = None;
        Poll::Ready(last.err().map(Err))
    }
}

/// How events are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    /// A keyframe of more bytes becomes a reference.
    pub(super) event_bytes: usize,
    /// Silence is broken this often.
    pub(super) heartbeat: Duration,
    /// The watch ends only because the server does.
    pub(super) endless: bool,
}

/// Sends everything that `watcher` sees, each event as `wrap` makes it, until the watch ends or the client leaves.
pub(super) async fn send_events<T>(
    feed: &Feed<T>,
    mut watcher: engine::Watcher,
    sending: Sending,
    wrap: impl Fn(v1::RunEvent) -> T,
) -> Result<Result<(), Status>, Gone> {
    loop {
        // Room first: what is asked of the watcher then is the newest that there is.
        let room = feed.room().await?;
        let Some(next) = next(feed, &mut watcher, sending.heartbeat).await? else {
            return Ok(if sending.endless { Err(shutting_down()) } else { Ok(()) });
        };
        let message = match next {
            Next::Silence => heartbeat(),
            Next::Event(next) if Frame::of(&next) == Frame::Cheap => event(&next, sending.event_bytes),
            Next::Event(next) => {
                let encoding = tokio::task::spawn_blocking(move || event(&next, sending.event_bytes));
                match encoding.await {
                    Ok(message) => message,
                    Err(_) => return Ok(Err(panicked())),
                }
            }
        };
        room.send(wrap(message));
    }
}

enum Next {
    Event(std::sync::Arc<engine::RunEvent>),
    Silence,
}

/// The next thing to say; `None` when the watch has ended.
async fn next<T>(feed: &Feed<T>, watcher: &mut engine::Watcher, heartbeat: Duration) -> Result<Option<Next>, Gone> {
    let silence = Instant::now() + heartbeat;
    loop {
        let listener = watcher.listen();
        let held_back = match watcher.poll() {
            engine::Poll::Event(event) => return Ok(Some(Next::Event(event))),
            engine::Poll::Ended => return Ok(None),
            engine::Poll::Pending(until) => until.map(Instant::from_std),
        };
        let wake = held_back.map_or(silence, |until| until.min(silence));
        tokio::select! {
            () = listener => {}
            () = feed.items.closed() => return Err(Gone::Left),
            () = tokio::time::sleep_until(wake) => {
                if Instant::now() >= silence {
                    return Ok(Some(Next::Silence));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt as _;

    #[tokio::test]
    async fn everything_arrives_in_order_and_then_the_last_word() {
        let fed = feed(Duration::from_secs(5), |feed| async move {
            for i in 0..100 {
                feed.send(i).await?;
            }
            Ok(Err(shutting_down()))
        });
        let items: Vec<_> = fed.collect().await;
        assert!(items[..100].iter().enumerate().all(|(i, item)| *item.as_ref().expect("an item") == i));
        assert_eq!(items[100].as_ref().expect_err("the end").code(), Code::Unavailable);
        assert_eq!(items.len(), 101);
    }

    #[tokio::test]
    async fn a_reader_that_never_reads_costs_one_message_and_is_told_why_it_ended() {
        let (count, mut counted) = mpsc::unbounded_channel();
        let fed = feed(Duration::from_millis(50), move |feed| async move {
            loop {
                feed.send(()).await?;
                count.send(()).expect("the test is there");
            }
        });
        let mut sent = 0;
        while counted.recv().await.is_some() {
            sent += 1;
        }
        assert_eq!(sent, WAITING);
        let items: Vec<_> = fed.collect().await;
        assert_eq!(items[WAITING].as_ref().expect_err("the end").code(), Code::Aborted);
    }

    #[tokio::test]
    async fn a_panic_of_the_feeding_task_reaches_the_client_as_internal() {
        let mut fed = feed::<(), _>(Duration::from_secs(5), |_feed| async move { panic!("on purpose") });
        assert_eq!(fed.next().await.expect("an end").expect_err("a status").code(), Code::Internal);
        assert!(fed.next().await.is_none());
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_the_task() {
        let (done, ended) = oneshot::channel();
        let fed = feed(Duration::from_secs(60), |feed| async move {
            let result = loop {
                if let Err(gone) = feed.send(()).await {
                    break gone;
                }
            };
            done.send(result).expect("the test is there");
            Err(result)
        });
        drop(fed);
        assert_eq!(ended.await.expect("the task ends"), Gone::Left);
    }
}
