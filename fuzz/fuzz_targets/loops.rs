//! The engine of plain loops, of which a panic is an error: it is for tests, and takes graphs to be right. An engine that users
//! have refuses a graph that is not. Panics of everything else go on to end the process, as the fuzzer wants it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use whyglass_graph::{CompileOptions, Graph, ReferenceRuntime, Runtime, Tensor};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

pub struct Loops;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

impl Runtime for Loops {
    type Program = Graph;
    type Error = Failed;

    fn name(&self) -> String {
        ReferenceRuntime.name()
    }

    fn compile(&self, graph: &Graph, options: CompileOptions) -> Result<Graph, Failed> {
        ReferenceRuntime.compile(graph, options).map_err(|error| Failed(error.to_string()))
    }

    fn execute(&self, graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Failed> {
        // The fuzzer's hook aborts before anything can be caught.
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let abort = take_hook();
            set_hook(Box::new(move |panic| {
                if !INSIDE.get() {
                    abort(panic);
                }
            }));
        });
        INSIDE.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| ReferenceRuntime.execute(graph, inputs)));
        INSIDE.set(false);
        match result {
            Ok(result) => result.map_err(|error| Failed(error.to_string())),
            Err(_) => Err(Failed("the engine of plain loops has panicked".to_owned())),
        }
    }
}
