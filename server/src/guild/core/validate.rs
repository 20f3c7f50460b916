//! Checks of field values, with Discord's words for what is wrong.

use crate::protocol::ApiError;

/// Errs unless the text has between `min` and `max` characters.
pub(super) fn length(
    path: &'static str,
    text: &str,
    min: usize,
    max: usize,
) -> Result<(), ApiError> {
    // No text has more characters than bytes: most need not be counted.
    let count = if text.len() <= max && text.len() >= min * 4 {
        return Ok(());
    } else {
        text.chars().count()
    };
    if (min..=max).contains(&count) {
        return Ok(());
    }
    if min == 0 {
        return Err(ApiError::invalid_form(
            path,
            "BASE_TYPE_MAX_LENGTH",
            format!("Must be {max} or fewer in length."),
        ));
    }
    Err(ApiError::invalid_form(
        path,
        "BASE_TYPE_BAD_LENGTH",
        format!("Must be between {min} and {max} in length."),
    ))
}

/// Errs unless the list has at most `max` entries.
pub(super) fn at_most(path: &'static str, count: usize, max: usize) -> Result<(), ApiError> {
    if count <= max {
        return Ok(());
    }
    Err(ApiError::invalid_form(
        path,
        "BASE_TYPE_MAX_LENGTH",
        format!("Must be {max} or fewer in length."),
    ))
}

/// Errs unless the number is at most `max`.
pub(super) fn number(path: &'static str, value: u64, max: u64) -> Result<(), ApiError> {
    if value <= max {
        return Ok(());
    }
    Err(ApiError::invalid_form(
        path,
        "NUMBER_TYPE_MAX",
        format!("int value should be less than or equal to {max}."),
    ))
}

/// A value that is none of those allowed.
pub(super) fn not_a_choice(path: &'static str, choices: &str) -> ApiError {
    ApiError::invalid_form(
        path,
        "BASE_TYPE_CHOICES",
        format!("Value must be one of {{{choices}}}."),
    )
}
