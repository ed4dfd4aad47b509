//! What this crate asks of an engine: compile a graph, execute it. Everything else is done here, so that another
//! engine is a page of code.

use crate::{Graph, OwnKernels, Tensor};

/// How a graph is to be compiled.
#[derive(Clone, Copy, Debug)]
pub struct CompileOptions {
    /// Spend time to make it fast. Off for graphs that run once (constant folding, shapes).
    pub optimise: bool,
    /// Threads that one execution may use; 0: one per core.
    pub threads: usize,
}

/// An engine that runs graphs.
pub trait Runtime: Send + Sync + 'static {
    /// A graph made ready to run. Executions may be concurrent.
    type Program: Send + Sync;
    /// What the engine says when it cannot.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Name and version: `"ONNX Runtime 1.32.0"`.
    fn name(&self) -> String;

    /// How many threads a program gets that may use `budget`; 0: one per core. Budgets that come to the same share programs.
    fn threads(&self, budget: usize) -> usize {
        budget
    }

    /// Which operators of [our own](crate::own) graphs may hold.
    fn own_kernels(&self) -> OwnKernels {
        OwnKernels::default()
    }

    /// Makes `graph` ready. All shapes of its inputs are concrete; values without a shape are the engine's to infer.
    ///
    /// # Errors
    /// If the engine cannot run the graph.
    fn compile(&self, graph: &Graph, options: CompileOptions) -> Result<Self::Program, Self::Error>;

    /// Runs `program` on one tensor per graph input, and returns one per graph output, in their order.
    ///
    /// # Errors
    /// If the engine fails.
    fn execute(&self, program: &Self::Program, inputs: &[Tensor]) -> Result<Vec<Tensor>, Self::Error>;
}
