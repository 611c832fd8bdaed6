//! How risky an app looks, by arithmetic that anyone can redo: points for what the catalogue knows, each with its reason.
//!
//! This is our own score over our own table of facts. It is not Microsoft's score of the same app and is never shown as
//! if it were.

use crate::catalog::{App, Trait};
use serde::Serialize;

/// A trait, the answer that costs points, how many, and why. `None` stands for "nobody knows".
pub const POINTS: &[(Trait, Option<bool>, u8, &str)] = &[
    (Trait::RemoteControl, Some(true), 30, "lets someone outside operate a device inside"),
    (Trait::Tunnel, Some(true), 30, "carries other traffic past the firewall"),
    (Trait::NoAccount, Some(true), 15, "can be used without an account"),
    (Trait::PublicLinks, Some(true), 15, "publishes content by links that need no sign-in"),
    (Trait::Uploads, Some(true), 10, "takes in files or text and keeps them"),
    (Trait::Personal, Some(true), 10, "lets anyone open a personal account"),
    (Trait::Ai, Some(true), 10, "hands what users enter to a generative model"),
    (Trait::Sso, Some(false), 10, "has no single sign-on"),
    (Trait::Sso, None, 5, "is not known to have single sign-on"),
    (Trait::Mfa, Some(false), 10, "has no second factor"),
    (Trait::Mfa, None, 5, "is not known to have a second factor"),
    (Trait::AuditLog, Some(false), 10, "has no audit log"),
    (Trait::AuditLog, None, 5, "is not known to have an audit log"),
    (Trait::Gdpr, Some(false), 10, "has no GDPR terms"),
    (Trait::Gdpr, None, 5, "is not known to have GDPR terms"),
    (Trait::Soc2, Some(false), 5, "has no SOC 2 report"),
    (Trait::Soc2, None, 3, "is not known to have a SOC 2 report"),
    (Trait::Iso27001, Some(false), 5, "has no ISO 27001 certificate"),
    (Trait::Iso27001, None, 3, "is not known to have an ISO 27001 certificate"),
];

/// The least points of each level.
const LEVELS: [(u8, Level); 3] = [(50, Level::High), (25, Level::Medium), (0, Level::Low)];

/// A risk in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Below 25 points.
    Low,
    /// 25 to 49 points.
    Medium,
    /// 50 points and more.
    High,
}

impl Level {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
        }
    }
}

/// One reason with its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it adds.
    pub points: u8,
    /// Why.
    pub text: &'static str,
}

/// The risk of an app: the sum of its reasons, at most 100.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// 0 to 100.
    pub points: u8,
    /// The points in one word.
    pub level: Level,
    /// Heaviest first.
    pub reasons: Vec<Reason>,
}

/// Adds up what the catalogue knows of an app.
pub fn assess(app: &App) -> Risk {
    let hits = POINTS.iter().filter(|(which, answer, ..)| app.has(*which) == *answer);
    let mut reasons: Vec<Reason> = hits.map(|(_, _, points, text)| Reason { points: *points, text }).collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.points));
    let points = reasons.iter().fold(0_u8, |sum, reason| sum.saturating_add(reason.points)).min(100);
    let level = LEVELS.iter().find(|(least, _)| points >= *least).map_or(Level::Low, |(_, level)| *level);
    Risk { points, level, reasons }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_points_are_the_sum_of_the_reasons_for_every_app() {
        for app in crate::catalog::all() {
            let risk = assess(app);
            let sum: u32 = risk.reasons.iter().map(|reason| u32::from(reason.points)).sum();
            assert_eq!(u32::from(risk.points), sum.min(100), "{}", app.name);
            assert!(risk.reasons.is_sorted_by(|a, b| a.points >= b.points));
        }
    }

    #[test]
    fn levels_begin_where_the_table_says() {
        let mut app = crate::catalog::all()[0].clone();
        for which in Trait::ALL {
            let good = matches!(
                which,
                Trait::Sso | Trait::Mfa | Trait::AuditLog | Trait::Soc2 | Trait::Iso27001 | Trait::Gdpr | Trait::Hipaa
            );
            app.traits.set(which, Some(good));
        }
        assert_eq!((assess(&app).points, assess(&app).level), (0, Level::Low));
        app.traits.set(Trait::NoAccount, Some(true));
        app.traits.set(Trait::Uploads, Some(true));
        assert_eq!((assess(&app).points, assess(&app).level), (25, Level::Medium));
        app.traits.set(Trait::Tunnel, Some(true));
        assert_eq!((assess(&app).points, assess(&app).level), (55, Level::High));
        app.traits.set(Trait::RemoteControl, Some(true));
        app.traits.set(Trait::PublicLinks, Some(true));
        assert_eq!(assess(&app).points, 100);
    }
}
