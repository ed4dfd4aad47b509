//! Pools, from their definitions.

use super::array::{Array, flat, positions};
use super::conv::{Window, inside};
use super::{Call, Result, fail};

fn window(call: &Call<'_>, x: &Array) -> Result<Window> {
    match call.node.ints("kernel_shape") {
        Some(kernel) if kernel.len() + 2 == x.rank() => Window::new(call, kernel, &x.shape[2..]),
        _ => fail("its kernel_shape does not fit its input"),
    }
}

pub(super) fn max_pool(call: &Call<'_>) -> Result<Vec<Array>> {
    let x = call.input(0)?;
    let (maxima, indices) = maxima(x, &window(call, x)?)?;
    Ok(vec![maxima, indices])
}

/// Maxima, and where each is in the whole of `x`.
fn maxima(x: &Array, window: &Window) -> Result<(Array, Array)> {
    let (data, sizes, cells) = (x.floats()?, &x.shape[2..], window.cells());
    let plane: usize = sizes.iter().product();
    let (mut maxima, mut indices) = (Vec::new(), Vec::new());
    for of_plane in 0..x.shape[0] * x.shape[1] {
        for output in positions(&window.outputs) {
            let (mut best, mut index) = (f64::NEG_INFINITY, 0);
            for cell in &cells {
                if let Some(place) = inside(&window.place(&output, cell), sizes) {
                    let at = of_plane * plane + flat(&place, sizes);
                    if data[at] > best {
                        (best, index) = (data[at], at as i64);
                    }
                }
            }
            maxima.push(best);
            indices.push(index);
        }
    }
    let shape = [&x.shape[..2], &*window.outputs].concat();
    Ok((Array::float(shape.clone(), maxima), Array::int(shape, indices)))
}

pub(super) fn max_pool_grad(call: &Call<'_>) -> Result<Array> {
    let (g, x) = (call.input(0)?, call.input(1)?);
    // How many windows there are, the gradient tells: the pooling may have rounded up.
    let window = Window { outputs: g.shape[2..].to_vec(), ..window(call, x)? };
    let (_, indices) = maxima(x, &window)?;
    let mut laid = vec![0.0; x.shape.iter().product()];
    indices.ints()?.iter().zip(g.floats()?).for_each(|(index, g)| laid[*index as usize] += g);
    Ok(Array::float(x.shape.clone(), laid))
}

pub(super) fn average_pool(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let window = window(call, x)?;
    let with_pads = call.node.int("count_include_pad", 0) != 0;
    let (data, sizes, cells) = (x.floats()?, &x.shape[2..], window.cells());
    let plane: usize = sizes.iter().product();
    let mut means = Vec::new();
    for of_plane in 0..x.shape[0] * x.shape[1] {
        for output in positions(&window.outputs) {
            let (mut sum, mut count) = (0.0, 0);
            for cell in &cells {
                let place = window.place(&output, cell);
                // A ceiling mode's last window may reach beyond the pads: that part never counts.
                let padded = (0..sizes.len()).all(|axis| place[axis] < sizes[axis] as i64 + window.after[axis]);
                let on_input = inside(&place, sizes);
                count += i64::from(on_input.is_some() || (with_pads && padded));
                sum += on_input.map_or(0.0, |place| data[of_plane * plane + flat(&place, sizes)]);
            }
            means.push(sum / count as f64);
        }
    }
    Ok(Array::float([&x.shape[..2], &*window.outputs].concat(), means))
}

fn norm(values: impl Iterator<Item = f64>, p: i64) -> f64 {
    values.map(|value| value.abs().powi(p as i32)).sum::<f64>().powf(1.0 / p as f64)
}

pub(super) fn lp_pool(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let window = window(call, x)?;
    let (data, sizes, cells) = (x.floats()?, &x.shape[2..], window.cells());
    let plane: usize = sizes.iter().product();
    let mut norms = Vec::new();
    for of_plane in 0..x.shape[0] * x.shape[1] {
        for output in positions(&window.outputs) {
            let seen = cells.iter().filter_map(|cell| inside(&window.place(&output, cell), sizes));
            let values = seen.map(|place| data[of_plane * plane + flat(&place, sizes)]);
            norms.push(norm(values, call.node.int("p", 2)));
        }
    }
    Ok(Array::float([&x.shape[..2], &*window.outputs].concat(), norms))
}

pub(super) fn global(call: &Call<'_>) -> Result<Array> {
    let x = call.input(0)?;
    let plane = x.shape[2..].iter().product::<usize>();
    let pooled = x.floats()?.chunks(plane).map(|plane| match &*call.node.op {
        "GlobalLpPool" => norm(plane.iter().copied(), call.node.int("p", 2)),
        "GlobalMaxPool" => plane.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => plane.iter().sum::<f64>() / plane.len() as f64,
    });
    let mut shape = x.shape.clone();
    shape[2..].fill(1);
    Ok(Array::float(shape, pooled.collect()))
}
