//! Artifacts that are numbers with names, as CSV: matrices, tables and series with their row and column names, points with
//! what each of them is.

use whyglass_engine::json::{PointsMeta, TableMeta};
use whyglass_engine::{ArtifactMeta, ArtifactState};

/// The artifact as CSV; `None` for maps and images, which are pictures.
#[must_use]
pub fn of(artifact: &ArtifactState) -> Option<String> {
    let &[_, columns] = artifact.tensor.shape.as_slice() else { return None };
    let rows = artifact.tensor.data.chunks_exact(columns.max(1));
    match &*artifact.meta {
        ArtifactMeta::Map(_) | ArtifactMeta::Image(_) => None,
        ArtifactMeta::Table(meta) => Some(table(meta, rows, columns)),
        ArtifactMeta::Points(meta) => Some(points(meta, rows, columns)),
    }
}

fn table<'a>(meta: &TableMeta, rows: impl Iterator<Item = &'a [f32]>, columns: usize) -> String {
    let mut text = String::new();
    let name = |names: &[String], index: usize| names.get(index).cloned().unwrap_or_else(|| index.to_string());
    let header = (0..columns).map(|column| name(&meta.columns, column));
    line(&mut text, std::iter::once(meta.unit.clone().unwrap_or_default()).chain(header));
    for (index, row) in rows.enumerate() {
        line(&mut text, std::iter::once(name(&meta.rows, index)).chain(row.iter().map(f32::to_string)));
    }
    text
}

fn points<'a>(meta: &PointsMeta, rows: impl Iterator<Item = &'a [f32]>, columns: usize) -> String {
    let mut text = String::new();
    let class = |classes: &[i64], index: usize| match classes.get(index) {
        Some(class) => meta
            .classes
            .get(class)
            .cloned()
            .unwrap_or_else(|| if *class < 0 { String::new() } else { class.to_string() }),
        None => String::new(),
    };
    let axes = ["x", "y", "z"].into_iter().take(columns);
    line(&mut text, ["item"].into_iter().chain(axes).chain(["class", "prediction"]).map(str::to_owned));
    for (index, row) in rows.enumerate() {
        let item = meta.items.get(index).cloned().unwrap_or_else(|| index.to_string());
        let what = [class(&meta.labels, index), class(&meta.predictions, index)];
        line(&mut text, std::iter::once(item).chain(row.iter().map(f32::to_string)).chain(what));
    }
    text
}

/// One record; what would be taken apart is quoted.
fn line(text: &mut String, fields: impl Iterator<Item = String>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            text.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) {
            text.push_str(&format!("\"{}\"", field.replace('"', "\"\"")));
        } else {
            text.push_str(&field);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use whyglass_engine::Tensor;
    use whyglass_engine::json::ArtifactKind;

    fn artifact(shape: [usize; 2], data: &[f32], meta: ArtifactMeta) -> ArtifactState {
        ArtifactState {
            id: "a".into(),
            kind: ArtifactKind::Table,
            tensor: Tensor { shape: shape.to_vec(), data: Arc::new(data.to_vec()) },
            standard_error: None,
            meta: Arc::new(meta),
            last_sequence: 1,
            is_final: true,
        }
    }

    #[test]
    fn a_matrix_has_its_names_on_both_sides() {
        let names = vec!["brown bear, bruin".to_owned(), "ox".to_owned()];
        let meta =
            TableMeta { rows: names.clone(), columns: names, unit: Some("pictures".into()), ..Default::default() };
        let csv = of(&artifact([2, 2], &[3.0, 1.0, 0.0, 0.5], ArtifactMeta::Table(meta))).expect("numbers");
        assert_eq!(csv, "pictures,\"brown bear, bruin\",ox\n\"brown bear, bruin\",3,1\nox,0,0.5\n");
    }

    #[test]
    fn a_point_is_told_with_its_picture_and_its_classes_by_name() {
        let meta = PointsMeta {
            items: vec!["ox/a.png".into(), "b.png".into()],
            labels: vec![1, -1],
            predictions: vec![0, 7],
            classes: [(0, "ram".to_owned()), (1, "ox".to_owned())].into(),
        };
        let csv = of(&artifact([2, 2], &[1.0, -2.0, 0.25, 4.0], ArtifactMeta::Points(meta))).expect("numbers");
        assert_eq!(csv, "item,x,y,class,prediction\nox/a.png,1,-2,ox,ram\nb.png,0.25,4,,7\n");
        assert!(of(&artifact([1, 1], &[1.0], ArtifactMeta::Map(Default::default()))).is_none());
    }
}
