//! The traffic light: how urgent a request is.

use crate::clock::Millis;
use crate::rights::Request;
use crate::rights::deadline::Calendar;

/// From so many days on it is urgent.
const URGENT_DAYS: i32 = 3;
/// From so many days on it is soon.
const SOON_DAYS: i32 = 10;

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// The deadline has passed, so many days ago.
    Late(i32),
    /// So many days are left, which is few.
    Urgent(i32),
    /// So many days are left, which is not many.
    Soon(i32),
    /// So many days are left.
    Fine(i32),
    /// The period rests while it is unclear who asks.
    Rests,
    /// It waits for nothing: it is over, or a restriction is in force.
    Off,
}

impl Light {
    /// That of a request.
    #[must_use]
    pub fn of(request: &Request, calendar: &Calendar, now: Millis) -> Self {
        if !request.waits() {
            return Self::Off;
        }
        match calendar.days_left(&request.course(), now) {
            None => Self::Rests,
            Some(days) if days < 0 => Self::Late(-days),
            Some(days) if days <= URGENT_DAYS => Self::Urgent(days),
            Some(days) if days <= SOON_DAYS => Self::Soon(days),
            Some(days) => Self::Fine(days),
        }
    }

    /// Its name in styles and texts. It is never told by a colour alone.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Late(_) => "late",
            Self::Urgent(_) => "urgent",
            Self::Soon(_) => "soon",
            Self::Fine(_) => "fine",
            Self::Rests => "rests",
            Self::Off => "off",
        }
    }

    /// How many days it tells of.
    #[must_use]
    pub const fn days(self) -> i32 {
        match self {
            Self::Late(days) | Self::Urgent(days) | Self::Soon(days) | Self::Fine(days) => days,
            Self::Rests | Self::Off => 0,
        }
    }
}
