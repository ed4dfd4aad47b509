//! Which cells along one axis can have changed, and which are needed: the arithmetic of sliding windows, exact at both
//! borders. The two axes are independent of each other, because each operator here is separable in what it sees.

/// Cells `lo..hi` along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Interval {
    pub(super) lo: i64,
    pub(super) hi: i64,
}

impl Interval {
    pub(super) const EMPTY: Self = Self { lo: 0, hi: 0 };

    pub(super) fn new(lo: i64, hi: i64) -> Self {
        if lo < hi { Self { lo, hi } } else { Self::EMPTY }
    }

    pub(super) fn whole(size: i64) -> Self {
        Self { lo: 0, hi: size }
    }

    pub(super) fn len(self) -> i64 {
        self.hi - self.lo
    }

    pub(super) fn is_empty(self) -> bool {
        self.hi <= self.lo
    }

    /// The smallest interval that holds both.
    pub(super) fn hull(self, other: Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) },
        }
    }

    pub(super) fn intersection(self, other: Self) -> Self {
        Self::new(self.lo.max(other.lo), self.hi.min(other.hi))
    }
}

/// How an operator's window moves along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Motion {
    pub(super) kernel: i64,
    pub(super) stride: i64,
    /// Padding before the first cell.
    pub(super) before: i64,
    pub(super) dilation: i64,
}

/// What a window needs of its input: these cells, and padding where it reaches over the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) range: Interval,
    pub(super) before: i64,
    pub(super) after: i64,
}

impl Motion {
    pub(super) const POINTWISE: Self = Self { kernel: 1, stride: 1, before: 0, dilation: 1 };

    /// Cells from the first to the last that the window sees.
    pub(super) fn extent(self) -> i64 {
        (self.kernel - 1) * self.dilation + 1
    }

    /// Which of `outputs` cells can change where `input` does.
    pub(super) fn changed(self, input: Interval, outputs: i64) -> Interval {
        if input.is_empty() {
            return Interval::EMPTY;
        }
        let lo = ceil_div(input.lo + self.before - (self.extent() - 1), self.stride);
        let hi = (input.hi - 1 + self.before).div_euclid(self.stride) + 1;
        Interval::new(lo.max(0), hi.min(outputs))
    }

    /// What the cells `output` are made of, on an axis of `inputs` cells; `None` if that is nothing but padding.
    pub(super) fn read(self, output: Interval, inputs: i64) -> Option<Read> {
        let lo = output.lo * self.stride - self.before;
        let hi = (output.hi - 1) * self.stride - self.before + self.extent();
        let range = Interval::new(lo.max(0), hi.min(inputs));
        (!range.is_empty()).then_some(Read { range, before: (-lo).max(0), after: (hi - inputs).max(0) })
    }
}

fn ceil_div(a: i64, b: i64) -> i64 {
    -(-a).div_euclid(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// By asking of every output cell what it sees.
        #[test]
        fn changed_and_read_agree_with_looking_at_every_cell(
            kernel in 1i64..5, stride in 1i64..4, before in 0i64..4, dilation in 1i64..3, size in 1i64..20,
            lo in 0i64..20, len in 1i64..8, outputs in 1i64..20,
        ) {
            let motion = Motion { kernel, stride, before, dilation };
            let input = Interval::new(lo, lo + len).intersection(Interval::whole(size));
            let sees = |output: i64| (0..kernel).map(move |tap| output * stride - before + tap * dilation);
            let changed = motion.changed(input, outputs);
            for output in 0..outputs {
                let touched = sees(output).any(|cell| input.lo <= cell && cell < input.hi);
                if touched {
                    prop_assert!(changed.lo <= output && output < changed.hi);
                }
                let Some(read) = motion.read(Interval::new(output, output + 1), size) else {
                    prop_assert!(sees(output).all(|cell| cell < 0 || cell >= size));
                    continue;
                };
                prop_assert_eq!(read.before + read.range.len() + read.after, motion.extent());
                for cell in sees(output).filter(|cell| (0..size).contains(cell)) {
                    prop_assert!(read.range.lo <= cell && cell < read.range.hi);
                }
            }
        }
    }
}
