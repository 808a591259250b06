//! Prints the warnings of the libraries.

use std::{fmt, io};

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::render;

/// The field of an event that holds the path of the setting which a warning advises to change.
const SETTING: &str = "setting";

/// What the user calls the setting with this path, such as `` `--format` ``; `None` if there is nothing to say.
pub type NameOfSetting = fn(&str) -> Option<String>;

/// Prints the log messages of the libraries to stderr: warnings and errors, or the levels that `RUST_LOG` asks for.
/// `name` names the settings that they advise to change.
pub fn start(name: NameOfSetting) {
    let show = move |to: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        show(to, field.name(), &format!("{value:?}"), name)
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .fmt_fields(debug_fn(show))
        .with_ansi(render::colour())
        .with_target(false)
        .without_time()
        .finish();
    // This fails only if a subscriber is already set, which then does the same.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Writes a field of an event: the message as it is, the setting by the user's name for it, and others as `name=value`.
fn show(to: &mut dyn fmt::Write, field: &str, value: &str, name: NameOfSetting) -> fmt::Result {
    match field {
        "message" => to.write_str(&render::plain(value)),
        SETTING => match name(value.trim_matches('"')) {
            Some(name) => write!(to, " ({name})"),
            None => Ok(()),
        },
        other => write!(to, " {other}={}", render::plain(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags;

    #[test]
    fn a_warning_ends_with_the_flag_of_its_setting() {
        let check = |field: &str, value: &str, expected: &str| {
            let mut out = String::new();
            show(&mut out, field, value, flags::of_path).unwrap();
            assert_eq!(out, expected);
        };
        check("message", "set `format`\u{1b}[2J", "set `format`\\u{1b}[2J");
        check(SETTING, "\"Source::format\"", " (`--format`)");
        check(SETTING, "\"Source::paths\"", "");
        check("path", "\"a.txt\"", " path=\"a.txt\"");
    }
}
