//! Has the program of the host that an appliance's table names check a list before it is put in place.

use super::files::Place;
use super::program::{self, Ended, Stop};
use super::{Target, World};
use crate::block::appliance::Validator;
use crate::error::{Error, Kind, Result};
use crate::ledger::ListFile;
use std::ffi::OsString;
use std::time::Duration;

/// A million entries take the slowest of them some seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// What came of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    /// This program took the list.
    By(&'static str),
    /// Nobody could look: why; nothing when nobody ever can.
    Nobody(Option<String>),
}

/// Checks the files that wait beside their places.
///
/// # Errors
/// When the program refuses them, with its words; or hangs.
pub(super) async fn check(
    list: &Target,
    files: &[ListFile],
    places: &[Place],
    world: &World,
    stop: &mut Stop,
) -> Result<Checked> {
    let Some(validator) = list.appliance.validator else {
        return Ok(Checked::Nobody(None));
    };
    if !list.validate {
        return Ok(Checked::Nobody(None));
    }
    let Some(program) = program::find(validator.program, &world.path) else {
        return Ok(Checked::Nobody(Some(format!("{} is not installed here", validator.program))));
    };
    let waiting: Vec<(&ListFile, &Place)> =
        files.iter().zip(places).filter(|(file, _)| !matches!(file.role.as_str(), "delta" | "inverse")).collect();
    let filled = |text: &str, main: &Place| -> String {
        let mut text = text.replace("%file%", &main.beside().to_string_lossy());
        for (file, place) in &waiting {
            if !file.role.is_empty() {
                text = text.replace(&format!("%{}%", file.role), &place.beside().to_string_lossy());
            }
        }
        for parameter in list.appliance.parameters {
            text = text.replace(&format!("%{}%", parameter.name), list.parameters.get(parameter.name));
        }
        text
    };
    let Some((_, first)) = waiting.first() else { return Ok(Checked::Nobody(None)) };
    // A configuration uses all files together; without one, each is checked alone.
    let rounds = if validator.conf.is_empty() { waiting.len() } else { 1 };
    for (_, place) in waiting.iter().take(rounds) {
        let conf = match validator.conf {
            "" => None,
            text => {
                let name = format!("{}.conf", first.beside().file_name().unwrap_or_default().to_string_lossy());
                let conf = Place::at(&first.beside().with_file_name(name))?;
                conf.write(filled(text, place).as_bytes())?;
                Some(conf)
            }
        };
        let arguments: Vec<OsString> = validator
            .arguments
            .iter()
            .map(|argument| match (&conf, *argument) {
                (Some(conf), "%conf%") => conf.beside().as_os_str().to_owned(),
                (_, argument) => filled(argument, place).into(),
            })
            .collect();
        let ended = program::run(&program, &arguments, &[], LIMIT, stop).await;
        if let Some(conf) = conf {
            conf.discard();
        }
        if let Some(unable) = judge(list, &validator, ended)? {
            return Ok(Checked::Nobody(Some(unable)));
        }
    }
    Ok(Checked::By(validator.program))
}

/// Nothing when the list is good; why the program could not look; or an error.
fn judge(list: &Target, validator: &Validator, ended: Ended) -> Result<Option<String>> {
    let name = validator.program;
    let refused = |cause: String| {
        Err(Error::failed(format!("{name} refuses the list {}; it was not published", list.name))
            .cause(cause)
            .hint("the last good version stays in place; validate = false publishes without the check"))
    };
    let has = |words: &[&str], said: &str| words.iter().any(|word| said.contains(word));
    match ended {
        Ended::Well(said) if !has(validator.refuse, &said) => Ok(None),
        Ended::Well(said) => refused(program::last_words(&said)),
        Ended::Badly(_, said) if has(validator.unable, &said) => {
            Ok(Some(format!("{name} could not look: {}", program::last_words(&said))))
        }
        Ended::Badly(status, said) => refused(format!("{status}: {}", program::last_words(&said))),
        Ended::Late => refused(format!("it did not end within {} s", LIMIT.as_secs())),
        Ended::Missing(why) => Ok(Some(format!("{name} could not be started: {why}"))),
        Ended::Stopped => Err(Error::new(Kind::Interrupted, "interrupted").hint("nothing was published")),
    }
}
