//! Progress bars on a terminal; nothing otherwise.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A set of bars on standard error, hidden unless bars are wanted.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
}

impl Progress {
    /// Bars that are drawn only if `visible`.
    pub fn new(visible: bool) -> Progress {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Progress { bars: MultiProgress::with_draw_target(target) }
    }

    /// A bar over bytes; `label` is escaped.
    pub fn bytes(&self, label: &str, total: u64) -> ProgressBar {
        let style =
            ProgressStyle::with_template("{prefix:32!} {bar:28} {bytes:>11}/{total_bytes:11} {binary_bytes_per_sec}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.bars.add(ProgressBar::new(total).with_style(style));
        bar.set_prefix(super::escape::terminal(label).into_owned());
        bar
    }

    /// A bar over records.
    pub fn count(&self, label: &str) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix} {bar:28} {human_pos}/{human_len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.bars.add(ProgressBar::new(0).with_style(style));
        bar.set_prefix(label.to_owned());
        bar
    }

    /// Runs `print` while the bars are out of the way.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bars.suspend(print)
    }
}
