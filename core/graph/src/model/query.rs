//! `run` and `vjp`: names to values, shapes checked, one program per question, rows one by one where they must.

use super::GraphModel;
use crate::differentiate::{CotangentKind, Query, Rule, differentiate_for};
use crate::{CompileOptions, Dtype, Error, Graph, OwnKernels, Runtime, Tensor, ValueId};
use std::collections::HashSet;
use std::sync::Arc;

/// Pictures whose gradients are taken together.
const TOGETHER: usize = 2;

/// Where a cotangent comes from.
#[derive(Clone, Debug)]
pub enum Cotangent {
    /// A tensor of the node's shape.
    Tensor(Tensor),
    /// The node's own value.
    Itself,
}

/// A vector–Jacobian product, by names.
#[derive(Clone, Copy, Debug)]
pub struct Vjp<'a> {
    pub feeds: &'a [(&'a str, Tensor)],
    pub cotangents: &'a [(&'a str, Cotangent)],
    pub wrt: &'a [&'a str],
    pub fetches: &'a [&'a str],
    pub rule: Rule,
}

/// Its result, in the order of the question.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// The gradient with respect to each of `wrt`, in the shape of that node; zero where nothing flows.
    pub wrt: Vec<Tensor>,
    pub fetches: Vec<Tensor>,
}

/// Everything that decides what is compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ProgramKey {
    size: (i64, i64, i64),
    threads: usize,
    question: Question,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    Run { feeds: Vec<ValueId>, fetches: Vec<ValueId> },
    Vjp(Query),
}

/// Values that are given, by name as it was given, and number.
pub(super) type Fed<'a> = Vec<(&'a str, ValueId, Tensor)>;

impl<R: Runtime> GraphModel<R> {
    /// The values of `fetches`, from those of `feeds`: float32, in the shape that each node has at the batch and the
    /// picture size of `feeds`. `threads` 0: the model's own setting.
    ///
    /// Where no picture is fed, inner nodes have the shape that they have at the model's input size.
    ///
    /// # Errors
    /// An unknown name, a wrong shape, something needed and not fed, or a failure of the engine.
    pub fn run(&self, feeds: &[(&str, Tensor)], fetches: &[&str], threads: usize) -> Result<Vec<Tensor>, Error> {
        let fed = self.resolve_feeds(feeds)?;
        let fetches = self.resolve_all(fetches)?;
        let (rows, height, width) = self.size_of(&fed)?;
        if rows == 1 || self.capabilities.free_batch {
            return self.run_once(&fed, &fetches, (rows, height, width), threads);
        }
        let results =
            (0..rows).map(|row| self.run_once(&rows_of(&fed, row, 1, rows), &fetches, (1, height, width), threads));
        Ok(join(results.collect::<Result<_, _>>()?))
    }

    /// Reverse-mode differentiation, and values from the same forward pass. Pictures are taken in twos: what a forward pass
    /// leaves behind for the way back is then small enough to stay in a processor's cache, and weights are read once for both.
    ///
    /// # Errors
    /// As [`GraphModel::run`]; [`Error::NoDerivative`] if an operator in between has none.
    pub fn vjp(&self, vjp: &Vjp<'_>, threads: usize) -> Result<Gradients, Error> {
        let fed = self.resolve_feeds(vjp.feeds)?;
        let (rows, height, width) = self.size_of(&fed)?;
        let mut kinds = Vec::new();
        let mut cotangents: Fed<'_> = Vec::new();
        for (name, cotangent) in vjp.cotangents {
            let id = self.names.resolve(name)?;
            kinds.push(match cotangent {
                Cotangent::Itself => (id, CotangentKind::Itself),
                Cotangent::Tensor(tensor) => {
                    require_f32(name, tensor)?;
                    cotangents.push((*name, id, tensor.clone()));
                    (id, CotangentKind::Fed)
                }
            });
        }
        let query = Query {
            feeds: fed.iter().map(|(_, id, _)| *id).collect(),
            cotangents: kinds,
            wrt: self.resolve_all(vjp.wrt)?,
            fetches: self.resolve_all(vjp.fetches)?,
            rule: vjp.rule,
        };
        if rows == 1 || !self.goes_by_rows(&query, (rows, height, width))? {
            return self.vjp_once(&fed, &cotangents, &query, (rows, height, width), threads);
        }
        let plan = self.plans.get((1, height, width))?;
        for (name, id, tensor) in &cotangents {
            check_rows(&plan, name, *id, tensor, rows)?;
        }
        let most = self.gradients_together();
        let results = (0..rows).step_by(most).map(|start| {
            let count = (rows - start).min(most as i64);
            let [fed, cotangents] = [&fed, &cotangents].map(|fed| rows_of(fed, start, count, rows));
            self.vjp_once(&fed, &cotangents, &query, (count, height, width), threads)
        });
        let results = results.collect::<Result<Vec<_>, Error>>()?;
        let (wrt, fetches) = results.into_iter().map(|result| (result.wrt, result.fetches)).unzip();
        Ok(Gradients { wrt: join(wrt), fetches: join(fetches) })
    }

    /// Of how many pictures [`GraphModel::vjp`] computes the gradients together, where its values divide into pictures.
    #[must_use]
    pub fn gradients_together(&self) -> usize {
        if self.capabilities.free_batch { TOGETHER } else { 1 }
    }

    /// Whether a batch of `size` can be asked `query` picture by picture: it must, or every value of the question has
    /// as many rows for each picture as for one.
    fn goes_by_rows(&self, query: &Query, size: (i64, i64, i64)) -> Result<bool, Error> {
        let cotangents = query.cotangents.iter().map(|(id, _)| id);
        self.divide(query.feeds.iter().chain(cotangents).chain(&query.wrt).chain(&query.fetches).copied(), size)
    }

    /// Whether the pictures of a batch lie one after the other along the first axis of each of the values `names`, so
    /// that a batch can be cut into parts and put together again there. A transformer that keeps its tokens as
    /// tokens × pictures × channels has values of which this is not so.
    ///
    /// # Errors
    /// An unknown name, or a failure of the engine.
    pub fn rows_come_first(&self, names: &[&str]) -> Result<bool, Error> {
        let (height, width) = self.plans.size();
        self.divide(self.resolve_all(names)?.into_iter(), (2, height, width))
    }

    fn divide(&self, mut ids: impl Iterator<Item = ValueId>, size: (i64, i64, i64)) -> Result<bool, Error> {
        if !self.capabilities.free_batch {
            return Ok(true);
        }
        let (rows, height, width) = size;
        let (all, one) = (self.plans.get(size)?, self.plans.get((1, height, width))?);
        Ok(ids.all(|id| {
            let shapes = all.shape(id).and_then(<[i64]>::split_first).zip(one.shape(id).and_then(<[i64]>::split_first));
            shapes.is_some_and(|((all, rest), (one, rest_of_one))| *all == one * rows && rest == rest_of_one)
        }))
    }

    fn resolve_all(&self, names: &[&str]) -> Result<Vec<ValueId>, Error> {
        names.iter().map(|name| self.names.resolve(name)).collect()
    }

    fn resolve_feeds<'a>(&self, feeds: &[(&'a str, Tensor)]) -> Result<Fed<'a>, Error> {
        let mut seen = HashSet::new();
        let feeds = feeds.iter().map(|(name, tensor)| {
            let id = self.names.resolve(name)?;
            require_f32(name, tensor)?;
            if !seen.insert(id) {
                return Err(Error::invalid_request(format!("{name:?} is fed twice, once by another name")));
            }
            Ok((*name, id, tensor.clone()))
        });
        feeds.collect()
    }

    /// Batch, height and width that the feeds mean, with the shape of each checked.
    pub(super) fn size_of(&self, fed: &Fed<'_>) -> Result<(i64, i64, i64), Error> {
        let (height, width) = self.plans.size();
        let picture = fed.iter().find(|(_, id, _)| *id == self.landmarks.input);
        let (rows, height, width) = match (picture, fed.first()) {
            (Some((name, _, tensor)), _) => match *tensor.shape() {
                [n, 3, h, w]
                    if n > 0 && ((h, w) == (height, width) || (self.capabilities.free_size && h > 0 && w > 0)) =>
                {
                    (n, h, w)
                }
                _ => {
                    let rows = tensor.shape().first().map_or(1, |&rows| rows.max(1));
                    return Err(mismatch(name, vec![rows, 3, height, width], tensor));
                }
            },
            (None, Some((name, id, tensor))) => {
                let single = self.shape_of_one(name, *id)?;
                let rows = match (single.split_first(), tensor.shape().split_first()) {
                    (Some((one, rest)), Some((given, given_rest)))
                        if rest == given_rest && *one > 0 && *given > 0 && given % one == 0 =>
                    {
                        given / one
                    }
                    _ => return Err(mismatch(name, single.to_vec(), tensor)),
                };
                (rows, height, width)
            }
            (None, None) => (1, height, width),
        };
        if rows > 1 && !self.capabilities.free_batch {
            let plan = self.plans.get((1, height, width))?;
            for (name, id, tensor) in fed {
                check_rows(&plan, name, *id, tensor, rows)?;
            }
        } else {
            let plan = self.plans.get((rows, height, width))?;
            for (name, id, tensor) in fed {
                check(&plan, name, *id, tensor)?;
            }
        }
        Ok((rows, height, width))
    }

    fn shape_of_one(&self, name: &str, id: ValueId) -> Result<&[i64], Error> {
        self.plans.one().shape(id).ok_or_else(|| self.names.unknown(name))
    }

    pub(super) fn run_once(
        &self,
        fed: &Fed<'_>,
        fetches: &[ValueId],
        size: (i64, i64, i64),
        threads: usize,
    ) -> Result<Vec<Tensor>, Error> {
        let plan = self.plans.get(size)?;
        let given = |id: ValueId| {
            let fed = fed.iter().find(|(_, fed, _)| *fed == id).map(|(_, _, tensor)| tensor.clone());
            fed.or_else(|| plan.constant(id).map(|tensor| (**tensor).clone()))
        };
        let mut computed: Vec<ValueId> = Vec::new();
        for &id in fetches {
            if given(id).is_none() && !computed.contains(&id) {
                computed.push(id);
            }
        }
        let mut results = Vec::new();
        if !computed.is_empty() {
            let feeds: Vec<ValueId> = fed.iter().map(|(_, id, _)| *id).collect();
            let question = Question::Run { feeds: feeds.clone(), fetches: computed.clone() };
            let program = self.program(size, threads, question, || plan.cut(&feeds, &computed))?;
            results =
                self.execute(&program, fed.iter().map(|(_, _, tensor)| tensor.clone()).collect(), computed.len())?;
        }
        let find = |id: ValueId| {
            let computed = computed.iter().position(|other| *other == id).map(|index| results[index].clone());
            computed.or_else(|| given(id)).expect("each fetch is given or computed")
        };
        Ok(fetches.iter().map(|id| find(*id)).collect())
    }

    fn vjp_once(
        &self,
        fed: &Fed<'_>,
        cotangents: &Fed<'_>,
        query: &Query,
        size: (i64, i64, i64),
        threads: usize,
    ) -> Result<Gradients, Error> {
        let plan = self.plans.get(size)?;
        for (name, id, tensor) in cotangents {
            check(&plan, name, *id, tensor)?;
        }
        let program = |kernels| {
            let graph = || differentiate_for(kernels, &plan, query, &self.derived);
            self.program(size, threads, Question::Vjp(query.clone()), graph)
        };
        // Operators of our own compute in float32, which not every network does throughout.
        let program = program(self.runtime.own_kernels()).or_else(|_| program(OwnKernels::NONE))?;
        let inputs = fed.iter().chain(cotangents).map(|(_, _, tensor)| tensor.clone()).collect();
        let mut wrt = self.execute(&program, inputs, query.wrt.len() + query.fetches.len())?;
        let fetches = wrt.split_off(query.wrt.len());
        Ok(Gradients { wrt, fetches })
    }

    /// What computes `fetch` from inner values, on one thread.
    pub(super) fn rest(
        &self,
        size: (i64, i64, i64),
        feeds: &[ValueId],
        fetch: ValueId,
    ) -> Result<Arc<R::Program>, Error> {
        let plan = self.plans.get(size)?;
        let question = Question::Run { feeds: feeds.to_vec(), fetches: vec![fetch] };
        self.program(size, 1, question, || plan.cut(feeds, &[fetch]))
    }

    fn program(
        &self,
        size: (i64, i64, i64),
        threads: usize,
        question: Question,
        graph: impl FnOnce() -> Result<Graph, Error>,
    ) -> Result<Arc<R::Program>, Error> {
        let threads = self.runtime.threads(if threads == 0 { self.threads } else { threads });
        self.programs.get(ProgramKey { size, threads, question }, || {
            let options = CompileOptions { optimise: true, threads };
            let compiled = self.runtime.compile(&graph()?, options);
            compiled.map_err(|error| Error::runtime("compiling a part of the model", error))
        })
    }

    fn execute(&self, program: &R::Program, inputs: Vec<Tensor>, wanted: usize) -> Result<Vec<Tensor>, Error> {
        let results = self.runtime.execute(program, &inputs);
        let results = results.map_err(|error| Error::runtime("running a part of the model", error))?;
        if results.len() != wanted {
            return Err(Error::malformed(format!("the engine returned {} tensors of {wanted}", results.len())));
        }
        Ok(results)
    }
}

pub(super) fn require_f32(name: &str, tensor: &Tensor) -> Result<(), Error> {
    match tensor.dtype() {
        Dtype::F32 => Ok(()),
        other => Err(Error::invalid_request(format!("{name:?} is given as {other:?}; give float32"))),
    }
}

pub(super) fn mismatch(name: &str, wanted: Vec<i64>, given: &Tensor) -> Error {
    Error::ShapeMismatch { name: name.to_owned(), wanted, given: given.shape().to_vec() }
}

fn check(plan: &Graph, name: &str, id: ValueId, given: &Tensor) -> Result<(), Error> {
    let wanted = plan.shape(id).unwrap_or_default();
    if wanted == given.shape() { Ok(()) } else { Err(mismatch(name, wanted.to_vec(), given)) }
}

/// As [`check`], for `rows` pictures that will be taken one by one through `plan`.
fn check_rows(plan: &Graph, name: &str, id: ValueId, given: &Tensor, rows: i64) -> Result<(), Error> {
    let mut wanted = plan.shape(id).unwrap_or_default().to_vec();
    if let Some(first) = wanted.first_mut() {
        *first *= rows;
    }
    if wanted == given.shape() { Ok(()) } else { Err(mismatch(name, wanted, given)) }
}

/// What belongs to `count` pictures of `rows`, from `start` on.
fn rows_of<'a>(fed: &Fed<'a>, start: i64, count: i64, rows: i64) -> Fed<'a> {
    let part = |tensor: &Tensor| {
        let each = tensor.shape()[0] / rows;
        tensor.rows(start * each, count * each)
    };
    fed.iter().map(|(name, id, tensor)| (*name, *id, part(tensor))).collect()
}

/// Lists of tensors, one list per picture, to one list of batches.
fn join(mut rows: Vec<Vec<Tensor>>) -> Vec<Tensor> {
    let count = rows.first().map_or(0, Vec::len);
    let mut joined = Vec::with_capacity(count);
    for _ in 0..count {
        let parts: Vec<Tensor> = rows.iter_mut().filter_map(Vec::pop).collect();
        joined.push(if parts[0].shape().is_empty() { parts[0].clone() } else { Tensor::concatenate(&parts) });
    }
    joined.reverse();
    joined
}
