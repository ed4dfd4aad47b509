//! Reading artifacts: the raw numbers as `.npy`, or a figure, in pieces. What a figure looks like is said in `figure`.

use bytes::Bytes;
use tonic::{Code, Status};
use whyglass_engine::{ArtifactState, Engine};
use whyglass_imaging as imaging;
use whyglass_proto::v1;

use super::limits::PIECE_BYTES;
use super::names::parse_artifact;
use super::state::State;
use super::status::{from_error, invalid, status};
use super::stream::{Fed, feed};
use crate::figure::{FigureError, Look, draw};

const JPEG_QUALITY: u8 = 85;

/// The pieces of an artifact from the requested offset on.
pub(super) async fn read(
    state: &State,
    request: v1::ReadArtifactRequest,
) -> Result<Fed<v1::ReadArtifactResponse>, Status> {
    let (run, artifact) = parse_artifact(&request.name, "name")?;
    let (run, artifact) = (run.to_owned(), artifact.to_owned());
    let look = request.render.as_ref().map(look).transpose()?;
    let format = request.render.map(|render| render.format()).unwrap_or_default();
    let engine = state.engine.clone();
    let making = state.blocking.run(move || {
        let artifact = engine.artifact(&run, &artifact).map_err(from_error)?;
        match look {
            None => Ok(imaging::write_npy(&artifact.tensor.shape, &artifact.tensor.data)),
            Some(look) => figure(&engine, &run, &artifact, look, format),
        }
    });
    let file = Bytes::from(making.await?);
    let offset = usize::try_from(request.offset).ok().filter(|&offset| offset <= file.len()).ok_or_else(|| {
        let text = format!("offset: {} is behind the end; the file has {} bytes", request.offset, file.len());
        status(Code::OutOfRange, "BEHIND_THE_END", text)
    })?;
    let mut rest = file.slice(offset..);
    Ok(feed(state.timing.stall, async move |feed| {
        while !rest.is_empty() {
            let data = rest.split_to(rest.len().min(PIECE_BYTES));
            feed.send(v1::ReadArtifactResponse { data }).await?;
        }
        Ok(Ok(()))
    }))
}

fn look(render: &v1::Render) -> Result<Look, Status> {
    let colormap = match render.colormap.as_str() {
        "" => None,
        name => {
            let parsed: imaging::Result<imaging::Colormap> = name.parse();
            Some(parsed.map_err(|error| invalid("render.colormap", "UNKNOWN_COLORMAP", error.to_string()))?)
        }
    };
    let alpha = render.alpha.unwrap_or(Look::default().alpha);
    if !(0.0..=1.0).contains(&alpha) {
        return Err(invalid("render.alpha", "OUT_OF_RANGE", format!("opacity must be from 0 to 1, got {alpha}")));
    }
    if v1::ImageFormat::try_from(render.format).is_err() {
        return Err(invalid("render.format", "UNKNOWN_FORMAT", "use IMAGE_FORMAT_PNG or IMAGE_FORMAT_JPEG"));
    }
    Ok(Look { colormap, alpha, ..Look::default() })
}

fn figure(
    engine: &Engine,
    run: &str,
    artifact: &ArtifactState,
    mut look: Look,
    format: v1::ImageFormat,
) -> Result<Vec<u8>, Status> {
    let info = engine.run(run).map_err(from_error)?;
    let target = info.started.as_ref().and_then(|started| started.resolved.target.as_ref());
    look.title = match target {
        Some((_, label)) => format!("{}: {label}", info.technique),
        None => info.technique.clone(),
    };
    look.subtitle = info.model;
    let placement = info.started.as_ref().and_then(|started| started.placement);
    // A dataset has none, and what is drawn of it needs none.
    let picture = engine.picture(run).ok();
    let drawn = draw(artifact, picture.as_ref(), placement, &look).map_err(|error| match error {
        FigureError::NotDrawable => status(Code::FailedPrecondition, "NOT_DRAWABLE", error.to_string()),
        FigureError::Imaging(_) => status(Code::Internal, "NOT_DRAWN", error.to_string()),
    })?;
    let encoded = match format {
        v1::ImageFormat::Jpeg => imaging::encode_jpeg(&drawn, JPEG_QUALITY),
        _ => imaging::encode_png(&drawn),
    };
    encoded.map_err(|error| status(Code::Internal, "NOT_ENCODED", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_of_a_look_is_checked_and_named() {
        let fault =
            |render: v1::Render| look(&render).expect_err("a fault").message().split(':').next().map(str::to_owned);
        let named = |colormap: &str| v1::Render { colormap: colormap.to_owned(), ..Default::default() };
        assert_eq!(fault(named("mauve")).as_deref(), Some("render.colormap"));
        assert_eq!(fault(v1::Render { alpha: Some(f64::NAN), ..Default::default() }).as_deref(), Some("render.alpha"));
        assert_eq!(fault(v1::Render { format: 9, ..Default::default() }).as_deref(), Some("render.format"));
        assert!(look(&named("viridis")).is_ok());
    }
}
