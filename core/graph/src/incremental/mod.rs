//! Exact incremental inference: of a picture with a rectangle hidden, only what the rectangle can have changed is
//! computed; the rest is what the picture itself gave.
//!
//! The network is cut into *stages*. In each, every value is computed for a window of cells that holds all changed ones:
//! what the window needs of earlier values is copied from the picture's own ("base") values, and what an earlier stage
//! has changed is laid over it. From the last stage on, where nearly everything has changed, the network runs whole.
//! The result is that of running everything, up to the order in which an engine sums.
//!
//! - [`interval`]: which cells change, which are needed; [`space`]: which part of a network works cell by cell.
//! - [`stage`]: where the windows of a stage lie; [`program`]: the graph that computes them.
//! - [`plan`], [`cost`]: where to cut; [`describe`]: what that saves. [`sweep`]: running it for many rectangles.

mod cost;
mod describe;
mod interval;
mod paste;
pub(crate) mod plan;
mod program;
mod space;
mod stage;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;

use crate::{Error, Tensor};

/// Rows `top..bottom` and columns `left..right` of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

impl Rect {
    /// Whether it holds no pixel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.top >= self.bottom || self.left >= self.right
    }
}

/// What is to be hidden, and what is wanted of the network then.
#[derive(Clone, Copy, Debug)]
pub struct Occlusion<'a> {
    /// 1×3×H×W.
    pub picture: &'a Tensor,
    /// What shows where the picture is hidden: of the picture's shape.
    pub fill: &'a Tensor,
    /// One evaluation each. An empty one hides nothing.
    pub rects: &'a [Rect],
    /// The value that is wanted.
    pub fetch: &'a str,
}
