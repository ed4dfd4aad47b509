//! Makes the calls of clients/conformance/calls.json with tonic, and writes what came of each as JSON. It knows the API only
//! by its descriptors, as the table does.
//!
//! `cargo run --package whyglass-server --example conform -- CALLS PLACES`

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt as _;

/// Messages by their descriptors.
#[derive(Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(into).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), from);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

struct Session {
    pool: DescriptorPool,
    places: Value,
    channels: BTreeMap<&'static str, Channel>,
    kept: BTreeMap<String, String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut read = || -> Result<Value> {
        let path = arguments.next().context("write: conform CALLS PLACES")?;
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    };
    let (steps, places) = (read()?, read()?);
    let mut channels = BTreeMap::new();
    for name in ["open", "guarded"] {
        let address = places[name].as_str().context("PLACES names both servers")?;
        channels.insert(name, Endpoint::from_shared(format!("http://{address}"))?.connect().await?);
    }
    let pool = DescriptorPool::decode(whyglass_proto::DESCRIPTORS)?;
    let mut session = Session { pool, places, channels, kept: BTreeMap::new() };
    let mut results = Map::new();
    for step in steps.as_array().context("CALLS is a list")? {
        let name = step["name"].as_str().context("a step has a name")?;
        let made = session.make(step).await.with_context(|| name.to_owned())?;
        results.insert(name.to_owned(), made);
    }
    println!("{}", Value::from(results));
    Ok(())
}

impl Session {
    async fn make(&mut self, step: &Value) -> Result<Value> {
        let method = self.method(step["call"].as_str().unwrap_or_default())?;
        let message = DynamicMessage::deserialize(method.input(), filled(&step["request"], &self.kept))?;
        let mut request = Request::new(message);
        if let Some(token) = step["token"].as_str() {
            let token = self.places["tokens"][token].as_str().context("PLACES has the token")?;
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        }
        let server = if step["server"] == "guarded" { "guarded" } else { "open" };
        let mut calls = Grpc::new(self.channels[server].clone()).max_decoding_message_size(64 << 20);
        calls.ready().await?;
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = PathAndQuery::from_maybe_shared(Bytes::from(path))?;
        let codec = Dynamic(method.output());
        if !method.is_server_streaming() {
            return Ok(match calls.unary(request, path, codec).await {
                Ok(answer) => {
                    let answer = serde_json::to_value(answer.get_ref())?;
                    self.keep(step, &answer);
                    json!({ "answer": if step["loose"] == true { "loose".into() } else { answer } })
                }
                Err(status) => json!({ "error": failed(&status) }),
            });
        }
        let told = match calls.server_streaming(request, path, codec).await {
            Ok(stream) => self.read(stream.into_inner(), &method, step).await,
            Err(status) => Err(status.into()),
        };
        match told {
            Ok(told) => Ok(told),
            Err(error) => Ok(json!({ "error": failed(error.downcast_ref().context("another error")?) })),
        }
    }

    fn method(&self, call: &str) -> Result<MethodDescriptor> {
        let (service, name) = call.split_once('/').context("write Service/Method")?;
        let service = self.pool.get_service_by_name(&format!("whyglass.v1.{service}")).context("no such service")?;
        service.methods().find(|method| method.name() == name).context("no such method")
    }

    async fn read(
        &mut self,
        mut stream: Streaming<DynamicMessage>,
        method: &MethodDescriptor,
        step: &Value,
    ) -> Result<Value> {
        let mut told = Map::new();
        let mut kinds = BTreeSet::new();
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        let mut hash = Sha256::new();
        while let Some(message) = stream.message().await? {
            if method.name() == "ReadArtifact" {
                let data = message.get_field_by_name("data").context("a piece has data")?;
                hash.update(data.as_bytes().context("data is bytes")?);
                continue;
            }
            let answer = serde_json::to_value(&message)?;
            if answer.get("accepted").is_some() {
                self.keep(step, &answer);
                continue;
            }
            let event = answer["event"].as_object().context("an event")?;
            let kind = event.keys().find(|key| !["run", "sequence", "elapsed"].contains(&key.as_str()));
            let kind = kind.cloned().unwrap_or_default();
            if kind == "started" || kind == "finished" {
                told.insert(kind.clone(), event[&kind].clone());
                kinds.insert(kind.clone());
            }
            let count = seen.entry(kind.clone()).or_default();
            *count += 1;
            if step["until"][&kind].as_u64() == Some(*count) {
                if step["keep"].get("seen").is_some() {
                    self.kept.insert("seen".to_owned(), text(&event["sequence"]));
                }
                return Ok(json!({ "until": step["until"].as_object().map(|until| until.keys().collect::<Vec<_>>()) }));
            }
        }
        told.insert("kinds".to_owned(), kinds.into_iter().collect());
        told.insert(
            "sha256".to_owned(),
            hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        );
        Ok(told.into())
    }

    fn keep(&mut self, step: &Value, answer: &Value) {
        for (name, path) in step["keep"].as_object().into_iter().flatten() {
            let Some(path) = path.as_str().filter(|path| *path != "sequence") else { continue };
            let place = path.split('.').map(|part| format!("/{part}")).collect::<String>();
            self.kept.insert(name.clone(), answer.pointer(&place).map(text).unwrap_or_default());
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn filled(value: &Value, kept: &BTreeMap<String, String>) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, inner)| (key.clone(), filled(inner, kept))).collect(),
        Value::Array(items) => items.iter().map(|inner| filled(inner, kept)).collect(),
        Value::String(text) => match text.strip_prefix('$') {
            Some(reference) => {
                let (name, rest) = reference
                    .split_once('/')
                    .map_or((reference, String::new()), |(name, rest)| (name, format!("/{rest}")));
                Value::String(kept.get(name).cloned().unwrap_or_default() + &rest)
            }
            None => value.clone(),
        },
        other => other.clone(),
    }
}

fn failed(status: &Status) -> Value {
    let details = status.get_error_details();
    let fields = details.bad_request().map(|request| request.field_violations.clone()).unwrap_or_default();
    let fields: Vec<Value> = fields.iter().map(|each| json!([each.field, each.description])).collect();
    let retry = details.retry_info().and_then(|info| info.retry_delay);
    let retry = retry.map(|delay| format!("{}.{:09}", delay.as_secs(), delay.subsec_nanos())).unwrap_or_default();
    let mut told = json!({
        "code": i32::from(status.code()), "message": status.message(), "reason": "", "fields": fields, "retry": retry,
    });
    if let Some(info) = details.error_info() {
        told["reason"] = info.reason.clone().into();
        told["domain"] = info.domain.clone().into();
    }
    told
}
