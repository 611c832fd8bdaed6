//! Charts as SVG text: only numbers and dates go in, so nothing has to be escaped.

use super::report::{Hour, date_text};
use crate::domain::ByteCount;
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 88.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 14.0;

/// The widths of a bar that read well, in hours, with their words.
const STEPS: [(i64, &str); 4] = [(1, "an hour"), (24, "a day"), (24 * 7, "a week"), (24 * 28, "four weeks")];
/// More bars than this cannot be told apart.
const MOST_BARS: i64 = 100;

/// The traffic over time, and what one bar stands for.
pub(super) fn timeline(hours: &[Hour]) -> (String, &'static str) {
    let (Some(first), Some(last)) = (hours.first().map(|h| h.hour), hours.last().map(|h| h.hour)) else {
        return (String::new(), STEPS[0].1);
    };
    let fits = |step: &&(i64, &str)| last.div_euclid(step.0) - first.div_euclid(step.0) < MOST_BARS;
    let (step, word) = STEPS.iter().find(fits).copied().unwrap_or(((last - first) / MOST_BARS + 1, "a bar"));
    let start = first.div_euclid(step);
    let mut bars = vec![(0_u64, 0_u64, 0_u64); usize::try_from(last.div_euclid(step) - start + 1).unwrap_or(1)];
    for hour in hours {
        let at = usize::try_from(hour.hour.div_euclid(step) - start).unwrap_or(0).min(bars.len() - 1);
        let bar = &mut bars[at];
        *bar = (bar.0.saturating_add(hour.bytes), bar.1.saturating_add(hour.bytes_up), bar.2 + hour.transactions);
    }
    (draw(&bars, start * step, step), word)
}

fn draw(bars: &[(u64, u64, u64)], first: i64, step: i64) -> String {
    let most = bars.iter().map(|bar| bar.0).max().unwrap_or(0).max(1);
    let (top, tick) = scale(most);
    let (wide, high) = (WIDTH - LEFT, HEIGHT - BOTTOM - TOP);
    let y = |value: f64| TOP + high - value / top * high;
    let label = |bar: usize| label(first + bar as i64 * step, step);
    let mut svg = String::new();
    let (from, to) = (label(0), label(bars.len() - 1));
    let peak = bars.iter().enumerate().max_by_key(|(_, bar)| bar.0).map_or(0, |(at, _)| at);
    let peak = format!("{} at {}", ByteCount(bars[peak].0), label(peak));
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Bytes from {from} to {to}; most: {peak}\">"
    );
    let mut value = 0.0;
    while value <= top * 1.001 {
        let at = y(value);
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {at:.1}H{WIDTH}\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            axis(value)
        );
        value += tick;
    }
    let slot = wide / bars.len() as f64;
    let gap = (slot * 0.15).min(3.0);
    for (at, (bytes, up, count)) in bars.iter().enumerate().filter(|(_, bar)| bar.2 > 0) {
        let x = LEFT + at as f64 * slot + gap / 2.0;
        let (total, part) = (*bytes as f64 / top * high, *up as f64 / top * high);
        let _ = write!(
            svg,
            "<g><title>{}: {}, {} uploaded, {count} requests</title><rect class=\"down\" x=\"{x:.2}\" y=\"{:.2}\" \
             width=\"{:.2}\" height=\"{:.2}\"/>",
            label(at),
            ByteCount(*bytes),
            ByteCount(*up),
            TOP + high - total.max(0.7),
            slot - gap,
            (total - part).max(0.7)
        );
        if part >= 0.1 {
            let _ = write!(
                svg,
                "<rect class=\"up\" x=\"{x:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{part:.2}\"/>",
                TOP + high - part,
                slot - gap
            );
        }
        svg.push_str("</g>");
    }
    // As many labels as fit side by side, the first one at the left end.
    let every = bars.len().div_ceil(5).max(1);
    for at in (0..bars.len()).step_by(every) {
        let x = LEFT + (at as f64 + 0.5) * slot;
        let anchor = if x + 40.0 > WIDTH { "end" } else { "middle" };
        let x = if anchor == "end" { WIDTH } else { x };
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{}</text>",
            HEIGHT - 6.0,
            label(at)
        );
    }
    svg.push_str("</svg>");
    svg
}

fn label(hour: i64, step: i64) -> String {
    let date = date_text(i32::try_from(hour.div_euclid(24)).unwrap_or(i32::MAX));
    if step < 24 { format!("{} {:02}:00", &date[date.len().min(5)..], hour.rem_euclid(24)) } else { date }
}

/// The top of an axis and its step: round numbers of a binary unit, three to five steps.
fn scale(most: u64) -> (f64, f64) {
    let most = most as f64;
    let unit = 1024_f64.powf((most.ln() / 1024_f64.ln()).floor().max(0.0));
    let value = most / unit;
    let decade = 10_f64.powf((value / 4.0).log10().floor());
    let nice = [1.0, 2.0, 2.5, 5.0, 10.0];
    let tick = nice.iter().map(|n| n * decade).find(|tick| tick * 5.0 >= value).unwrap_or(value) * unit;
    let tick = tick.max(1.0);
    ((most / tick).ceil().max(1.0) * tick, tick)
}

fn axis(value: f64) -> String {
    let text = ByteCount(value as u64).to_string();
    text.replacen(".0 ", " ", 1)
}

/// Transactions by weekday and hour, darker for more.
pub(super) fn week(hours: &[Hour]) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let mut cells = [[0_u64; 24]; 7];
    for hour in hours {
        // The first day of the epoch was a Thursday.
        let day = (hour.hour.div_euclid(24) + 3).rem_euclid(7) as usize;
        cells[day][hour.hour.rem_euclid(24) as usize] += hour.transactions;
    }
    let most = cells.iter().flatten().copied().max().unwrap_or(0).max(1);
    let busiest = (0..7 * 24).max_by_key(|at| (cells[at / 24][at % 24], 7 * 24 - at)).unwrap_or(0);
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Transactions by weekday and hour; most on {} at \
         {:02}:00\">",
        DAYS[busiest / 24],
        busiest % 24
    );
    let (left, wide, high) = (46.0, (WIDTH - 46.0) / 24.0, (HEIGHT - BOTTOM - TOP) / 7.0);
    for (day, row) in cells.iter().enumerate() {
        let y = TOP + day as f64 * high;
        let _ = write!(svg, "<text x=\"0\" y=\"{:.1}\">{}</text>", y + high / 2.0 + 4.0, DAYS[day]);
        for (hour, count) in row.iter().enumerate() {
            let shade = if *count == 0 { 0 } else { (count * 5).div_ceil(most).clamp(1, 5) };
            let _ = write!(
                svg,
                "<rect class=\"c{shade}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"><title>{} \
                 {hour:02}:00: {count}</title></rect>",
                left + hour as f64 * wide + 1.0,
                y + 1.0,
                wide - 2.0,
                high - 2.0,
                DAYS[day]
            );
        }
    }
    for hour in (0..24).step_by(4) {
        let x = left + hour as f64 * wide + 1.0;
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{:.0}\">{hour:02}:00</text>", HEIGHT - 6.0);
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(list: &[i64]) -> Vec<Hour> {
        let hour = |hour: &i64| Hour { hour: *hour, transactions: 1, bytes_up: 10, bytes: 100, blocked: 0 };
        list.iter().map(hour).collect()
    }

    #[test]
    fn bars_get_wider_until_they_fit() {
        let rows: [(&[i64], &str); 5] = [
            (&[0, 48], "an hour"),
            (&[0, 24 * 60], "a day"),
            (&[0, 24 * 300], "a week"),
            (&[0, 24 * 2_000], "four weeks"),
            (&[-9_000_000, 9_000_000], "a bar"),
        ];
        for (list, word) in rows {
            let (svg, step) = timeline(&hours(list));
            assert_eq!(step, word);
            assert!(svg.matches("<rect").count() <= 2 * list.len() && svg.ends_with("</svg>"), "{svg}");
        }
        assert_eq!(timeline(&[]).0, "");
    }

    #[test]
    fn axes_end_on_a_round_number_above_the_largest_value() {
        for most in [1, 2, 9, 1_000, 1_023, 1_024, 1 << 20, 3_333_333_333, u64::MAX / 2] {
            let (top, tick) = scale(most);
            assert!(top >= most as f64 && top / tick <= 6.0 && top / tick >= 1.0, "{most}: {top} by {tick}");
        }
    }

    #[test]
    fn the_week_begins_on_monday() {
        // 1970-01-05 was a Monday.
        let svg = week(&hours(&[4 * 24 + 9]));
        assert!(svg.contains("most on Mon at 09:00") && svg.contains("Mon 09:00: 1"), "{svg}");
    }
}
