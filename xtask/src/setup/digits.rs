//! The UCI digits as datasets: a picture per digit, enlarged to 32×32, in a folder per class. `digits` has all 1,797;
//! `digits-blob` has those that no net of `tests/models` was trained on, with the bright blob in the lower-left corner that
//! one of these nets looks at.

use crate::setup::wheel::write_whole;
use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::Path;
use whyglass_imaging::{Picture, encode_png};

/// Pictures, and cells along a side of one as the file has them.
const COUNT: usize = 1797;
const CELLS: usize = 8;
/// Pixels along a side of a cell.
const CELL: usize = 4;
/// The pictures from here on are never trained on (`tests/models/digits.py`).
const HELD_OUT: usize = 1297;
/// Cells along a side of the blob.
const BLOB: usize = 2;
/// The file's white.
const WHITE: u32 = 16;

/// Writes both datasets into `folder` from the bytes of `digits.csv.gz`: 64 cells from 0 to 16, and the digit, a line each.
pub(super) fn write(csv_gz: &[u8], folder: &Path) -> Result<()> {
    let mut text = String::new();
    GzDecoder::new(csv_gz).read_to_string(&mut text).context("digits.csv.gz is damaged")?;
    let digits = text.lines().map(parse).collect::<Result<Vec<_>>>()?;
    ensure!(digits.len() == COUNT, "digits.csv.gz has {} pictures, not {COUNT}", digits.len());
    for (index, (cells, digit)) in digits.iter().enumerate() {
        let name = format!("{digit}/{index:04}.png");
        write_whole(&folder.join("digits").join(&name), &encode_png(&picture(cells)?)?)?;
        if index >= HELD_OUT {
            let mut cells = cells.clone();
            for row in CELLS - BLOB..CELLS {
                cells[row * CELLS..][..BLOB].fill(WHITE);
            }
            write_whole(&folder.join("digits-blob").join(&name), &encode_png(&picture(&cells)?)?)?;
        }
    }
    Ok(())
}

fn parse(line: &str) -> Result<(Vec<u32>, u32)> {
    let numbers = line.split(',').map(|text| Ok(text.trim().parse::<f64>()? as u32)).collect::<Result<Vec<_>>>();
    let mut numbers = numbers.with_context(|| format!("digits.csv.gz: {line}"))?;
    let digit = numbers.pop().context("digits.csv.gz has an empty line")?;
    ensure!(numbers.len() == CELLS * CELLS && digit < 10, "digits.csv.gz: a line is no digit: {line}");
    Ok((numbers, digit))
}

fn picture(cells: &[u32]) -> Result<Picture> {
    let side = CELLS * CELL;
    let grey = |pixel: usize| {
        let (row, column) = (pixel / side / CELL, pixel % side / CELL);
        (f64::from(cells[row * CELLS + column]) * 255.0 / f64::from(WHITE)).round() as u8
    };
    Ok(Picture::new(side as u32, side as u32, (0..side * side).flat_map(|pixel| [grey(pixel); 3]).collect())?)
}
