//! What a module returns, as named tensors: the scores, and layers. A tensor alone is the scores; of a tuple or list the
//! elements go by their place, of a dict by their key; what lies deeper, by its path.

use tch::{IValue, Kind, Tensor};
use whyglass_sdk::{Error, Result};

/// The names that always mean the same.
const RESERVED: [&str; 3] = ["input", "logits", "probabilities"];

/// One tensor that a module has returned.
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) tensor: Tensor,
}

/// Every tensor of numbers in `value`, in the order in which they were returned.
pub(crate) fn flatten(value: IValue) -> Vec<Output> {
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

fn walk(value: IValue, path: &str, found: &mut Vec<Output>) {
    let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        IValue::Tensor(tensor) => {
            // An undefined tensor has no kind, an integer one no gradient.
            let numbers = tensor.defined()
                && matches!(tensor.f_kind(), Ok(Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double));
            if numbers {
                let name = if path.is_empty() { "output".to_owned() } else { path.to_owned() };
                found.push(Output { name, tensor });
            }
        }
        IValue::TensorList(tensors) => {
            for (index, tensor) in tensors.into_iter().enumerate() {
                walk(IValue::Tensor(tensor), &within(&format!("output.{index}")), found);
            }
        }
        IValue::Tuple(values) | IValue::GenericList(values) => {
            for (index, value) in values.into_iter().enumerate() {
                walk(value, &within(&format!("output.{index}")), found);
            }
        }
        IValue::GenericDict(pairs) => {
            for (key, value) in pairs {
                let key = match key {
                    IValue::String(key) => key,
                    IValue::Int(key) => key.to_string(),
                    _ => continue,
                };
                walk(value, &within(&key), found);
            }
        }
        _ => {}
    }
}

/// Which of the outputs are the scores: the one called `logits`, else the first that is N×classes, trailing dimensions of 1
/// aside.
///
/// # Errors
/// If there is none.
pub(crate) fn scores(outputs: &[Output], rows: i64) -> Result<usize> {
    let row_of_classes = |output: &Output| {
        matches!(output.tensor.size()[..], [n, classes, ref rest @ ..]
        if n == rows && classes > 0 && rest.iter().all(|size| *size == 1))
    };
    let named = outputs.iter().position(|output| output.name == "logits");
    match named.or_else(|| outputs.iter().position(row_of_classes)) {
        Some(index) if row_of_classes(&outputs[index]) => Ok(index),
        _ => {
            let shapes: Vec<String> =
                outputs.iter().map(|output| format!("{} of {:?}", output.name, output.tensor.size())).collect();
            let returned = if shapes.is_empty() { "no tensor of numbers".to_owned() } else { shapes.join(", ") };
            Err(Error::failed_precondition(
                "NO_CLASSIFIER",
                format!(
                    "the module returns {returned} for a batch of {rows}, and a classifier returns N×classes: export one \
                     that returns the scores before the softmax, alone or as \"logits\" of a dict"
                ),
            )
            .with_field("logits"))
        }
    }
}

/// `name`, or another where it is reserved for something else.
pub(crate) fn free_name(name: &str) -> String {
    if RESERVED.contains(&name) { format!("{name}.file") } else { name.to_owned() }
}
