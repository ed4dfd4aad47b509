//! A network that is one chain of layers: enough for every question that a technique may ask of a model, and small
//! enough to be worked out by hand. Not fast, and not meant to be.

use super::layers::{Layer, batch};
use crate::json::{Capability, InputSize, ModelDescriptor};
use crate::{Call, Cotangent, Error, FEATURES, Gradients, INPUT, Model, Result, Tensor, TensorView, Vjp, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A chain of layers with named nodes. Node 0 is `input`; node i is what layer i−1 makes.
#[derive(Debug)]
pub struct Chain {
    layers: Vec<Layer>,
    /// One more than layers.
    names: Vec<String>,
    features: Option<usize>,
    descriptor: ModelDescriptor,
    rows: AtomicUsize,
}

/// The value of a node for a whole batch: rows of `shape`.
#[derive(Clone)]
struct Value {
    rows: usize,
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Chain {
    /// `layers` with the names of what they make; the last but one is renamed `logits`, the last `probabilities`.
    pub(super) fn new(
        input: InputSize,
        layers: Vec<(&str, Layer)>,
        features: Option<&str>,
        capabilities: &[Capability],
    ) -> Self {
        let mut names = vec![INPUT.to_owned()];
        names.extend(layers.iter().map(|(name, _)| (*name).to_owned()));
        let layers: Vec<Layer> = layers.into_iter().map(|(_, layer)| layer).collect();
        let features = features.and_then(|id| names.iter().position(|name| name == id));
        let mut shape = vec![3, input.height as usize, input.width as usize];
        let mut described = vec![describe(INPUT, "Input", &shape, 0)];
        for (layer, name) in layers.iter().zip(&names[1..]) {
            shape = layer.shape(&shape).expect("the layers fit one another");
            described.push(describe(name, layer.op(), &shape, layer.parameters()));
        }
        let descriptor = ModelDescriptor {
            input: Some(input),
            classes: u32::try_from(shape[0]).expect("a handful of classes"),
            mean_colour: Some([0.0; 3]),
            layers: described,
            feature_layer: features.map(|index| names[index].clone()),
            capabilities: capabilities.to_vec(),
            device: "cpu".into(),
            backend: "testing".into(),
            runtime: "plain loops".into(),
            preferred_batch: 4,
            ..Default::default()
        };
        Self { layers, names, features, descriptor, rows: AtomicUsize::new(0) }
    }

    /// How many pictures have gone through the model, forwards.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// The same model, whose inner nodes cannot be fed.
    #[must_use]
    pub fn without_inner_feeds(mut self) -> Self {
        self.descriptor.capabilities.retain(|capability| *capability != Capability::InnerFeeds);
        self
    }

    /// The same model without gradients.
    #[must_use]
    pub fn without_gradients(mut self) -> Self {
        let gradients = [Capability::Gradients, Capability::InputGradients, Capability::GuidedRules];
        self.descriptor.capabilities.retain(|capability| !gradients.contains(capability));
        self
    }

    fn node(&self, id: &str) -> Result<usize> {
        let index = if id == FEATURES { self.features } else { self.names.iter().position(|name| name == id) };
        index.ok_or_else(|| {
            let message = format!("the model has no node '{id}'; it has {}", self.names.join(", "));
            Error::invalid_argument(id, message)
        })
    }

    /// The value of each node from the first that is fed up to `last`; whether it was fed.
    fn forward(
        &self,
        call: &Call<'_>,
        feeds: &[(&str, TensorView<'_>)],
        wanted: &[usize],
    ) -> Result<Vec<Option<(Value, bool)>>> {
        call.check()?;
        let mut values: Vec<Option<(Value, bool)>> = vec![None; self.names.len()];
        for (id, view) in feeds {
            values[self.node(id)?] = Some((self.value(id, *view)?, true));
        }
        let last = wanted.iter().copied().max().unwrap_or(0);
        let mut rows = 0;
        for index in 0..last {
            if values[index + 1].is_some() {
                continue;
            }
            let Some((value, _)) = &values[index] else { continue };
            let layer = &self.layers[index];
            let shape = layer.shape(&value.shape).map_err(|why| Error::invalid_argument(&self.names[index], why))?;
            let row = value.shape.iter().product::<usize>().max(1);
            let data = value.data.chunks(row).flat_map(|x| layer.forward(&value.shape, x)).collect();
            rows = rows.max(value.rows);
            values[index + 1] = Some((Value { rows: value.rows, shape, data }, false));
        }
        self.rows.fetch_add(rows, Ordering::Relaxed);
        match wanted.iter().find(|&&index| values[index].is_none()) {
            None => Ok(values),
            Some(_) => Err(Error::invalid_argument(INPUT, format!("'{INPUT}' is needed and not fed"))),
        }
    }

    fn value(&self, id: &str, view: TensorView<'_>) -> Result<Value> {
        let lengths: Vec<usize> = view.shape().iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
        let [rows, shape @ ..] = &lengths[..] else {
            return Err(Error::invalid_argument(id, "a feed needs a batch dimension"));
        };
        let known = self.descriptor.layer(id).map(|layer| layer.shape.clone()).unwrap_or_default();
        let free = self.descriptor.has(Capability::FreeSize);
        let fits = known.len() == shape.len()
            && known
                .iter()
                .zip(shape)
                .enumerate()
                .all(|(axis, (&want, &have))| usize::try_from(want) == Ok(have) || (free && axis > 0));
        if !fits {
            return Err(Error::invalid_argument(id, format!("a row has shape {shape:?}, {known:?} is wanted")));
        }
        Ok(Value { rows: *rows, shape: shape.to_vec(), data: view.data().to_vec() })
    }
}

fn describe(id: &str, op: &str, shape: &[usize], parameters: usize) -> json::Layer {
    json::Layer {
        id: id.into(),
        op: op.into(),
        shape: shape.iter().map(|&n| i64::try_from(n).expect("lengths fit")).collect(),
        spatial: shape.len() == 3,
        differentiable: true,
        reaches_input: true,
        parameters: parameters as u64,
        ..Default::default()
    }
}

fn take(values: &[Option<(Value, bool)>], index: usize) -> &Value {
    &values[index].as_ref().expect("forward has computed what is wanted").0
}

impl Model for Chain {
    fn descriptor(&self) -> &ModelDescriptor {
        &self.descriptor
    }

    fn run(&self, call: &Call<'_>, feeds: &[(&str, TensorView<'_>)], fetches: &[&str]) -> Result<Vec<Tensor>> {
        let wanted = fetches.iter().map(|id| self.node(id)).collect::<Result<Vec<_>>>()?;
        let values = self.forward(call, feeds, &wanted)?;
        let tensor = |&index: &usize| {
            let Value { rows, shape, data } = take(&values, index);
            batch(*rows, shape, data.clone())
        };
        Ok(wanted.iter().map(tensor).collect())
    }

    fn vjp(&self, call: &Call<'_>, vjp: &Vjp<'_>) -> Result<Gradients> {
        if !self.has_vjp() {
            return Err(Error::unimplemented("this model has no gradients: use a technique that needs none"));
        }
        let nodes = |ids: &[&str]| ids.iter().map(|id| self.node(id)).collect::<Result<Vec<_>>>();
        let (wrt, fetches) = (nodes(vjp.wrt)?, nodes(vjp.fetches)?);
        let from = vjp.cotangents.iter().map(|(id, _)| self.node(id)).collect::<Result<Vec<_>>>()?;
        let wanted: Vec<usize> = wrt.iter().chain(&fetches).chain(&from).copied().collect();
        let values = self.forward(call, vjp.feeds, &wanted)?;

        let mut gradients: Vec<Option<Vec<f32>>> = vec![None; self.names.len()];
        for (&index, (id, cotangent)) in from.iter().zip(vjp.cotangents) {
            let value = take(&values, index);
            let data = match cotangent {
                Cotangent::Itself => &value.data[..],
                Cotangent::Tensor(view) if view.data().len() == value.data.len() => view.data(),
                Cotangent::Tensor(view) => {
                    let message = format!("a cotangent of shape {:?} for rows of {:?}", view.shape(), value.shape);
                    return Err(Error::invalid_argument(*id, message));
                }
            };
            add(&mut gradients[index], data);
        }
        for index in (0..self.layers.len()).rev() {
            let Some(g) = gradients[index + 1].clone() else { continue };
            // A node that is fed does not depend on what is upstream of it.
            let (Some((x, _)), Some((y, false))) = (&values[index], &values[index + 1]) else { continue };
            let (row_in, row_out) = (x.data.len() / x.rows.max(1), y.data.len() / y.rows.max(1));
            let back: Vec<f32> = (0..x.rows)
                .flat_map(|row| {
                    let input = &x.data[row * row_in..][..row_in];
                    let output = &y.data[row * row_out..][..row_out];
                    self.layers[index].backward(&x.shape, input, output, &g[row * row_out..][..row_out], vjp.rule)
                })
                .collect();
            add(&mut gradients[index], &back);
        }
        let gradient = |&index: &usize| {
            let value = take(&values, index);
            batch(value.rows, &value.shape, gradients[index].clone().unwrap_or_else(|| vec![0.0; value.data.len()]))
        };
        let fetch = |&index: &usize| {
            let value = take(&values, index);
            batch(value.rows, &value.shape, value.data.clone())
        };
        Ok(Gradients { wrt: wrt.iter().map(gradient).collect(), fetches: fetches.iter().map(fetch).collect() })
    }
}

fn add(sum: &mut Option<Vec<f32>>, more: &[f32]) {
    match sum {
        Some(sum) => sum.iter_mut().zip(more).for_each(|(a, b)| *a += b),
        None => *sum = Some(more.to_vec()),
    }
}
