//! `AttributeProto` → [`Attribute`].

use super::tensor;
use crate::proto::{AttributeProto, AttributeType as Type};
use crate::{Attribute, Error};
use std::path::Path;
use std::sync::Arc;

pub(super) fn read(proto: &AttributeProto, folder: Option<&Path>) -> Result<Attribute, Error> {
    if !proto.ref_attr_name.is_empty() {
        return Err(Error::malformed(format!("attribute {:?} refers to one outside of a function", proto.name)));
    }
    let declared = Type::try_from(proto.r#type)
        .map_err(|_| Error::malformed(format!("attribute {:?} has no such type as {}", proto.name, proto.r#type)))?;
    Ok(match declared {
        Type::Float => Attribute::Float(proto.f),
        Type::Int => Attribute::Int(proto.i),
        Type::String => Attribute::String(proto.s.clone()),
        Type::Floats => Attribute::Floats(proto.floats.clone()),
        Type::Ints => Attribute::Ints(proto.ints.clone()),
        Type::Strings => Attribute::Strings(proto.strings.clone()),
        Type::Tensor => {
            let tensor = proto.t.as_ref();
            let tensor = tensor.ok_or_else(|| Error::malformed(format!("attribute {:?} is empty", proto.name)))?;
            Attribute::Tensor(Arc::new(tensor::read(tensor, folder)?))
        }
        Type::Graph | Type::Graphs => {
            return Err(Error::unsupported(format!(
                "it runs a sub-graph ({:?}); export the model without control flow",
                proto.name
            )));
        }
        other => return Err(Error::unsupported(format!("attribute {:?} of type {other:?}", proto.name))),
    })
}
