//! The plot as an SVG document.

use std::fmt::{self, Display, Formatter};

use super::axis::{self, LogAxis};
use super::curves::{Stretch, stretches};
use super::paper::begin;
use super::words::{Escaped, text};
use super::{Mark, Panel, Plot, Row};

impl Display for Plot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let height = TOP + ROW * self.rows.len() as f64 + BOTTOM;
        begin(f, height, LEFT, &self.title)?;
        self.write_legend(f)?;
        let panels = self.rows.iter().flat_map(|row| &row.panels);
        let axis = LogAxis::over(panels, PANEL_HEIGHT);
        for (number, row) in self.rows.iter().enumerate() {
            let top = TOP + ROW * number as f64 + HEADING;
            self.write_row(f, row, &axis, top)?;
        }
        let below = height - 8.0;
        text(
            f,
            "faint",
            (LEFT, below),
            "start",
            "seconds; rounds of each kind joined",
        )?;
        f.write_str("</svg>\n")
    }
}

impl Plot {
    fn write_legend(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let entries = [
            ("median", "median latency"),
            ("slowest", "slowest request"),
            ("failure", "failed request"),
            ("mark", self.marks),
        ];
        let limit = self.limit.map(|limit| format!("limit: {limit} ms"));
        let limit = limit.as_deref().map(|text| ("limit", text));
        let mut left = LEFT;
        for (class, words) in entries.into_iter().chain(limit) {
            let middle = left + 9.0;
            match class {
                "failure" => writeln!(f, "<path class=\"failure\" d=\"{}\"/>", Cross(middle, 41.0)),
                "mark" => writeln!(f, "<path class=\"mark\" d=\"M{middle},34v14\"/>"),
                _ => writeln!(f, "<path class=\"{class}\" d=\"M{left},41h18\"/>"),
            }?;
            text(f, "faint", (left + 24.0, 45.0), "start", words)?;
            left += 48.0 + 6.3 * words.chars().count() as f64;
        }
        Ok(())
    }

    fn write_row(&self, f: &mut Formatter<'_>, row: &Row, axis: &LogAxis, top: f64) -> fmt::Result {
        for (place, name) in axis.ticks() {
            text(f, "faint", (LEFT - 8.0, top + place + 4.0), "end", &name)?;
        }
        let middle = top + PANEL_HEIGHT / 2.0;
        writeln!(
            f,
            "<text class=\"text\" text-anchor=\"middle\" transform=\"translate(16,{middle})rotate(-90)\">{}</text>",
            Escaped(&row.name)
        )?;
        for (column, panel) in row.panels.iter().enumerate() {
            let left = LEFT + (PANEL_WIDTH + GAP) * column as f64;
            writeln!(f, "<g transform=\"translate({left},{top})\">")?;
            write_panel(f, panel, axis, self.limit)?;
            writeln!(f, "</g>")?;
        }
        Ok(())
    }
}

/// A panel with its upper left corner at the origin.
fn write_panel(
    f: &mut Formatter<'_>,
    panel: &Panel,
    axis: &LogAxis,
    limit: Option<f64>,
) -> fmt::Result {
    text(f, "text", (0.0, -8.0), "start", &panel.heading)?;
    write_grid(f, panel, axis)?;
    write_marks(f, panel)?;
    if let Some(limit) = limit {
        let place = axis.place(limit);
        writeln!(
            f,
            "<path class=\"limit\" d=\"M0,{place:.1}h{PANEL_WIDTH}\"/>"
        )?;
    }
    let stretches = stretches(panel, STRETCHES);
    let slowest = Curve(&stretches, |stretch| axis.place(stretch.slowest));
    writeln!(f, "<path class=\"slowest\" d=\"{slowest}\"/>")?;
    let median = Curve(&stretches, |stretch| axis.place(stretch.median));
    writeln!(f, "<path class=\"median\" d=\"{median}\"/>")?;
    let failed = |stretch: &Stretch| Some((stretch.number, axis.place(stretch.failure?)));
    f.write_str("<path class=\"failure\" d=\"")?;
    for (number, place) in stretches.iter().filter_map(failed) {
        write!(f, "{}", Cross(across(number), place))?;
    }
    writeln!(f, "\"/>")
}

fn write_grid(f: &mut Formatter<'_>, panel: &Panel, axis: &LogAxis) -> fmt::Result {
    f.write_str("<path class=\"grid\" d=\"")?;
    for (place, _) in axis.ticks() {
        write!(f, "M0,{place:.1}h{PANEL_WIDTH}")?;
    }
    writeln!(f, "\"/>")?;
    for second in axis::steps(panel.length) {
        let place = (second / panel.length * PANEL_WIDTH, PANEL_HEIGHT + 15.0);
        text(f, "faint", place, "middle", &format!("{second}"))?;
    }
    Ok(())
}

/// A line where each one begins, and areas for those that last. No more than one line in a pixel.
fn write_marks(f: &mut Formatter<'_>, panel: &Panel) -> fmt::Result {
    let place = |second: f64| (second / panel.length * PANEL_WIDTH).clamp(0.0, PANEL_WIDTH);
    let mut begins: Vec<f64> = panel
        .marks
        .iter()
        .map(|mark| place(mark.begin).round())
        .collect();
    begins.sort_by(f64::total_cmp);
    begins.dedup();
    f.write_str("<path class=\"mark\" d=\"")?;
    begins
        .iter()
        .try_for_each(|begin| write!(f, "M{begin},0v{PANEL_HEIGHT}"))?;
    f.write_str("\"/>\n<path class=\"span\" d=\"")?;
    for Mark { begin, end } in &panel.marks {
        let (left, width) = (place(*begin), place(*end) - place(*begin));
        if width > 0.0 {
            write!(f, "M{left:.1},0h{width:.1}v{PANEL_HEIGHT}h-{width:.1}z")?;
        }
    }
    writeln!(f, "\"/>")
}

/// A line through the stretches, interrupted where one is missing.
struct Curve<'a, P: Fn(&Stretch) -> f64>(&'a [Stretch], P);

impl<P: Fn(&Stretch) -> f64> Display for Curve<'_, P> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut before = None;
        for stretch in self.0 {
            let follows = before.is_some_and(|before| before + 1 == stretch.number);
            let command = if follows { 'L' } else { 'M' };
            let (x, y) = (across(stretch.number), self.1(stretch));
            write!(f, "{command}{x},{y:.1}")?;
            if !follows {
                // A line to itself, so that a stretch alone can be seen, too.
                f.write_str("h.1")?;
            }
            before = Some(stretch.number);
        }
        Ok(())
    }
}

/// A small cross around a point, as a part of a path.
struct Cross(f64, f64);

impl Display for Cross {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (left, top) = (self.0 - 4.0, self.1 - 4.0);
        write!(f, "M{left:.1},{top:.1}l8,8m0,-8l-8,8")
    }
}

/// The middle of a stretch, in pixels from the panel's left side.
fn across(number: usize) -> f64 {
    (number as f64 + 0.5) * PANEL_WIDTH / STRETCHES as f64
}

const LEFT: f64 = 80.0;
/// Title and legend.
const TOP: f64 = 56.0;
const HEADING: f64 = 28.0;
const PANEL_WIDTH: f64 = 420.0;
const PANEL_HEIGHT: f64 = 150.0;
const GAP: f64 = 24.0;
/// A panel with its heading above and its seconds below.
const ROW: f64 = HEADING + PANEL_HEIGHT + 24.0;
const BOTTOM: f64 = 24.0;
/// One for every second pixel, so that the file stays small and a peak can be seen.
const STRETCHES: usize = 210;

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::words::check_tags;
    use super::*;

    fn plot(requests: u32, marks: u32) -> Plot {
        let panel = || Panel {
            heading: "calm <&> \"quiet\"".to_owned(),
            length: 30.0,
            requests: (0..requests)
                .map(|number| Request {
                    at: 30.0 * f64::from(number) / f64::from(requests),
                    latency: 0.1 + f64::from(number % 1000),
                    failed: number % 100 == 0,
                })
                .collect(),
            marks: (0..marks)
                .map(|number| Mark {
                    begin: 30.0 * f64::from(number) / f64::from(marks),
                    end: 0.0,
                })
                .collect(),
        };
        let row = || Row {
            name: "reuseport".to_owned(),
            panels: [panel(), panel()],
        };
        Plot {
            name: "name".to_owned(),
            title: "title".to_owned(),
            marks: "restart",
            limit: Some(50.0),
            rows: vec![row(), row()],
        }
    }

    #[test]
    fn what_is_written_is_well_formed() {
        for plot in [plot(0, 0), plot(1, 1), plot(5000, 20)] {
            let text = plot.to_string();
            check_tags(&text);
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
        let text = plot(5000, 20).to_string();
        assert!(
            text.contains("calm &lt;&amp;&gt; &quot;quiet&quot;"),
            "{text}"
        );
    }

    #[test]
    fn the_file_is_small_however_much_was_measured() {
        let length = plot(200_000, 4000).to_string().len();
        assert!(length < 60_000, "{length}");
    }
}
