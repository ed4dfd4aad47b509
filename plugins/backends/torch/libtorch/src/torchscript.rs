//! A TorchScript module behind the plugin interface: pixels are fed, everything that the module returns can be fetched and
//! differentiated.

use crate::autograd;
use crate::error::torch;
use crate::groups::Groups;
use crate::module::{Module, Nodes};
use crate::pixels::Pixels;
use crate::precision::Precision;
use crate::probe;
use crate::session::Session;
use crate::value;
use std::path::Path;
use tch::{Device, Tensor as Torch};
use whyglass_sdk::{
    Call, Cotangent, Error, FEATURES, Gradients, INPUT, LOGITS, Model, Result, Rule, Tensor, TensorView, Vjp, json,
};

/// A loaded module.
pub(crate) struct TorchScript {
    module: Module,
    descriptor: json::ModelDescriptor,
    free_batch: bool,
}

impl TorchScript {
    /// Loads the file and runs it a few times to see what it is.
    ///
    /// # Errors
    /// If it is no TorchScript, or no classifier of pictures.
    pub(crate) fn load(
        call: &Call<'_>,
        path: &Path,
        options: &json::LoadOptions,
        (device, precision): (Device, Precision),
    ) -> Result<Self> {
        let _session = Session::enter(call)?;
        let mut module = Module::load(path, Pixels::new(options.normalize, device)?, device, precision)?;
        let size = options.input.ok_or_else(|| {
            let message = format!(
                "{} does not say how large its pictures are: write input = {{ width = …, height = … }} into a model.toml \
                 beside it",
                path.display()
            );
            Error::failed_precondition("NO_INPUT_SIZE", message).with_field("input")
        })?;
        let size = (i64::from(size.height), i64::from(size.width));
        call.check()?;
        if !options.groups.is_empty() {
            let picture = vec![0.5; (3 * size.0 * size.1) as usize];
            let picture = value::lend(&TensorView::new(&[1, 3, size.0, size.1], &picture), device)?;
            let classes = module.forward(picture)?.get(LOGITS).map_or(0, |logits| logits.size()[1]);
            let members: Vec<Vec<u32>> = options.groups.iter().map(|group| group.members.clone()).collect();
            module.groups = Some(Groups::new(&members, classes as usize, device)?);
        }
        let found = probe::run(&module, size, options.feature_layer.as_deref())?;
        Ok(Self { module, descriptor: found.descriptor, free_batch: found.free_batch })
    }

    /// What a name stands for among the module's nodes.
    fn node<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        let meant = match (name, &self.descriptor.feature_layer) {
            (FEATURES, Some(features)) => features.as_str(),
            _ => name,
        };
        if self.descriptor.layers.iter().any(|layer| layer.id == meant) {
            return Ok(meant);
        }
        let known: Vec<&str> = self.descriptor.layers.iter().map(|layer| layer.id.as_str()).collect();
        let message = format!("there is no node {name:?}: the module returns {}", known.join(", "));
        Err(Error::invalid_argument(name, message).with_reason("UNKNOWN_NODE"))
    }

    /// The pictures among `feeds`, which can be the only thing there.
    fn pictures<'a>(&self, feeds: &[(&str, TensorView<'a>)]) -> Result<TensorView<'a>> {
        let mut pictures = None;
        for (name, view) in feeds {
            if *name != INPUT {
                self.node(name)?;
                let message =
                    format!("a TorchScript module takes pixels only, so that {name:?} cannot be fed: feed \"input\"");
                return Err(Error::invalid_argument(*name, message).with_reason("NO_INNER_FEEDS"));
            }
            pictures = Some(*view);
        }
        let pictures =
            pictures.ok_or_else(|| Error::invalid_argument(INPUT, "\"input\" is not fed").with_reason("NOT_FED"))?;
        let size = self.descriptor.input.unwrap_or(json::InputSize { height: 0, width: 0 });
        let (height, width) = (i64::from(size.height), i64::from(size.width));
        let free = self.descriptor.has(json::Capability::FreeSize);
        match *pictures.shape() {
            [n, 3, h, w] if n > 0 && ((h, w) == (height, width) || (free && h > 0 && w > 0)) => Ok(pictures),
            ref given => {
                let message = format!("\"input\" has shape [N, 3, {height}, {width}], {given:?} was given");
                Err(Error::invalid_argument(INPUT, message).with_reason("SHAPE_MISMATCH"))
            }
        }
    }

    /// Calls `evaluate` on the batch, or on its rows one by one, and puts together what it returns.
    fn by_rows(
        &self,
        call: &Call<'_>,
        pictures: TensorView<'_>,
        mut evaluate: impl FnMut(Torch, std::ops::Range<usize>) -> Result<Vec<Torch>>,
    ) -> Result<Vec<Tensor>> {
        let rows = usize::try_from(pictures.shape()[0]).unwrap_or(0);
        let whole = value::lend(&pictures, self.module.device)?;
        if self.free_batch || rows == 1 {
            return evaluate(whole, 0..rows)?.iter().map(value::take).collect();
        }
        let mut parts: Vec<Vec<Torch>> = Vec::with_capacity(rows);
        for row in 0..rows {
            call.check()?;
            let picture = whole.f_narrow(0, row as i64, 1).map_err(torch)?;
            parts.push(evaluate(picture, row..row + 1)?);
        }
        (0..parts[0].len())
            .map(|index| {
                let column: Vec<&Torch> = parts.iter().map(|part| &part[index]).collect();
                value::take(&Torch::f_cat(&column, 0).map_err(torch)?)
            })
            .collect()
    }
}

/// Copies of the handles of `names`; the values are shared.
fn fetch(nodes: &Nodes, names: &[&str]) -> Result<Vec<Torch>> {
    let missing = |name: &str| Error::internal(format!("the module returned no {name:?} this time"));
    names.iter().map(|name| nodes.get(name).map(Torch::shallow_clone).ok_or_else(|| missing(name))).collect()
}

/// The rows `range` of `rows` of a cotangent.
fn part<'a>(
    cotangent: Cotangent<'a>,
    shape: &'a mut Vec<i64>,
    range: &std::ops::Range<usize>,
    rows: usize,
) -> Cotangent<'a> {
    match cotangent {
        Cotangent::Tensor(view) if range.len() < rows && view.shape().first() == Some(&(rows as i64)) => {
            let row = view.data().len() / rows;
            shape.clear();
            shape.extend_from_slice(view.shape());
            shape[0] = range.len() as i64;
            Cotangent::Tensor(TensorView::new(shape, &view.data()[range.start * row..range.end * row]))
        }
        other => other,
    }
}

impl Model for TorchScript {
    fn descriptor(&self) -> &json::ModelDescriptor {
        &self.descriptor
    }

    fn run(&self, call: &Call<'_>, feeds: &[(&str, TensorView<'_>)], fetches: &[&str]) -> Result<Vec<Tensor>> {
        call.check()?;
        let fetches: Vec<&str> = fetches.iter().map(|name| self.node(name)).collect::<Result<_>>()?;
        let pictures = self.pictures(feeds)?;
        let _session = Session::enter(call)?;
        self.by_rows(call, pictures, |picture, _| fetch(&self.module.forward(picture)?, &fetches))
    }

    fn vjp(&self, call: &Call<'_>, vjp: &Vjp<'_>) -> Result<Gradients> {
        call.check()?;
        if vjp.rule != Rule::Standard {
            let message = "autograd has no rule but the derivative itself: guided backpropagation and deconvnet need the \
                           network as ONNX";
            return Err(Error::unimplemented(message).with_field("rule"));
        }
        let names = |names: &[&'_ str]| names.iter().map(|name| self.node(name).map(str::to_owned)).collect();
        let (wrt, fetches): (Result<Vec<String>>, Result<Vec<String>>) = (names(vjp.wrt), names(vjp.fetches));
        let (wrt, fetches) = (wrt?, fetches?);
        let cotangents: Vec<(&str, Cotangent<'_>)> =
            vjp.cotangents.iter().map(|(name, cotangent)| Ok((self.node(name)?, *cotangent))).collect::<Result<_>>()?;
        let pictures = self.pictures(vjp.feeds)?;
        let rows = usize::try_from(pictures.shape()[0]).unwrap_or(0);
        let (wrt, fetches): (Vec<&str>, Vec<&str>) =
            (wrt.iter().map(String::as_str).collect(), fetches.iter().map(String::as_str).collect());
        let _session = Session::enter(call)?;
        let mut values = self.by_rows(call, pictures, |picture, range| {
            tch::with_grad(|| {
                let picture = picture.f_detach().and_then(|leaf| leaf.f_set_requires_grad(true)).map_err(torch)?;
                let nodes = self.module.forward(picture)?;
                let mut shapes = vec![Vec::new(); cotangents.len()];
                let parts: Vec<(&str, Cotangent<'_>)> = cotangents
                    .iter()
                    .zip(&mut shapes)
                    .map(|((name, cotangent), shape)| (*name, part(*cotangent, shape, &range, rows)))
                    .collect();
                let asked = fetch(&nodes, &wrt)?;
                let asked: Vec<&Torch> = asked.iter().collect();
                let mut values = autograd::gradients(&nodes, &parts, &asked, self.module.device)?;
                values.extend(fetch(&nodes, &fetches)?);
                Ok(values)
            })
        })?;
        let fetches = values.split_off(wrt.len());
        Ok(Gradients { wrt: values, fetches })
    }
}
