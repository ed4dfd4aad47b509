//! PyTorch's legacy (non-zip) checkpoint format: five pickles (magic number, protocol, system, the state dictionary,
//! the order of the storages), then each storage as a 64-bit count and its raw elements.

use super::pickle::{self, Value};
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;

/// A tensor of the checkpoint, row-major.
pub(super) struct Weight {
    pub(super) shape: Vec<i64>,
    pub(super) data: Vec<f32>,
}

/// What the dictionary says of a tensor: where in which storage its elements lie.
struct Entry {
    name: String,
    storage: String,
    offset: i64,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

/// All float32 tensors of the state dictionary, by name.
pub(super) fn read(mut bytes: &[u8]) -> Result<HashMap<String, Weight>> {
    for part in ["magic number", "protocol version", "system information"] {
        pickle::read(&mut bytes).with_context(|| format!("no {part}: is this a legacy PyTorch checkpoint?"))?;
    }
    let Value::Dict(entries) = pickle::read(&mut bytes)? else { bail!("the checkpoint holds no state dictionary") };
    let Value::List(order) = pickle::read(&mut bytes)? else { bail!("the checkpoint does not list its storages") };
    let entries: Vec<Entry> =
        entries.into_iter().filter_map(|(name, value)| entry(name, value).transpose()).collect::<Result<_>>()?;
    let storages = storages(&entries, &order, bytes)?;
    entries.iter().map(|entry| Ok((entry.name.clone(), weight(entry, &storages)?))).collect()
}

/// `_rebuild_tensor_v2((storage), offset, shape, strides, …)`; tensors of other types (the counters of batch
/// normalisation) are left out.
fn entry(name: Value, value: Value) -> Result<Option<Entry>> {
    let (Value::Text(name), Value::Call(function, arguments)) = (name, value) else {
        bail!("an entry of the state dictionary is no tensor");
    };
    ensure!(function == "torch._utils._rebuild_tensor_v2", "{name}: tensors made by {function} are not known here");
    let [Value::Persistent(id), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..] = &arguments[..]
    else {
        bail!("{name}: not the arguments of a tensor");
    };
    let Value::Tuple(id) = &**id else { bail!("{name}: not a reference to a storage") };
    let [_, Value::Global(kind), Value::Text(storage), ..] = &id[..] else {
        bail!("{name}: not a reference to a storage")
    };
    if kind != "torch.FloatStorage" {
        return Ok(None);
    }
    let (shape, strides) = (integers(shape)?, integers(strides)?);
    Ok(Some(Entry { name, storage: storage.clone(), offset: *offset, shape, strides }))
}

fn integers(values: &[Value]) -> Result<Vec<i64>> {
    values
        .iter()
        .map(|value| if let Value::Int(value) = value { Ok(*value) } else { bail!("not an integer") })
        .collect()
}

/// The storages in the order of the file. Those of the counters hold 64-bit integers, all others floats.
fn storages<'a>(entries: &[Entry], order: &[Value], mut bytes: &'a [u8]) -> Result<HashMap<String, &'a [u8]>> {
    let floats: std::collections::HashSet<&str> = entries.iter().map(|entry| entry.storage.as_str()).collect();
    let mut storages = HashMap::new();
    for key in order {
        let Value::Text(key) = key else { bail!("the name of a storage is no text") };
        let (count, rest) = bytes.split_first_chunk::<8>().context("the checkpoint is cut short")?;
        let element = if floats.contains(key.as_str()) { 4 } else { 8 };
        let length =
            usize::try_from(i64::from_le_bytes(*count))?.checked_mul(element).context("a storage is too long")?;
        let (data, rest) = rest.split_at_checked(length).context("the checkpoint is cut short")?;
        storages.insert(key.clone(), data);
        bytes = rest;
    }
    Ok(storages)
}

/// Gathers a tensor's elements: the weights were transposed from TensorFlow's order, so strides matter.
fn weight(entry: &Entry, storages: &HashMap<String, &[u8]>) -> Result<Weight> {
    let storage = storages.get(&entry.storage).with_context(|| format!("{}: its storage is missing", entry.name))?;
    let count: i64 = entry.shape.iter().product();
    let mut data = Vec::with_capacity(usize::try_from(count)?);
    for flat in 0..count {
        let (mut rest, mut position) = (flat, entry.offset);
        for (size, stride) in entry.shape.iter().zip(&entry.strides).rev() {
            position += rest % size * stride;
            rest /= size;
        }
        let start = usize::try_from(position)? * 4;
        let element = storage.get(start..start + 4).with_context(|| format!("{}: outside its storage", entry.name))?;
        data.push(f32::from_le_bytes(element.try_into().expect("four bytes")));
    }
    Ok(Weight { shape: entry.shape.clone(), data })
}
