//! Where values lie on the paper, and which of them are named beside it.

use super::{Panel, Request};

/// A logarithmic axis of whole decades, from the bottom up.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogAxis {
    /// The least and the greatest power of ten, in milliseconds.
    decades: (i32, i32),
    /// In pixels.
    height: f64,
}

impl LogAxis {
    /// Holds every latency, and at least two decades.
    pub(super) fn over<'a>(panels: impl Iterator<Item = &'a Panel>, height: f64) -> Self {
        let latencies = panels.flat_map(|panel| panel.requests.iter().map(milliseconds));
        let (least, most) = latencies.fold((f64::INFINITY, LEAST), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let bottom = least.min(1.0).log10().floor() as i32;
        let top = (most.log10().ceil() as i32).max(bottom + 2);
        Self {
            decades: (bottom, top),
            height,
        }
    }

    /// How many pixels below the top a latency in milliseconds lies.
    pub(super) fn place(&self, milliseconds: f64) -> f64 {
        let (bottom, top) = (f64::from(self.decades.0), f64::from(self.decades.1));
        let share = (milliseconds.max(LEAST).log10() - bottom) / (top - bottom);
        self.height * (1.0 - share.clamp(0.0, 1.0))
    }

    /// The decades' places and names.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        let (bottom, top) = self.decades;
        (bottom..=top).map(|decade| {
            let value = 10_f64.powi(decade);
            (self.place(value), name(value))
        })
    }
}

/// Numbers from zero to `length` for a row of about five below the paper: steps of 1, 2 or 5 times a power of ten.
pub(super) fn steps(length: f64) -> impl Iterator<Item = f64> {
    let rough = (length / 5.0).max(LEAST);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| *step >= rough * 0.99);
    let step = step.unwrap_or(rough);
    (0_u32..)
        .map(move |number| f64::from(number) * step)
        .take_while(move |value| *value <= length * 1.001)
}

/// Nothing on a network is faster than a microsecond; it keeps the logarithm away from zero.
const LEAST: f64 = 0.001;

fn milliseconds(request: &Request) -> f64 {
    request.latency.max(LEAST)
}

fn name(milliseconds: f64) -> String {
    if milliseconds >= 1000.0 {
        format!("{} s", milliseconds / 1000.0)
    } else if milliseconds >= 1.0 {
        format!("{milliseconds} ms")
    } else if milliseconds > 0.05 {
        "0.1 ms".to_owned()
    } else {
        format!("{:.0} µs", milliseconds * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(latencies: &[f64]) -> LogAxis {
        let request = |latency: &f64| Request {
            at: 0.0,
            latency: *latency,
            failed: false,
        };
        let panel = Panel {
            requests: latencies.iter().map(request).collect(),
            ..Panel::default()
        };
        LogAxis::over([&panel].into_iter(), 100.0)
    }

    #[test]
    fn the_axis_holds_every_latency_between_whole_decades() {
        let names = |latencies: &[f64]| -> Vec<String> {
            axis(latencies).ticks().map(|(_, name)| name).collect()
        };
        assert_eq!(names(&[0.2, 30.0]), ["0.1 ms", "1 ms", "10 ms", "100 ms"]);
        assert_eq!(names(&[5000.0]).last().unwrap(), "10 s");
        assert_eq!(names(&[0.05, 0.06]), ["10 µs", "0.1 ms", "1 ms"]);
        assert_eq!(axis(&[0.1, 10.0]).place(0.1), 100.0);
        assert_eq!(axis(&[0.1, 10.0]).place(1.0), 50.0);
        assert_eq!(axis(&[0.1, 10.0]).place(10.0), 0.0);
        assert!(!axis(&[]).place(1.0).is_nan());
    }

    #[test]
    fn steps_are_round_numbers() {
        let of = |length| steps(length).collect::<Vec<f64>>();
        assert_eq!(of(5.0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(of(30.0), [0.0, 10.0, 20.0, 30.0]);
        assert_eq!(of(21.0), [0.0, 5.0, 10.0, 15.0, 20.0]);
    }
}
