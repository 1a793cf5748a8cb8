//! What is drawn of a panel's requests: for each stretch of time their median, the slowest, and failures.

use super::Panel;

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    /// In the order of time; those without a request are left out.
    pub(super) number: usize,
    pub(super) median: f64,
    pub(super) slowest: f64,
    /// The slowest request that failed.
    pub(super) failure: Option<f64>,
}

/// Cuts a panel into `count` stretches of the same length. However many requests there were, there is no
/// more to draw than that.
pub(super) fn stretches(panel: &Panel, count: usize) -> Vec<Stretch> {
    let mut latencies = vec![Vec::new(); count];
    let mut failures = vec![None; count];
    for request in &panel.requests {
        let number = (request.at / panel.length * count as f64) as usize;
        let number = number.min(count - 1);
        latencies[number].push(request.latency);
        if request.failed {
            let worst = failures[number].get_or_insert(request.latency);
            *worst = worst.max(request.latency);
        }
    }
    let stretch = |(number, latencies): (usize, Vec<f64>)| summary(number, latencies, &failures);
    latencies
        .into_iter()
        .enumerate()
        .filter_map(stretch)
        .collect()
}

fn summary(number: usize, mut latencies: Vec<f64>, failures: &[Option<f64>]) -> Option<Stretch> {
    latencies.sort_by(f64::total_cmp);
    Some(Stretch {
        number,
        median: *latencies.get(latencies.len() / 2)?,
        slowest: *latencies.last()?,
        failure: failures[number],
    })
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::*;

    #[test]
    fn a_stretch_shows_its_median_its_slowest_and_its_failures() {
        let request = |at, latency, failed| Request {
            at,
            latency,
            failed,
        };
        let panel = Panel {
            length: 2.0,
            requests: vec![
                request(0.1, 1.0, false),
                request(0.2, 9.0, true),
                request(0.3, 2.0, false),
                // One that was due at the very end belongs to the last stretch.
                request(2.0, 3.0, false),
            ],
            ..Panel::default()
        };
        let stretch = |number, median, slowest, failure| Stretch {
            number,
            median,
            slowest,
            failure,
        };
        let expected = [stretch(0, 2.0, 9.0, Some(9.0)), stretch(3, 3.0, 3.0, None)];
        assert_eq!(stretches(&panel, 4), expected);
    }
}
