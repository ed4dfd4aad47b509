//! Reading streams as a client would: collecting events, and putting the map together from keyframes and tiles.

use std::collections::BTreeMap;

use tonic::Streaming;
use whyglass_proto::v1;
use whyglass_proto::v1::run_event::Event;
use whyglass_server::grpc::convert::floats;

use super::within;

pub type Explained = Streaming<v1::ExplainResponse>;
pub type Watched = Streaming<v1::WatchRunsResponse>;

/// The runs that a stream was accepted for.
pub async fn accepted(stream: &mut Explained) -> v1::Accepted {
    match within("accepted", stream.message()).await.unwrap().unwrap().response.unwrap() {
        v1::explain_response::Response::Accepted(accepted) => accepted,
        v1::explain_response::Response::Event(event) => panic!("accepted comes first, not {event:?}"),
    }
}

/// The next event; `None` at the end.
pub async fn next(stream: &mut Explained) -> Option<v1::RunEvent> {
    match within("an event", stream.message()).await.unwrap()?.response.unwrap() {
        v1::explain_response::Response::Event(event) => Some(event),
        v1::explain_response::Response::Accepted(_) => panic!("accepted comes once"),
    }
}

pub async fn next_watched(stream: &mut Watched) -> Option<v1::RunEvent> {
    Some(within("an event", stream.message()).await.unwrap()?.event.unwrap())
}

/// Everything to the end, heartbeats left out.
pub async fn rest(stream: &mut Explained) -> Vec<v1::RunEvent> {
    let mut events = within("the end of the stream", async {
        let mut events = Vec::new();
        while let Some(event) = next(stream).await {
            events.push(event);
        }
        events
    })
    .await;
    events.retain(|event| !matches!(event.event, Some(Event::Heartbeat(_))));
    events
}

pub async fn rest_watched(stream: &mut Watched) -> Vec<v1::RunEvent> {
    let mut events = within("the end of the stream", async {
        let mut events = Vec::new();
        while let Some(event) = next_watched(stream).await {
            events.push(event);
        }
        events
    })
    .await;
    events.retain(|event| !matches!(event.event, Some(Event::Heartbeat(_))));
    events
}

/// Reads until an event is of a kind.
pub async fn until(stream: &mut Explained, is: impl Fn(&Event) -> bool) -> v1::RunEvent {
    loop {
        let event = next(stream).await.expect("the stream goes on");
        if is(event.event.as_ref().unwrap()) {
            return event;
        }
    }
}

/// The one `finished`, which is the last event.
pub fn finished(events: &[v1::RunEvent]) -> &v1::Finished {
    let ends: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.event {
            Some(Event::Finished(finished)) => Some(finished),
            _ => None,
        })
        .collect();
    assert_eq!(ends.len(), 1, "exactly one finished");
    assert!(matches!(events.last().unwrap().event, Some(Event::Finished(_))), "finished is last");
    ends[0]
}

/// The reason in a status of google.rpc.
pub fn reason(status: &tonic_types::Status) -> String {
    use prost::Message as _;
    let info = status.details.iter().find(|any| any.type_url.ends_with("google.rpc.ErrorInfo"));
    info.map(|any| tonic_types::pb::ErrorInfo::decode(any.value.as_slice()).unwrap().reason).unwrap_or_default()
}

/// What a client knows of an artifact.
#[derive(Clone, Debug, Default)]
pub struct Canvas {
    pub maps: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    last: BTreeMap<String, u64>,
}

impl Canvas {
    pub fn apply_all<'a>(&mut self, events: impl IntoIterator<Item = &'a v1::RunEvent>) {
        events.into_iter().for_each(|event| self.apply(event));
    }

    pub fn apply(&mut self, event: &v1::RunEvent) {
        match event.event.as_ref().unwrap() {
            Event::Keyframe(frame) => {
                self.last.insert(frame.artifact.clone(), event.sequence);
                if let Some(v1::keyframe::Content::Tensor(tensor)) = &frame.content {
                    self.maps.insert(frame.artifact.clone(), floats(tensor, "tensor").unwrap());
                }
            }
            Event::Tiles(tiles) => {
                let last = self.last.insert(tiles.artifact.clone(), event.sequence);
                assert_eq!(last, Some(tiles.base_sequence), "tiles build upon the last event of their artifact");
                let (shape, values) = self.maps.get_mut(&tiles.artifact).expect("a keyframe comes first");
                for tile in &tiles.tiles {
                    let (size, cells) = floats(tile.tensor.as_ref().unwrap(), "tile").unwrap();
                    for (i, cell) in cells.iter().enumerate() {
                        let (y, x) = (tile.y as usize + i / size[1], tile.x as usize + i % size[1]);
                        values[y * shape[1] + x] = *cell;
                    }
                }
            }
            _ => {}
        }
    }

    /// The values of an artifact; NaN is compared by its bits.
    pub fn bits(&self, artifact: &str) -> Vec<u32> {
        self.maps[artifact].1.iter().map(|value| value.to_bits()).collect()
    }
}

/// What a sweep without a live change ends with.
pub fn swept(side: u32) -> Vec<u32> {
    (0..side * side).map(|i| (i as f32 + 1.0).to_bits()).collect()
}
