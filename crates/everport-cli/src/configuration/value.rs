//! Values: how TOML's become the command line's, and what that says about them.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use toml::de::DeValue;

/// A text or number as it would be written on the command line.
pub(super) fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    let text = match value {
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(_) => return Err("not a text or number but a truth value"),
        DeValue::Datetime(_) => return Err("not a text or number but a date (put it in quotes)"),
        DeValue::Array(_) => return Err("not a text or number but a list"),
        DeValue::Table(_) => return Err("not a text or number but a table"),
    };
    match text.contains('\0') {
        true => Err("it has a NUL in it, which no program can be given"),
        false => Ok(text),
    }
}

/// Whether the value is wrong, and not just what is beside it or missing.
pub(super) fn is_about_the_value(error: &clap::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict
    )
}

/// The command line's reason, without the words that only a command line has.
pub(super) fn what_is_wrong(error: &clap::Error) -> String {
    if let Some(reason) = error.source() {
        return reason.to_string();
    }
    let context = |kind| error.get(kind).map(ContextValue::to_string);
    let given = context(ContextKind::InvalidValue).unwrap_or_default();
    if given.is_empty() {
        return "no value".to_owned();
    }
    let given = given.escape_debug();
    match (
        context(ContextKind::SuggestedValue),
        context(ContextKind::ValidValue),
    ) {
        (Some(nearest), _) => format!("not known: {given} (did you mean `{nearest}`?)"),
        (None, Some(known)) => format!("not known: {given} (give one of {known})"),
        (None, None) => format!("not possible: {given}"),
    }
}
