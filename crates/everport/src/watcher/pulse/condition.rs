//! What is known about one worker's answers.

use std::time::Duration;

use tokio::time::Instant;

use super::NOTEWORTHY;

/// One worker's beats.
#[derive(Debug, Default)]
pub(super) struct Condition {
    /// The one it has yet to answer; there is no other before that.
    beat: Option<Beat>,
    silence: Option<Silence>,
    pub(super) is_suspended: bool,
}

#[derive(Debug)]
struct Beat {
    number: u32,
    sent: Instant,
}

/// A time in which a worker does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silence {
    /// When it began.
    pub(crate) since: Instant,
    /// What has been told of it.
    pub(super) told: Told,
}

/// What people have been told of a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    Nothing,
    ThatItBegan,
    ThatItLasts,
}

impl Condition {
    pub(super) fn is_well(&self) -> bool {
        self.silence.is_none() && !self.is_suspended
    }

    pub(super) fn may_get_beat(&self) -> bool {
        self.is_well() && self.beat.is_none()
    }

    pub(super) fn beat(&mut self, number: u32, sent: Instant) {
        self.beat = Some(Beat { number, sent });
    }

    /// Since when an answer is expected of which it is not known yet whether it comes.
    pub(super) fn owes_since(&self) -> Option<Instant> {
        let beat = self.beat.as_ref().filter(|_| self.is_well());
        beat.map(|beat| beat.sent)
    }

    pub(super) fn owes_for(&self, now: Instant) -> Option<Duration> {
        let since = self.owes_since()?;
        Some(now.saturating_duration_since(since))
    }

    pub(super) fn excuse(&mut self, late: Duration) {
        if let Some(beat) = &mut self.beat {
            beat.sent += late;
        }
    }

    /// Its silence has lasted since it was asked.
    pub(super) fn fall_silent(&mut self) {
        self.silence = self.owes_since().map(|since| Silence {
            since,
            told: Told::Nothing,
        });
    }

    pub(super) fn answered(&mut self, number: u32) -> Option<Silence> {
        self.beat.take_if(|beat| beat.number == number)?;
        self.silence.take()
    }

    /// Only a silent worker still has to answer once it runs again: that is how it is heard.
    pub(super) fn suspended(&mut self) {
        self.is_suspended = true;
        if self.silence.is_none() {
            self.beat = None;
        }
    }

    /// For how long it is silent counts anew: it had no say in it before.
    pub(super) fn resumed(&mut self, now: Instant) {
        self.is_suspended = false;
        if let Some(silence) = &mut self.silence
            && silence.told < Told::ThatItLasts
        {
            silence.since = now;
        }
    }

    /// When there is news of its silence. That it is stopped people know already.
    pub(super) fn news_at(&self) -> Option<Instant> {
        let silence = self.silence.filter(|_| !self.is_suspended)?;
        match silence.told {
            Told::Nothing => Some(silence.since),
            Told::ThatItBegan => Some(silence.since + NOTEWORTHY),
            Told::ThatItLasts => None,
        }
    }

    /// For how long it has been silent, if that is news.
    pub(super) fn take_news(&mut self, now: Instant) -> Option<Duration> {
        self.news_at().filter(|at| now >= *at)?;
        let silence = self.silence.as_mut()?;
        let lasts = now.saturating_duration_since(silence.since);
        silence.told = if lasts < NOTEWORTHY {
            Told::ThatItBegan
        } else {
            Told::ThatItLasts
        };
        Some(lasts)
    }
}
