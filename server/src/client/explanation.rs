//! Following runs to their end over a connection that may break: no `finished`, so the stream is resumed, whatever the
//! code that it ended with.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::{Code, Status, Streaming};
use whyglass_proto::v1;
use whyglass_proto::v1::explain_response::Response as Message;
use whyglass_proto::v1::explain_service_client::ExplainServiceClient;
use whyglass_proto::v1::run_event::Event;

use super::{Calls, ClientError};

/// Runs that are being followed. Dropping it leaves them; what then becomes of them is `linger`'s to say, and a broken
/// connection can only be resumed within it.
#[derive(Debug)]
pub struct Explanation {
    client: ExplainServiceClient<Calls>,
    runs: Vec<String>,
    instance: String,
    options: Option<v1::StreamOptions>,
    /// Of the runs that have not finished: what has been seen.
    open: BTreeMap<String, u64>,
    events: Events,
    patience: Patience,
}

#[derive(Debug)]
enum Events {
    Explained(Box<Streaming<v1::ExplainResponse>>),
    Watched(Box<Streaming<v1::WatchRunsResponse>>),
}

impl Events {
    async fn next(&mut self) -> Result<Option<v1::RunEvent>, Status> {
        match self {
            Self::Explained(stream) => loop {
                match stream.message().await?.map(|message| message.response) {
                    None => return Ok(None),
                    Some(Some(Message::Event(event))) => return Ok(Some(event)),
                    Some(_) => {}
                }
            },
            Self::Watched(stream) => Ok(stream.message().await?.and_then(|message| message.event)),
        }
    }
}

impl Explanation {
    /// Asks until the runs are accepted: the same id again joins the same runs, so asking twice creates nothing twice.
    pub(super) async fn begin(
        mut client: ExplainServiceClient<Calls>,
        mut request: v1::ExplainRequest,
    ) -> Result<Self, ClientError> {
        if request.request_id.is_empty() {
            request.request_id = random_uuid()?;
        }
        let mut patience = Patience::new();
        loop {
            match accepted(&mut client, request.clone()).await {
                Ok((accepted, stream)) => {
                    return Ok(Self {
                        client,
                        open: accepted.runs.iter().map(|run| (run.clone(), 0)).collect(),
                        runs: accepted.runs,
                        instance: accepted.instance_id,
                        options: request.stream,
                        events: Events::Explained(Box::new(stream)),
                        patience,
                    });
                }
                Err(status) if may_pass(&status) => patience.wait(status).await?,
                Err(status) => return Err(status.into()),
            }
        }
    }

    /// The runs' names, in the order of the specs.
    #[must_use]
    pub fn runs(&self) -> &[String] {
        &self.runs
    }

    /// The next event; `None` when every run has finished. Heartbeats are not told.
    ///
    /// # Errors
    /// Where resuming makes no sense (the server was restarted), or has failed for too long.
    pub async fn next(&mut self) -> Result<Option<v1::RunEvent>, ClientError> {
        while !self.open.is_empty() {
            match self.events.next().await {
                Ok(Some(event)) => {
                    self.patience = Patience::new();
                    if self.note(&event) {
                        return Ok(Some(event));
                    }
                }
                Ok(None) => self.resume(Status::unavailable("the stream ended before its runs did")).await?,
                Err(status) => self.resume(status).await?,
            }
        }
        Ok(None)
    }

    /// Whether the event is news.
    fn note(&mut self, event: &v1::RunEvent) -> bool {
        match &event.event {
            None | Some(Event::Heartbeat(_)) => false,
            Some(Event::Finished(_)) => self.open.remove(&event.run).is_some(),
            Some(_) => self.open.get_mut(&event.run).is_some_and(|seen| {
                *seen = (*seen).max(event.sequence);
                true
            }),
        }
    }

    async fn resume(&mut self, mut cause: Status) -> Result<(), ClientError> {
        loop {
            self.patience.wait(cause).await?;
            let cursor = |(run, &after_sequence): (&String, &u64)| v1::RunCursor {
                run: run.clone(),
                after_sequence,
                instance_id: self.instance.clone(),
            };
            let cursors = self.open.iter().map(cursor).collect();
            let watch = Some(v1::watch_runs_request::Watch::Runs(v1::RunCursors { cursors }));
            match self.client.watch_runs(v1::WatchRunsRequest { watch, stream: self.options }).await {
                Ok(stream) => {
                    self.events = Events::Watched(Box::new(stream.into_inner()));
                    return Ok(());
                }
                Err(status) if may_pass(&status) => cause = status,
                Err(status) => return Err(status.into()),
            }
        }
    }
}

async fn accepted(
    client: &mut ExplainServiceClient<Calls>,
    request: v1::ExplainRequest,
) -> Result<(v1::Accepted, Streaming<v1::ExplainResponse>), Status> {
    let mut stream = client.explain(request).await?.into_inner();
    match stream.message().await?.and_then(|message| message.response) {
        Some(Message::Accepted(accepted)) => Ok((accepted, stream)),
        _ => Err(Status::unavailable("the stream ended before the runs were accepted")),
    }
}

/// Whether a call that failed so may succeed another time: the connection's faults, not the request's.
pub(super) fn may_pass(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Aborted | Code::Cancelled)
        || (status.code() == Code::Internal && status.details().is_empty())
}

/// How long to go on trying.
#[derive(Debug)]
pub(super) struct Patience {
    tries: u32,
}

impl Patience {
    const TRIES: u32 = 8;

    pub(super) fn new() -> Self {
        Self { tries: 0 }
    }

    /// Waits before the next try, longer each time: at once, 0.1 s, 0.2 s, … at most 3 s.
    ///
    /// # Errors
    /// `cause`, when it has been tried too often.
    pub(super) async fn wait(&mut self, cause: Status) -> Result<(), Status> {
        if self.tries >= Self::TRIES {
            return Err(cause);
        }
        if self.tries > 0 {
            let pause = Duration::from_millis(50 << self.tries.min(6)).min(Duration::from_secs(3));
            tokio::time::sleep(pause).await;
        }
        self.tries += 1;
        Ok(())
    }
}

fn random_uuid() -> Result<String, Status> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Status::internal(format!("no random numbers: {error}")))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_version_4_and_differ() {
        let (one, other) = (random_uuid().expect("random"), random_uuid().expect("random"));
        assert_ne!(one, other);
        assert_eq!((one.len(), &one[14..15]), (36, "4"));
    }

    #[test]
    fn a_refusal_is_not_tried_again_and_a_lost_connection_is() {
        assert!(may_pass(&Status::unavailable("")) && may_pass(&Status::internal("")));
        assert!(!may_pass(&Status::invalid_argument("")) && !may_pass(&Status::not_found("")));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_with_the_cause() {
        let mut patience = Patience::new();
        for _ in 0..Patience::TRIES {
            patience.wait(Status::unavailable("away")).await.expect("patient");
        }
        assert_eq!(patience.wait(Status::unavailable("away")).await.expect_err("enough").message(), "away");
    }
}
