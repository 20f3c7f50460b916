//! Checks that settings share.

use std::fmt::Display;
use std::ops::RangeInclusive;

/// The value lies in a range, both ends included.
pub(super) fn within<T: PartialOrd + Display>(
    range: RangeInclusive<T>,
) -> impl Fn(&T) -> Result<(), String> {
    move |value| {
        if range.contains(value) {
            Ok(())
        } else {
            Err(format!("expected {} to {}", range.start(), range.end()))
        }
    }
}

/// The text is a filter that the log understands.
#[allow(clippy::ptr_arg)] // the section macro hands over a reference to the field's type
pub(super) fn log_filter(text: &String) -> Result<(), String> {
    tracing_subscriber::EnvFilter::try_new(text)
        .map(|_| ())
        .map_err(|error| format!("expected a log filter such as info,guildhall=debug: {error}"))
}
