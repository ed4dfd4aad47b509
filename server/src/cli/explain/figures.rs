//! What is written on a figure: which class, how sure, by which technique, from which model and layer.

use whyglass_engine::json::ArtifactDescriptor;
use whyglass_engine::{ArtifactMeta, ArtifactState, Started};
use whyglass_imaging::{Colormap, Picture, encode_png};
use whyglass_server::figure::{FigureError, Look, draw};

use crate::cli::classify::percent;
use crate::cli::failure::Failure;

/// What was asked for by flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) colormap: Option<Colormap>,
    pub(crate) alpha: f64,
}

/// What the figures of one run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Caption {
    pub(crate) technique: String,
    pub(crate) model: String,
    /// What the technique says of its artifacts.
    pub(crate) artifacts: Vec<ArtifactDescriptor>,
    /// The run ended early.
    pub(crate) stopped: bool,
}

impl Caption {
    fn descriptor(&self, id: &str) -> Option<&ArtifactDescriptor> {
        self.artifacts.iter().find(|artifact| artifact.id == id)
    }

    /// Whether a person would look at this artifact first.
    pub(crate) fn is_main(&self, id: &str) -> bool {
        self.descriptor(id).is_none_or(|artifact| !artifact.auxiliary)
    }

    fn title(&self, artifact: &ArtifactState, started: Option<&Started>) -> String {
        let target = started.and_then(|started| started.resolved.target.as_ref().map(|target| (started, target)));
        match (&*artifact.meta, target) {
            (ArtifactMeta::Map(meta), Some((started, (index, label)))) if meta.class.is_some() => {
                let score = started.scores.iter().find(|score| score.index == *index);
                score.map_or_else(|| label.clone(), |score| format!("{label}  {}", percent(score.probability).trim()))
            }
            _ => self.technique.clone(),
        }
    }

    fn subtitle(&self, artifact: &ArtifactState) -> String {
        let is_about_a_class = matches!(&*artifact.meta, ArtifactMeta::Map(meta) if meta.class.is_some());
        let mut parts = Vec::new();
        if is_about_a_class {
            parts.push(self.technique.clone());
        }
        parts.push(self.model.clone());
        match &*artifact.meta {
            ArtifactMeta::Map(meta) => parts.extend(meta.layer.clone()),
            ArtifactMeta::Image(meta) => {
                parts.extend(meta.layer.clone());
                if let [channel, others @ ..] = meta.channels.as_slice() {
                    let others = others.iter().take(4).map(|other| format!(", {other}")).collect::<String>();
                    let more = if meta.channels.len() > 5 { ", …" } else { "" };
                    parts.push(format!("channel {channel}{others}{more}"));
                }
                parts.extend(meta.objective.map(|objective| format!("objective {}", significant(objective))));
            }
            ArtifactMeta::Points(_) | ArtifactMeta::Table(_) => {}
        }
        let title = self.descriptor(&artifact.id).map(|descriptor| descriptor.title.clone()).unwrap_or_default();
        if !title.is_empty() && self.artifacts.len() > 1 {
            parts.push(title);
        }
        if self.stopped {
            parts.push("ended early".to_owned());
        }
        parts.join(" · ")
    }

    /// The figure of an artifact; `None` for those that are numbers only.
    pub(crate) fn figure(
        &self,
        artifact: &ArtifactState,
        picture: Option<&Picture>,
        started: Option<&Started>,
        style: &Style,
    ) -> Result<Option<Picture>, Failure> {
        let look = Look {
            colormap: style.colormap,
            alpha: style.alpha,
            title: self.title(artifact, started),
            subtitle: self.subtitle(artifact),
        };
        match draw(artifact, picture, started.and_then(|started| started.placement), &look) {
            Ok(figure) => Ok(Some(figure)),
            Err(FigureError::NotDrawable) => Ok(None),
            Err(error) => Err(Failure::failed(format!("the artifact {} cannot be drawn: {error}", artifact.id))),
        }
    }
}

pub(crate) fn png(figure: &Picture) -> Result<Vec<u8>, Failure> {
    encode_png(figure).map_err(Failure::failed)
}

/// About four digits.
fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn objectives_have_about_four_digits() {
        assert_eq!([12_345.6, 123.45, 1.234_5, 0.0001].map(significant), ["12346", "123.5", "1.234", "1.00e-4"]);
    }
}
