//! The documented limits of embeds. Embeds are kept as they came; only what is limited is read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::ApiError;

/// Characters of all texts of a message's embeds together.
const MAX_TOTAL: usize = 6_000;
/// Fields of one embed.
const MAX_FIELDS: usize = 25;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Embed<'e> {
    #[serde(borrow)]
    title: Option<Cow<'e, str>>,
    #[serde(borrow)]
    description: Option<Cow<'e, str>>,
    #[serde(borrow)]
    fields: Option<Vec<Field<'e>>>,
    #[serde(borrow)]
    footer: Option<Footer<'e>>,
    #[serde(borrow)]
    author: Option<Author<'e>>,
}

#[derive(Deserialize)]
struct Field<'e> {
    #[serde(borrow)]
    name: Cow<'e, str>,
    #[serde(borrow)]
    value: Cow<'e, str>,
}

#[derive(Deserialize)]
struct Footer<'e> {
    #[serde(borrow)]
    text: Cow<'e, str>,
}

#[derive(Deserialize)]
struct Author<'e> {
    #[serde(borrow)]
    name: Cow<'e, str>,
}

/// Errs where an embed is no object of the documented shape or a text is too long.
pub(super) fn check(embeds: &[Box<RawValue>]) -> Result<(), ApiError> {
    let mut total = 0;
    for (index, raw) in embeds.iter().enumerate() {
        // The deserializer alone would take a list for an object's fields, too.
        let is_object = raw.get().starts_with('{');
        let embed: Option<Embed<'_>> = serde_json::from_str(raw.get()).ok();
        let embed = embed.filter(|_| is_object).ok_or_else(|| {
            ApiError::invalid_form(
                format!("embeds.{index}"),
                "MODEL_TYPE_CONVERT",
                "Only embed objects can be sent.",
            )
        })?;
        total += check_one(index, &embed)?;
    }
    if total > MAX_TOTAL {
        return Err(ApiError::invalid_form(
            "embeds",
            "MAX_EMBED_SIZE_EXCEEDED",
            format!("Embed size exceeds maximum size of {MAX_TOTAL}"),
        ));
    }
    Ok(())
}

/// The characters of one embed.
fn check_one(index: usize, embed: &Embed<'_>) -> Result<usize, ApiError> {
    let mut total = 0;
    let mut text = |path: &str, text: &str, max: usize| {
        let count = text.trim().chars().count();
        total += count;
        if count <= max {
            return Ok(());
        }
        Err(ApiError::invalid_form(
            format!("embeds.{index}.{path}"),
            "BASE_TYPE_MAX_LENGTH",
            format!("Must be {max} or fewer in length."),
        ))
    };
    if let Some(title) = &embed.title {
        text("title", title, 256)?;
    }
    if let Some(description) = &embed.description {
        text("description", description, 4_096)?;
    }
    if let Some(footer) = &embed.footer {
        text("footer.text", &footer.text, 2_048)?;
    }
    if let Some(author) = &embed.author {
        text("author.name", &author.name, 256)?;
    }
    let fields = embed.fields.as_deref().unwrap_or_default();
    for (n, field) in fields.iter().enumerate() {
        text(&format!("fields.{n}.name"), &field.name, 256)?;
        text(&format!("fields.{n}.value"), &field.value, 1_024)?;
    }
    if fields.len() > MAX_FIELDS {
        return Err(ApiError::invalid_form(
            format!("embeds.{index}.fields"),
            "BASE_TYPE_MAX_LENGTH",
            format!("Must be {MAX_FIELDS} or fewer in length."),
        ));
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(embeds: &[String]) -> Result<(), ApiError> {
        let raw: Vec<_> = embeds
            .iter()
            .map(|text| RawValue::from_string(text.clone()).unwrap())
            .collect();
        check(&raw)
    }

    #[test]
    fn embeds_keep_to_the_documented_limits() {
        let described = |n: usize| format!("{{\"description\":\"{}\"}}", "é".repeat(n));
        assert_eq!(checked(&[]), Ok(()));
        assert_eq!(
            checked(&["{\"title\":\"a\\n\",\"color\":1}".to_owned()]),
            Ok(())
        );
        assert_eq!(checked(&[described(4_096)]), Ok(()));
        let cases: [(&[String], &str); 5] = [
            (&[described(4_097)], "embeds.0.description"),
            (&[described(4_000), described(2_001)], "embeds"),
            (&["[]".to_owned()], "embeds.0"),
            (&["7".to_owned()], "embeds.0"),
            (
                &[format!(
                    "{{\"fields\":[{}]}}",
                    vec!["{\"name\":\"a\",\"value\":\"b\"}"; 26].join(",")
                )],
                "embeds.0.fields",
            ),
        ];
        for (embeds, path) in cases {
            let error = checked(embeds).unwrap_err();
            assert_eq!(error.field.unwrap().path, path);
        }
    }
}
