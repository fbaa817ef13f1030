//! A line over days, as an SVG path: how many of a hundred agreed.

/// How wide the plot is, in units of the picture.
const WIDTH: usize = 640;
/// How high it is.
const HEIGHT: usize = 140;

/// What was decided on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// How many agreed.
    pub yes: u64,
    /// How many did not, or do no more.
    pub no: u64,
}

impl Point {
    /// How many of a hundred agreed; `None` on a day without decisions.
    #[must_use]
    pub const fn percent(self) -> Option<u64> {
        let all = self.yes.saturating_add(self.no);
        match self.yes.saturating_mul(200).checked_div(all) {
            Some(halves) => Some(halves.div_ceil(2)),
            None => None,
        }
    }
}

/// A line, and the days that stand alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Plot {
    /// The line, as the `d` of a path. It has gaps where nothing was decided.
    pub line: String,
    /// The days that have no neighbour, as places.
    pub dots: Vec<(usize, usize)>,
}

impl Plot {
    /// The line of these days.
    #[must_use]
    pub fn of(days: &[Point]) -> Self {
        let steps = days.len().saturating_sub(1).max(1);
        let place = |at: usize, percent: u64| {
            let up = usize::try_from(percent).unwrap_or(0).min(100);
            (at * WIDTH / steps, HEIGHT - up * HEIGHT / 100)
        };
        let known = |at: usize| days.get(at).and_then(|day| day.percent());
        let (mut line, mut dots) = (String::new(), Vec::new());
        for at in 0..days.len() {
            let Some((x, y)) = known(at).map(|percent| place(at, percent)) else { continue };
            let before = at.checked_sub(1).and_then(known).is_some();
            if !before && known(at + 1).is_none() {
                dots.push((x, y));
                continue;
            }
            line.push_str(&format!("{}{x} {y}", if before { 'L' } else { 'M' }));
        }
        Self { line, dots }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_gaps_where_nothing_was_decided_and_stays_in_its_frame() {
        let day = |yes, no| Point { yes, no };
        let plot = Plot::of(&[day(1, 1), day(1, 0), day(0, 0), day(0, 5), day(0, 0)]);
        assert_eq!(plot.line, "M0 70L160 0");
        assert_eq!(plot.dots, [(480, 140)]);
        assert_eq!(Plot::of(&[]), Plot { line: String::new(), dots: Vec::new() });
        assert_eq!(Plot::of(&[day(1, 2)]).dots, [(0, HEIGHT - 33 * HEIGHT / 100)]);
    }

    #[test]
    fn percents_are_rounded() {
        let percent = |yes, no| Point { yes, no }.percent();
        assert_eq!([percent(1, 2), percent(2, 1), percent(1, 199), percent(0, 0)], [Some(33), Some(67), Some(1), None]);
        assert_eq!(percent(u64::MAX, 1), Some(1), "more than can be counted is no panic");
    }
}
