//! Embeds: checked against Discord's limits, rid of what authors may not set, and completed with
//! the keys that client libraries insist on.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::limits::MAX_EMBEDS;
use crate::protocol::{ApiError, Timestamp};

/// Characters of all texts of a message's embeds.
const MAX_TOTAL_CHARS: usize = 6_000;
const MAX_TITLE_CHARS: usize = 256;
const MAX_DESCRIPTION_CHARS: usize = 4_096;
const MAX_FIELDS: usize = 25;
const MAX_FIELD_NAME_CHARS: usize = 256;
const MAX_FIELD_VALUE_CHARS: usize = 1_024;
const MAX_FOOTER_CHARS: usize = 2_048;
const MAX_AUTHOR_CHARS: usize = 256;
const MAX_URL_CHARS: usize = 2_048;

/// An embed as an author may write it. `type` is always `rich`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Embed {
    title: Option<String>,
    description: Option<String>,
    url: Option<String>,
    timestamp: Option<Timestamp>,
    color: Option<u32>,
    footer: Option<Footer>,
    image: Option<Media>,
    thumbnail: Option<Media>,
    author: Option<Author>,
    fields: Option<Vec<Field>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Footer {
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    icon_url: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Media {
    url: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Author {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    icon_url: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Field {
    name: String,
    value: String,
    #[serde(default)]
    inline: bool,
}

/// How an embed is stored and sent.
#[derive(Serialize)]
struct Rendered<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    footer: &'a Option<Footer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: &'a Option<Media>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: &'a Option<Media>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: &'a Option<Author>,
    #[serde(skip_serializing_if = "<[Field]>::is_empty")]
    fields: &'a [Field],
}

/// Checks and completes the embeds of a message.
pub(super) fn render(embeds: &[Embed]) -> Result<Vec<Box<RawValue>>, ApiError> {
    if embeds.len() > MAX_EMBEDS {
        let message = format!("Must be {MAX_EMBEDS} or fewer in length.");
        return Err(ApiError::invalid_form(
            "embeds",
            "BASE_TYPE_MAX_LENGTH",
            message,
        ));
    }
    let mut total = 0;
    for (at, embed) in embeds.iter().enumerate() {
        let mut check = Check { at, chars: 0 };
        embed.check(&mut check)?;
        total += check.chars;
    }
    if total > MAX_TOTAL_CHARS {
        let message = format!("Embed size exceeds maximum size of {MAX_TOTAL_CHARS}");
        return Err(ApiError::invalid_form(
            "embeds",
            "MAX_EMBED_SIZE_EXCEEDED",
            message,
        ));
    }
    Ok(embeds.iter().map(Embed::raw).collect())
}

impl Embed {
    fn check(&self, check: &mut Check) -> Result<(), ApiError> {
        if self.is_empty() {
            return Err(check.fault(
                "description",
                "BASE_TYPE_REQUIRED",
                "This field is required",
            ));
        }
        if self.color.is_some_and(|color| color > 0xff_ffff) {
            let message = "int value should be less than or equal to 16777215.";
            return Err(check.fault("color", "NUMBER_TYPE_MAX", message));
        }
        check.text("title", self.title.as_deref(), MAX_TITLE_CHARS)?;
        check.text(
            "description",
            self.description.as_deref(),
            MAX_DESCRIPTION_CHARS,
        )?;
        check.url("url", self.url.as_deref())?;
        if let Some(footer) = &self.footer {
            check.text("footer.text", Some(&footer.text), MAX_FOOTER_CHARS)?;
            check.url("footer.icon_url", footer.icon_url.as_deref())?;
        }
        if let Some(author) = &self.author {
            check.text("author.name", Some(&author.name), MAX_AUTHOR_CHARS)?;
            check.url("author.url", author.url.as_deref())?;
            check.url("author.icon_url", author.icon_url.as_deref())?;
        }
        for (path, media) in [
            ("image.url", &self.image),
            ("thumbnail.url", &self.thumbnail),
        ] {
            check.url(path, media.as_ref().map(|media| media.url.as_str()))?;
        }
        let fields = self.fields();
        if fields.len() > MAX_FIELDS {
            let message = format!("Must be {MAX_FIELDS} or fewer in length.");
            return Err(check.fault("fields", "BASE_TYPE_MAX_LENGTH", message));
        }
        for (at, field) in fields.iter().enumerate() {
            let name = format!("fields.{at}.name");
            check.text(&name, Some(&field.name), MAX_FIELD_NAME_CHARS)?;
            let value = format!("fields.{at}.value");
            check.text(&value, Some(&field.value), MAX_FIELD_VALUE_CHARS)?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.title.is_none()
            && self.description.is_none()
            && self.footer.is_none()
            && self.image.is_none()
            && self.thumbnail.is_none()
            && self.author.is_none()
            && self.fields().is_empty()
    }

    fn fields(&self) -> &[Field] {
        self.fields.as_deref().unwrap_or_default()
    }

    fn raw(&self) -> Box<RawValue> {
        let rendered = Rendered {
            kind: "rich",
            title: &self.title,
            description: &self.description,
            url: &self.url,
            timestamp: self.timestamp,
            color: self.color,
            footer: &self.footer,
            image: &self.image,
            thumbnail: &self.thumbnail,
            author: &self.author,
            fields: self.fields(),
        };
        serde_json::value::to_raw_value(&rendered).expect("invariant: an embed serializes to JSON")
    }
}

/// Checks one embed and counts its characters.
struct Check {
    at: usize,
    chars: usize,
}

impl Check {
    fn fault(&self, path: &str, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::invalid_form(format!("embeds.{}.{path}", self.at), code, message.into())
    }

    fn text(&mut self, path: &str, text: Option<&str>, max: usize) -> Result<(), ApiError> {
        let chars = text.map_or(0, |text| text.chars().count());
        self.chars += chars;
        self.at_most(path, chars, max)
    }

    fn url(&self, path: &str, url: Option<&str>) -> Result<(), ApiError> {
        let Some(url) = url else { return Ok(()) };
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("http" | "https" | "attachment")) {
            let message = "Scheme must be one of ('http', 'https', 'attachment').";
            return Err(self.fault(path, "URL_TYPE_INVALID_SCHEME", message));
        }
        self.at_most(path, url.chars().count(), MAX_URL_CHARS)
    }

    fn at_most(&self, path: &str, chars: usize, max: usize) -> Result<(), ApiError> {
        if chars > max {
            let message = format!("Must be {max} or fewer in length.");
            return Err(self.fault(path, "BASE_TYPE_MAX_LENGTH", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Vec<Box<RawValue>>, ApiError> {
        render(&serde_json::from_value::<Vec<Embed>>(value).unwrap())
    }

    fn path(value: Value) -> String {
        read(value).unwrap_err().field.unwrap().path.into_owned()
    }

    #[test]
    fn an_embed_is_completed_and_rid_of_what_authors_may_not_set() {
        let embeds = read(json!([{
            "title": "t", "type": "video", "provider": {"name": "p"}, "color": 255,
            "timestamp": "2026-01-01T00:00:00Z", "url": null,
            "image": {"url": "https://a/b.png", "height": 3, "proxy_url": "https://c"},
            "fields": [{"name": "n", "value": "v"}],
        }]))
        .unwrap();
        let value: Value = serde_json::from_str(embeds[0].get()).unwrap();
        assert_eq!(
            value,
            json!({
                "type": "rich", "title": "t", "color": 255,
                "timestamp": "2026-01-01T00:00:00.000000+00:00",
                "image": {"url": "https://a/b.png"},
                "fields": [{"name": "n", "value": "v", "inline": false}],
            })
        );
    }

    #[test]
    fn each_limit_is_held_and_named() {
        let long = |n: usize| "é".repeat(n);
        for (embed, at) in [
            (json!({}), "description"),
            (json!({"fields": []}), "description"),
            (json!({"title": long(257)}), "title"),
            (json!({"description": long(4097)}), "description"),
            (json!({"title": "t", "color": 0x100_0000}), "color"),
            (json!({"footer": {"text": long(2049)}}), "footer.text"),
            (json!({"author": {"name": long(257)}}), "author.name"),
            (json!({"title": "t", "url": "javascript:1"}), "url"),
            (json!({"image": {"url": "data://x"}}), "image.url"),
            (
                json!({"thumbnail": {"url": format!("https://{}", long(2048))}}),
                "thumbnail.url",
            ),
            (
                json!({"fields": [{"name": "n", "value": long(1025)}]}),
                "fields.0.value",
            ),
            (
                json!({"fields": vec![json!({"name": "n", "value": "v"}); 26]}),
                "fields",
            ),
        ] {
            assert_eq!(path(json!([embed])), format!("embeds.0.{at}"));
        }
        assert!(read(json!([{"title": long(256), "description": long(4096)}])).is_ok());
        assert_eq!(path(json!(vec![json!({"title": "t"}); 11])), "embeds");
    }

    #[test]
    fn the_texts_of_all_embeds_together_are_bounded() {
        let half = json!({"description": "x".repeat(3_000)});
        assert!(read(json!([half, half])).is_ok());
        assert_eq!(path(json!([half, half, {"title": "t"}])), "embeds");
    }
}
