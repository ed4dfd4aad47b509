//! `.npy`, the array file of NumPy: float32, little-endian, C order, version 1.0. `numpy.load` reads what this writes.

use crate::error::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The file of an array. The same array always gives the same bytes.
///
/// # Panics
/// If `data` is not as long as `shape` says.
#[must_use]
pub fn write_npy(shape: &[usize], data: &[f32]) -> Vec<u8> {
    assert_eq!(shape.iter().product::<usize>(), data.len(), "an array of shape {shape:?}");
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    // A tuple of one has a comma in Python.
    let comma = if shape.len() == 1 { "," } else { "" };
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", sides.join(", "));
    // The data start at a multiple of 64, after a line feed.
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("the header of an array of a few dimensions is short");
    let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + header.len() + data.len() * 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(data.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// Shape and values of a file that [`write_npy`] could have written.
///
/// # Errors
/// Anything else, other element types and Fortran order included.
pub fn read_npy(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f32>)> {
    let fail = |what: &str| Error::Npy(what.to_owned());
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| fail("the magic number is missing"))?;
    let (header, data) = match *rest {
        [1, _, low, high, ref rest @ ..] => rest.split_at_checked(usize::from(u16::from_le_bytes([low, high]))),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => rest.split_at_checked(u32::from_le_bytes([a, b, c, d]) as usize),
        _ => None,
    }
    .ok_or_else(|| fail("the header is cut off"))?;
    let header = std::str::from_utf8(header).map_err(|_| fail("the header is not text"))?;
    if entry(header, "descr") != Some("'<f4'") {
        return Err(fail("the elements are not '<f4'"));
    }
    if entry(header, "fortran_order") != Some("False") {
        return Err(fail("the order is not C"));
    }
    let shape = shape(header).ok_or_else(|| fail("the shape cannot be read"))?;
    let elements = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    if elements.and_then(|elements| elements.checked_mul(4)) != Some(data.len()) {
        return Err(fail("the data are not as long as the shape says"));
    }
    let values = data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok((shape, values))
}

/// The text of a scalar entry of the header's dictionary.
fn entry<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    rest.split([',', '}']).next().map(str::trim)
}

fn shape(header: &str) -> Option<Vec<usize>> {
    let (_, rest) = header.split_once("'shape':")?;
    let inside = rest.trim_start().strip_prefix('(')?.split_once(')')?.0;
    inside.split(',').map(str::trim).filter(|side| !side.is_empty()).map(|side| side.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_every_rank_come_back() {
        for shape in [vec![], vec![3], vec![2, 3], vec![3, 1, 2], vec![0, 4]] {
            let count: usize = shape.iter().product();
            let data: Vec<f32> = (0..count).map(|index| index as f32 * 0.5 - 1.0).collect();
            let bytes = write_npy(&shape, &data);
            assert_eq!(read_npy(&bytes).unwrap(), (shape, data));
        }
    }

    #[test]
    fn the_bytes_are_those_of_numpy() {
        let bytes = write_npy(&[2], &[1.0, -2.0]);
        assert_eq!(bytes.len(), 128 + 8);
        assert_eq!(bytes[..10], *b"\x93NUMPY\x01\x00\x76\x00");
        assert!(bytes[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"));
        assert_eq!(bytes[127..], [b'\n', 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    }

    #[test]
    fn damaged_files_are_refused() {
        let good = write_npy(&[2, 2], &[0.0; 4]);
        for length in [0, 5, 9, 60, good.len() - 1] {
            assert!(read_npy(&good[..length]).is_err(), "{length} bytes");
        }
        let text = String::from_utf8_lossy(&good[10..]).into_owned();
        for (from, to) in [("<f4", "<f8"), ("False", "True "), ("(2, 2)", "(2, x)")] {
            let mut bad = good[..10].to_vec();
            bad.extend_from_slice(text.replace(from, to).as_bytes());
            assert!(read_npy(&bad).is_err(), "{to}");
        }
    }
}
