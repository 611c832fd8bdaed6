//! What is known about an app: yes, no, or nobody knows; two bit sets.

/// One property that a risk can be argued from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trait {
    /// Anyone can open an account of their own.
    Personal,
    /// Takes files or text in and keeps them.
    Uploads,
    /// Content can be published by a link that needs no sign-in.
    PublicLinks,
    /// Usable without any account.
    NoAccount,
    /// Lets someone outside operate a device inside.
    RemoteControl,
    /// Carries other traffic past the firewall.
    Tunnel,
    /// What users enter is answered by a generative model; that is its purpose.
    Ai,
    /// An organisation can bring its own sign-in.
    Sso,
    /// A second factor can be demanded.
    Mfa,
    /// Administrators can read who did what.
    AuditLog,
    /// Its owner publishes or offers a SOC 2 report.
    Soc2,
    /// Its owner holds an ISO/IEC 27001 certificate.
    Iso27001,
    /// Its owner commits to the GDPR, with a processing agreement.
    Gdpr,
    /// Its owner signs HIPAA agreements.
    Hipaa,
}

impl Trait {
    /// All traits, in the order of the columns.
    pub const ALL: [Trait; 14] = [
        Trait::Personal,
        Trait::Uploads,
        Trait::PublicLinks,
        Trait::NoAccount,
        Trait::RemoteControl,
        Trait::Tunnel,
        Trait::Ai,
        Trait::Sso,
        Trait::Mfa,
        Trait::AuditLog,
        Trait::Soc2,
        Trait::Iso27001,
        Trait::Gdpr,
        Trait::Hipaa,
    ];

    /// Its column in files, its key in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Trait::Personal => "personal",
            Trait::Uploads => "uploads",
            Trait::PublicLinks => "public_links",
            Trait::NoAccount => "no_account",
            Trait::RemoteControl => "remote_control",
            Trait::Tunnel => "tunnel",
            Trait::Ai => "ai",
            Trait::Sso => "sso",
            Trait::Mfa => "mfa",
            Trait::AuditLog => "audit_log",
            Trait::Soc2 => "soc2",
            Trait::Iso27001 => "iso27001",
            Trait::Gdpr => "gdpr",
            Trait::Hipaa => "hipaa",
        }
    }

    /// What it says, for people.
    pub fn label(self) -> &'static str {
        match self {
            Trait::Personal => "personal accounts",
            Trait::Uploads => "accepts uploads",
            Trait::PublicLinks => "public share links",
            Trait::NoAccount => "usable without an account",
            Trait::RemoteControl => "remote control",
            Trait::Tunnel => "tunnel",
            Trait::Ai => "generative AI",
            Trait::Sso => "single sign-on",
            Trait::Mfa => "multi-factor sign-in",
            Trait::AuditLog => "audit log",
            Trait::Soc2 => "SOC 2",
            Trait::Iso27001 => "ISO 27001",
            Trait::Gdpr => "GDPR terms",
            Trait::Hipaa => "HIPAA terms",
        }
    }

    fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// What is known of each [`Trait`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traits {
    known: u16,
    yes: u16,
}

impl Traits {
    /// Whether the trait holds; `None` where nobody knows.
    pub fn get(self, which: Trait) -> Option<bool> {
        (self.known & which.bit() != 0).then_some(self.yes & which.bit() != 0)
    }

    /// Sets what is known.
    pub fn set(&mut self, which: Trait, value: Option<bool>) {
        let clear = !which.bit();
        self.known = self.known & clear | if value.is_some() { which.bit() } else { 0 };
        self.yes = self.yes & clear | if value == Some(true) { which.bit() } else { 0 };
    }
}

/// The word for what is known, as files have it: `yes`, `no`, `unknown`.
pub fn word(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}
