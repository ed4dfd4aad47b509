//! The colour maps of the figures that this server draws, for a page that draws with the same ones: 256 colours each.

use std::collections::BTreeMap;

use whyglass_imaging::Colormap;

use super::{CHANGING, File};

/// JSON: by name, 256 × RRGGBB.
pub(super) fn tables() -> File {
    let hex = |name: &&'static str| {
        let colormap: Colormap = name.parse().expect("a name of its own list");
        let table = colormap.table();
        (*name, table.iter().flatten().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let tables: BTreeMap<&str, String> = Colormap::NAMES.iter().map(hex).collect();
    File { bytes: serde_json::json!(tables).to_string().into(), media_type: "application/json", cache: CHANGING }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_map_is_there_with_its_256_colours() {
        let tables: BTreeMap<String, String> = serde_json::from_slice(&tables().bytes).expect("JSON");
        assert_eq!(tables.len(), Colormap::NAMES.len());
        assert!(tables.values().all(|table| table.len() == 256 * 6));
        assert_eq!(tables["red-blue"][128 * 6..128 * 6 + 2], format!("{:02x}", Colormap::RedBlue.table()[128][0]));
    }
}
