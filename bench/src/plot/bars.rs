//! Bars beside each other, each with the interval in which its value lies.

use std::fmt::{self, Display, Formatter};

use super::axis;
use super::paper::{WIDTH, begin};
use super::words::text;
use crate::statistics::Interval;

/// A plot of bars: its columns are measures, in each row the bars of one server.
#[derive(Debug)]
pub(crate) struct Bars {
    /// What its file is called, after the scenario.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) measures: Vec<Measure>,
    pub(crate) groups: Vec<Group>,
}

/// What is measured, and in what unit.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    pub(crate) name: String,
    /// How many decimals its values have.
    pub(crate) decimals: usize,
}

/// Bars that are to be compared with each other.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) bars: Vec<Bar>,
}

/// The values of one server, one for each measure.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) shade: Shade,
    pub(crate) values: Vec<Interval>,
}

/// Who it is: what is compared, with what, and with whom else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shade {
    Everport,
    /// The same program without everport.
    Same,
    Other,
    /// Nobody can be better: it is no server but the generator's own limit.
    Limit,
}

impl Display for Bars {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let height = self.height();
        begin(f, height, MARGIN, &self.title)?;
        self.write_legend(f)?;
        for (number, measure) in self.measures.iter().enumerate() {
            self.write_column(f, number, measure)?;
        }
        self.write_names(f)?;
        f.write_str("</svg>\n")
    }
}

impl Bars {
    fn height(&self) -> f64 {
        let bars: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        TOP + GROUP * self.groups.len() as f64 + ROW * bars as f64 + BOTTOM
    }

    fn write_legend(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut bars = self.groups.iter().flat_map(|group| &group.bars);
        let shades: Vec<Shade> = bars.clone().map(|bar| bar.shade).collect();
        let mut left = MARGIN;
        for shade in Shade::ALL {
            if !shades.contains(&shade) {
                continue;
            }
            let class = shade.class();
            writeln!(
                f,
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"35\" width=\"18\" height=\"11\"/>"
            )?;
            let words = shade.words();
            text(f, "faint", (left + 24.0, 45.0), "start", words)?;
            left += 48.0 + 6.3 * words.chars().count() as f64;
        }
        let has_whisker = |bar: &Bar| bar.values.iter().any(|value| is_wide(*value));
        if bars.any(has_whisker) {
            writeln!(
                f,
                "<path class=\"whisker\" d=\"{}\"/>",
                Whisker(left, left + 18.0, 40.5)
            )?;
            text(f, "faint", (left + 24.0, 45.0), "start", WHISKER_WORDS)?;
        }
        Ok(())
    }

    fn write_column(&self, f: &mut Formatter<'_>, number: usize, measure: &Measure) -> fmt::Result {
        let width = column_width(self.measures.len());
        let left = LEFT + (width + GAP) * number as f64;
        let values = self.places().filter_map(|(place, bar)| {
            let value = bar.values.get(number)?;
            Some((place, bar.shade, *value))
        });
        let values: Vec<(f64, Shade, Interval)> = values.collect();
        let scale = Scale::over(&values, width - ROOM_FOR_NUMBERS);
        writeln!(f, "<g transform=\"translate({left:.1},0)\">")?;
        text(f, "text", (0.0, TOP - 8.0), "start", &measure.name)?;
        let bottom = self.height() - BOTTOM;
        for value in scale.ticks() {
            let x = scale.place(value);
            writeln!(f, "<path class=\"grid\" d=\"M{x:.1},{TOP}V{bottom:.1}\"/>")?;
            text(f, "faint", (x, bottom + 15.0), "middle", &short(value))?;
        }
        for (place, shade, value) in values {
            write_bar(f, place, shade, &scale, value, measure.decimals)?;
        }
        writeln!(f, "</g>")
    }

    fn write_names(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut top = TOP;
        for group in &self.groups {
            text(f, "text", (MARGIN, top + 16.0), "start", &group.name)?;
            top += GROUP + ROW * group.bars.len() as f64;
        }
        for (place, bar) in self.places() {
            let beside = (LEFT - 8.0, place + THICKNESS - 2.0);
            text(f, "faint", beside, "end", &bar.name)?;
        }
        Ok(())
    }

    /// Each bar with its upper side.
    fn places(&self) -> impl Iterator<Item = (f64, &Bar)> {
        let mut top = TOP;
        self.groups.iter().flat_map(move |group| {
            let first = top + GROUP;
            top = first + ROW * group.bars.len() as f64;
            let bars = group.bars.iter().enumerate();
            bars.map(move |(number, bar)| (first + ROW * number as f64, bar))
        })
    }
}

fn write_bar(
    f: &mut Formatter<'_>,
    top: f64,
    shade: Shade,
    scale: &Scale,
    value: Interval,
    decimals: usize,
) -> fmt::Result {
    let number = if value.median.is_finite() {
        let (class, width) = (shade.class(), scale.place(value.median));
        writeln!(
            f,
            "<rect class=\"{class}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{THICKNESS}\"/>"
        )?;
        format!("{:.decimals$}", value.median)
    } else {
        "–".to_owned()
    };
    let mut end = scale.place(value.median);
    if is_wide(value) {
        let (low, high) = (scale.place(value.low), scale.place(value.high));
        let whisker = Whisker(low, high, top + THICKNESS / 2.0);
        writeln!(f, "<path class=\"whisker\" d=\"{whisker}\"/>")?;
        end = high;
    }
    let beside = (end + 6.0, top + THICKNESS - 2.0);
    text(f, "text", beside, "start", &number)
}

/// Whether there is an interval to be drawn.
fn is_wide(value: Interval) -> bool {
    value.low.is_finite() && value.high.is_finite() && value.low < value.high
}

/// A line from here to there with a small stroke at each end, as a path.
struct Whisker(f64, f64, f64);

impl Display for Whisker {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(low, high, middle) = self;
        let top = middle - 3.0;
        write!(f, "M{low:.1},{top:.1}v6m0,-3H{high:.1}m0,-3v6")
    }
}

/// An axis that begins at zero.
struct Scale {
    most: f64,
    width: f64,
}

impl Scale {
    /// Holds every value, and every interval that is drawn.
    fn over(values: &[(f64, Shade, Interval)], width: f64) -> Self {
        let ends = values.iter().flat_map(|(_, _, value)| {
            let high = is_wide(*value).then_some(value.high);
            high.into_iter().chain([value.median])
        });
        let most = ends.filter(|end| end.is_finite()).fold(0.0, f64::max);
        Self {
            most: if most > 0.0 { most } else { 1.0 },
            width,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if value.is_finite() {
            value / self.most
        } else {
            0.0
        };
        self.width * share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        axis::steps(self.most)
    }
}

/// Thousands as `k`: there is not much room between two numbers of an axis.
fn short(value: f64) -> String {
    if value >= 1000.0 {
        format!("{}k", value / 1000.0)
    } else {
        // Steps are multiples of 1, 2 or 5: rounding only takes away what floating-point numbers add.
        format!("{}", (value * 1e6).round() / 1e6)
    }
}

fn column_width(columns: usize) -> f64 {
    let columns = columns.max(1) as f64;
    (WIDTH - LEFT - MARGIN - GAP * (columns - 1.0)) / columns
}

impl Shade {
    const ALL: [Self; 4] = [Self::Everport, Self::Same, Self::Other, Self::Limit];

    fn class(self) -> &'static str {
        match self {
            Self::Everport => "everport",
            Self::Same => "same",
            Self::Other => "other",
            Self::Limit => "bound",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Everport => "everport",
            Self::Same => "the same program without everport",
            Self::Other => "others",
            Self::Limit => "the generator's limit",
        }
    }
}

const WHISKER_WORDS: &str = "95 % interval of the median";

const MARGIN: f64 = 16.0;
/// Where the columns begin: beside the servers' names.
const LEFT: f64 = 170.0;
/// Title, legend, and the measures' names.
const TOP: f64 = 78.0;
const GROUP: f64 = 24.0;
const ROW: f64 = 17.0;
const THICKNESS: f64 = 12.0;
const GAP: f64 = 24.0;
/// Right of the longest bar.
const ROOM_FOR_NUMBERS: f64 = 64.0;
const BOTTOM: f64 = 28.0;

#[cfg(test)]
mod tests {
    use super::super::words::check_tags;
    use super::*;

    fn plot(values: &[(f64, f64, f64)]) -> Bars {
        let bar = |(low, median, high): &(f64, f64, f64)| Bar {
            name: "reuseport <&>".to_owned(),
            shade: Shade::Everport,
            values: vec![
                Interval {
                    low: *low,
                    median: *median,
                    high: *high,
                };
                2
            ],
        };
        let measure = |name: &str| Measure {
            name: name.to_owned(),
            decimals: 1,
        };
        let group = || Group {
            name: "64 connections".to_owned(),
            bars: values.iter().map(bar).collect(),
        };
        Bars {
            name: "name".to_owned(),
            title: "title".to_owned(),
            measures: vec![measure("requests a second"), measure("µs a request")],
            groups: vec![group(), group()],
        }
    }

    #[test]
    fn what_is_written_is_well_formed() {
        let infinite = (f64::NEG_INFINITY, 5.0, f64::INFINITY);
        let missing = (f64::NAN, f64::NAN, f64::NAN);
        let lists: [&[(f64, f64, f64)]; 4] = [
            &[],
            &[(1.0, 2.0, 3.0)],
            &[infinite, missing],
            &[(0.0, 0.0, 0.0), (90_000.0, 100_000.0, 120_000.0)],
        ];
        for values in lists {
            let text = plot(values).to_string();
            check_tags(&text);
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }

    #[test]
    fn bars_are_as_long_as_their_values_and_whiskers_as_their_intervals() {
        let text = plot(&[(81.0, 90.0, 100.0), (5.0, 45.0, 50.0)]).to_string();
        let width = column_width(2) - ROOM_FOR_NUMBERS;
        for share in [0.9, 0.45] {
            let bar = format!("width=\"{:.1}\" height=\"{THICKNESS}\"", width * share);
            assert_eq!(text.matches(&bar).count(), 4, "{share}: {text}");
        }
        // No line of the grid is there.
        let whisker = format!("M{:.1},", width * 0.81);
        assert_eq!(text.matches(&whisker).count(), 4, "{text}");
        assert!(text.contains("reuseport &lt;&amp;&gt;"), "{text}");
        // Two groups, each with a name, and its own bars below each other.
        assert_eq!(text.matches("64 connections").count(), 2, "{text}");
    }

    #[test]
    fn numbers_of_an_axis_are_short() {
        assert_eq!(short(20_000.0), "20k");
        assert_eq!(short(2_500.0), "2.5k");
        assert_eq!(short(0.1 + 0.2), "0.3");
        assert_eq!(short(40.0), "40");
    }
}
