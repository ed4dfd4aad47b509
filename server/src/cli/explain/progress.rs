//! How far the runs are, on standard error: a bar for each on a terminal, now and then a line elsewhere, nothing on demand.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use whyglass_engine::Progress;

/// Between two lines of a run where there is no terminal.
const SPARSE: Duration = Duration::from_secs(5);

pub(crate) enum Display {
    Bars(MultiProgress),
    Lines,
    Nothing,
}

impl Display {
    /// For this process's standard error.
    pub(crate) fn new(quiet: bool) -> Self {
        if std::io::stderr().is_terminal() {
            Self::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
        } else if quiet {
            Self::Nothing
        } else {
            Self::Lines
        }
    }

    /// A run that has been created.
    pub(crate) fn run(&self, name: String) -> Meter {
        let bar = match self {
            Self::Bars(bars) => {
                let style = ProgressStyle::with_template("{prefix:<28} {bar:28.cyan/237} {percent:>3} %  {msg}")
                    .expect("the template is a constant")
                    .progress_chars("━━╌");
                let bar = bars.add(ProgressBar::new(1).with_style(style));
                bar.set_prefix(name.clone());
                bar.set_message("waiting");
                Some(bar)
            }
            Self::Lines | Self::Nothing => None,
        };
        Meter { name, bar, lines: matches!(self, Self::Lines), said: Instant::now() }
    }

    /// A line that stays, above the bars.
    pub(crate) fn say(&self, line: &str) {
        match self {
            Self::Bars(bars) => {
                // The terminal has gone; nobody is left to tell.
                let _ = bars.println(line);
            }
            Self::Lines => eprintln!("{line}"),
            Self::Nothing => {}
        }
    }
}

/// The progress of one run.
pub(crate) struct Meter {
    name: String,
    bar: Option<ProgressBar>,
    lines: bool,
    said: Instant,
}

impl Meter {
    pub(crate) fn update(&mut self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total.max(1));
            bar.set_position(progress.done.min(progress.total.max(1)));
            bar.set_message(message(progress));
        } else if self.lines && self.said.elapsed() >= SPARSE {
            self.said = Instant::now();
            let percent = match progress.total {
                0 => String::new(),
                total => format!("{} %, ", progress.done.min(total) * 100 / total),
            };
            eprintln!("{}: {percent}{}", self.name, message(progress));
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `levels: 432 evaluations, 3 s left`
fn message(progress: &Progress) -> String {
    let stage = if progress.stage.is_empty() { String::new() } else { format!("{}: ", progress.stage) };
    let left = progress.remaining.map_or_else(String::new, |left| format!(", {} left", rounded(left)));
    format!("{stage}{} evaluations{left}", progress.model_evaluations)
}

fn rounded(time: Duration) -> String {
    match time.as_secs_f64().ceil() as u64 {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_evaluations_and_the_time_left() {
        let mut progress = Progress { done: 1, total: 4, model_evaluations: 432, ..Progress::default() };
        assert_eq!(message(&progress), "432 evaluations");
        progress.remaining = Some(Duration::from_millis(2100));
        progress.stage = "level 2".to_owned();
        assert_eq!(message(&progress), "level 2: 432 evaluations, 3 s left");
        assert_eq!(rounded(Duration::from_secs(125)), "3 min");
    }

    #[test]
    fn a_bar_survives_a_total_that_is_not_known() {
        let display = Display::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()));
        let mut meter = display.run("lime".to_owned());
        meter.update(&Progress::default());
        meter.update(&Progress { done: 9, total: 3, ..Progress::default() });
        assert_eq!(meter.bar.as_ref().unwrap().position(), 3);
        meter.finish();
    }
}
