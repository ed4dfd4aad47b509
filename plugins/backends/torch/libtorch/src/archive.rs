//! What a file is, before libtorch is asked: of everything that is called .pt only a TorchScript archive is a model here,
//! and for the rest a person is told what to do.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use whyglass_sdk::{Error, Result};

const HOW_TO_EXPORT: &str = "export the network itself: tools/torchscript/export.py, or \
                             torch.jit.trace(model.eval(), example).save(path) in Python";

/// # Errors
/// If the file is no TorchScript archive: which of the other things it is, and what to do.
pub(crate) fn check(path: &Path) -> Result<()> {
    let shown = path.display();
    let mut file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found("path", format!("there is no file {shown}")),
        _ => Error::failed_precondition("MODEL_UNREADABLE", format!("cannot read {shown}: {error}")),
    })?;
    let mut head = [0_u8; 4];
    let length = file.read(&mut head).unwrap_or(0);
    let wrong = |what: String| Error::invalid_argument("path", what);
    if length < 4 || &head != b"PK\x03\x04" {
        // Protocol 2 of pickle, as torch.save wrote before it wrote zip archives.
        return Err(if head[..2] == [0x80, 2] {
            wrong(format!("{shown} is a checkpoint of torch.save, weights without a network: {HOW_TO_EXPORT}"))
                .with_reason("MODEL_IS_CHECKPOINT")
        } else {
            wrong(format!("{shown} is no TorchScript file: {HOW_TO_EXPORT}")).with_reason("MODEL_MALFORMED")
        });
    }
    let archive = zip::ZipArchive::new(file)
        .map_err(|error| wrong(format!("{shown} is damaged: {error}")).with_reason("MODEL_MALFORMED"))?;
    let members: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let holds = |name: &str| members.iter().any(|member| within(member) == name);
    let has_folder = |name: &str| members.iter().any(|member| within(member).starts_with(name));
    if holds("constants.pkl") && has_folder("code/") {
        return Ok(());
    }
    if holds("archive_format") || has_folder("models/") {
        let what = format!("{shown} is a program of torch.export, and TorchScript is needed: {HOW_TO_EXPORT}");
        return Err(wrong(what).with_reason("MODEL_UNSUPPORTED"));
    }
    if holds("data.pkl") {
        let what = format!(
            "{shown} is a checkpoint of torch.save (a state_dict, or a module pickled with its Python class), not a network: \
             {HOW_TO_EXPORT}"
        );
        return Err(wrong(what).with_reason("MODEL_IS_CHECKPOINT"));
    }
    Err(wrong(format!("{shown} is a zip archive, but no TorchScript: {HOW_TO_EXPORT}")).with_reason("MODEL_MALFORMED"))
}

/// A member's name without the folder that wraps the whole archive.
fn within(member: &str) -> &str {
    member.split_once('/').map_or(member, |(_, rest)| rest)
}
