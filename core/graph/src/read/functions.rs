//! Writes functions out: a call of one becomes the nodes of its body, under names of their own.
//!
//! PyTorch's newer exporter wraps modules and operators into functions where it is not asked to inline them. Nothing
//! here trusts the file: functions that call themselves, or unfold without end, are refused by name.

use super::{describe, own_domain};
use crate::Error;
use crate::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto};
use prost::Message as _;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How deep calls may be nested. Exporters nest by modules: a dozen.
const DEPTH: usize = 64;
/// Nodes and calls that a file may unfold to, and bytes of them.
const NODES: usize = 1_000_000;
const BYTES: usize = 1 << 30;

/// A function's domain, name and overload.
type Key = [String; 3];

/// Replaces every call in `graph` of one of `functions`, which are written for the operator set `opset` of ONNX's own.
/// Operator sets of other domains that bodies use are added to `domains`.
pub(super) fn inline(
    graph: &mut GraphProto,
    functions: &[FunctionProto],
    opset: i64,
    domains: &mut BTreeMap<String, i64>,
) -> Result<(), Error> {
    if functions.is_empty() {
        return Ok(());
    }
    let by_key = functions.iter().map(|f| ([f.domain.clone(), f.name.clone(), f.overload.clone()], f)).collect();
    let named = graph.node.iter().flat_map(|node| node.input.iter().chain(&node.output));
    let names = named.chain(graph.initializer.iter().map(|tensor| &tensor.name)).cloned().collect();
    let mut unfolding = Unfolding {
        functions: by_key,
        names,
        nodes: Vec::new(),
        calls: Vec::new(),
        left: (NODES, BYTES),
        opset,
        domains,
    };
    for node in std::mem::take(&mut graph.node) {
        unfolding.add(node)?;
    }
    graph.node = unfolding.nodes;
    Ok(())
}

struct Unfolding<'a> {
    functions: HashMap<Key, &'a FunctionProto>,
    /// Every name of a value that is taken.
    names: HashSet<String>,
    nodes: Vec<NodeProto>,
    /// The functions whose bodies are being written out.
    calls: Vec<Key>,
    /// Nodes, and bytes of them, that may still come.
    left: (usize, usize),
    opset: i64,
    domains: &'a mut BTreeMap<String, i64>,
}

impl<'a> Unfolding<'a> {
    fn add(&mut self, node: NodeProto) -> Result<(), Error> {
        let left = (self.left.0.checked_sub(1), self.left.1.checked_sub(node.encoded_len()));
        let (Some(nodes), Some(bytes)) = left else {
            return Err(Error::unsupported(format!(
                "its functions unfold to more than {NODES} nodes or {BYTES} bytes"
            )));
        };
        self.left = (nodes, bytes);
        let key = [node.domain.clone(), node.op_type.clone(), node.overload.clone()];
        let Some(function) = self.functions.get(&key).copied() else {
            self.nodes.push(node);
            return Ok(());
        };
        if self.calls.contains(&key) {
            return Err(Error::malformed(format!("the function {:?} calls itself", function.name)));
        }
        if self.calls.len() >= DEPTH {
            return Err(Error::unsupported(format!("functions call each other more than {DEPTH} deep")));
        }
        self.check_operator_sets(&function.opset_import, &function.name)?;
        self.calls.push(key);
        self.body(function, &node)?;
        self.calls.pop();
        Ok(())
    }

    fn check_operator_sets(&mut self, imports: &[OperatorSetIdProto], function: &str) -> Result<(), Error> {
        for import in imports {
            let known = match own_domain(&import.domain) {
                true => self.opset,
                false => *self.domains.entry(import.domain.clone()).or_insert(import.version),
            };
            if known != import.version {
                return Err(Error::unsupported(format!(
                    "the function {function:?} is written for operator set {} of {:?}, the model for {known}; \
                     export the model with functions inlined",
                    import.version, import.domain
                )));
            }
        }
        Ok(())
    }

    fn body(&mut self, function: &'a FunctionProto, call: &NodeProto) -> Result<(), Error> {
        if call.input.len() > function.input.len() || call.output.len() > function.output.len() {
            return Err(Error::malformed(format!(
                "{} has more inputs or outputs than the function that it calls",
                describe(call)
            )));
        }
        let mut renamed: HashMap<&str, String> = HashMap::new();
        for (index, formal) in function.input.iter().enumerate() {
            renamed.insert(formal, call.input.get(index).cloned().unwrap_or_default());
        }
        let scope = Some(&call.name).filter(|name| !name.is_empty()).or(call.output.first());
        let scope = scope.map_or("", String::as_str);
        for (index, formal) in function.output.iter().enumerate() {
            let Some(actual) = call.output.get(index).filter(|actual| !actual.is_empty()) else { continue };
            match renamed.get(&**formal) {
                // An input, or another output, that is handed out as it is.
                Some(same) => {
                    let node = NodeProto {
                        input: vec![same.clone()],
                        output: vec![actual.clone()],
                        op_type: "Identity".into(),
                        ..NodeProto::default()
                    };
                    self.add(node)?;
                }
                None => {
                    renamed.insert(formal, actual.clone());
                }
            }
        }
        for name in function.node.iter().flat_map(|node| &node.output).filter(|name| !name.is_empty()) {
            if !renamed.contains_key(&**name) {
                let own = self.fresh(scope, name);
                renamed.insert(name, own);
            }
        }
        for node in &function.node {
            let mut node = node.clone();
            let rename = |name: &mut String| match renamed.get(&**name) {
                Some(new) => name.clone_from(new),
                None if name.is_empty() => {}
                // Nothing in the body makes it: it must not be found outside by accident.
                None => *name = format!("{scope}/{name}"),
            };
            node.input.iter_mut().for_each(&rename);
            node.output.iter_mut().for_each(&rename);
            if !node.name.is_empty() {
                node.name = format!("{scope}/{}", node.name);
            }
            node.attribute = node.attribute.into_iter().filter_map(|own| resolve(own, call, function)).collect();
            self.add(node)?;
        }
        Ok(())
    }

    fn fresh(&mut self, scope: &str, name: &str) -> String {
        let mut fresh = format!("{scope}/{name}");
        while !self.names.insert(fresh.clone()) {
            fresh.push('\'');
        }
        fresh
    }
}

/// An attribute of a node in a body: its own, or the one of the call that it stands for. `None` where that is left out.
fn resolve(own: AttributeProto, call: &NodeProto, function: &FunctionProto) -> Option<AttributeProto> {
    if own.ref_attr_name.is_empty() {
        return Some(own);
    }
    let given = call.attribute.iter().chain(&function.attribute_proto).find(|given| given.name == own.ref_attr_name)?;
    Some(AttributeProto { name: own.name, ..given.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let domain = if op.starts_with(char::is_lowercase) { "own" } else { "" };
        NodeProto {
            input: names(inputs),
            output: names(outputs),
            op_type: op.into(),
            domain: domain.into(),
            ..NodeProto::default()
        }
    }

    fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>) -> FunctionProto {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        FunctionProto {
            name: name.into(),
            domain: "own".into(),
            input: names(inputs),
            output: names(outputs),
            node: nodes,
            ..FunctionProto::default()
        }
    }

    fn unfold(nodes: Vec<NodeProto>, functions: &[FunctionProto]) -> Result<Vec<String>, Error> {
        let mut graph = GraphProto { node: nodes, ..GraphProto::default() };
        inline(&mut graph, functions, 18, &mut BTreeMap::new())?;
        let spell = |node: &NodeProto| format!("{}({})->{}", node.op_type, node.input.join(","), node.output.join(","));
        Ok(graph.node.iter().map(spell).collect())
    }

    #[test]
    fn calls_become_their_bodies_under_names_of_their_own() {
        let inner = function("inner", &["x"], &["y"], vec![node("Exp", &["x"], &["t"]), node("Neg", &["t"], &["y"])]);
        let outer = function(
            "outer",
            &["a", "b"],
            &["y", "same"],
            vec![node("inner", &["a"], &["t"]), node("Add", &["t", "b"], &["y"]), node("Identity", &["b"], &["same"])],
        );
        let calls = vec![node("outer", &["p", "q"], &["t"]), node("outer", &["t", ""], &["u", "v"])];
        assert_eq!(
            unfold(calls, &[inner, outer]).unwrap(),
            [
                "Exp(p)->t/t/t",
                "Neg(t/t/t)->t/t",
                "Add(t/t,q)->t",
                "Identity(q)->t/same",
                "Exp(t)->u/t/t",
                "Neg(u/t/t)->u/t",
                "Add(u/t,)->u",
                "Identity()->v",
            ]
        );
    }

    #[test]
    fn an_input_that_is_handed_out_goes_through_an_identity() {
        let pass = function("pass", &["x"], &["x"], vec![]);
        assert_eq!(unfold(vec![node("pass", &["p"], &["q"])], &[pass]).unwrap(), ["Identity(p)->q"]);
    }

    #[test]
    fn attributes_of_the_call_or_their_defaults_reach_the_body() {
        let attribute = |name: &str, i: i64| AttributeProto { name: name.into(), i, ..AttributeProto::default() };
        let refer = |name: &str, to: &str| AttributeProto { ref_attr_name: to.into(), ..attribute(name, 0) };
        let mut body = node("Op", &["x"], &["y"]);
        body.attribute = vec![refer("axis", "dim"), refer("k", "left_out"), refer("n", "default"), attribute("own", 4)];
        let mut function = function("call", &["x"], &["y"], vec![body]);
        function.attribute_proto = vec![attribute("default", 7), attribute("dim", 9)];
        let mut call = node("call", &["p"], &["q"]);
        call.attribute = vec![attribute("dim", 2)];
        let mut graph = GraphProto { node: vec![call], ..GraphProto::default() };
        inline(&mut graph, &[function], 18, &mut BTreeMap::new()).unwrap();
        assert_eq!(graph.node[0].attribute, [attribute("axis", 2), attribute("n", 7), attribute("own", 4)]);
    }

    #[test]
    fn functions_without_an_end_are_refused_by_name() {
        let itself = function("itself", &["x"], &["y"], vec![node("itself", &["x"], &["y"])]);
        let error = unfold(vec![node("itself", &["p"], &["q"])], &[itself]).unwrap_err().to_string();
        assert!(error.contains("\"itself\" calls itself"), "{error}");
        // Each calls the one before twice, and the first is empty: 2⁴⁰ calls without a node.
        let name = |level: usize| format!("f{level}");
        let mut all = vec![function("f0", &["x"], &[], vec![])];
        for level in 1..40 {
            let call = node(&name(level - 1), &["x"], &[]);
            all.push(function(&name(level), &["x"], &[], vec![call.clone(), call]));
        }
        let error = unfold(vec![node("f39", &["p"], &[])], &all).unwrap_err().to_string();
        assert!(error.contains("unfold"), "{error}");
    }

    #[test]
    fn a_body_for_another_operator_set_is_refused_by_name() {
        let mut old = function("old", &["x"], &["y"], vec![node("Exp", &["x"], &["y"])]);
        old.opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
        let error = unfold(vec![node("old", &["p"], &["q"])], &[old]).unwrap_err().to_string();
        assert!(error.contains("\"old\"") && error.contains("17"), "{error}");
    }
}
