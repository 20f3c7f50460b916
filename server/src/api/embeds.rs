//! Embeds: rid of what authors may not set, and completed with the keys that client libraries insist
//! on. The guild checks how many there are and how long their texts are.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::{ApiError, Timestamp};

/// Characters of each of an embed's links.
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
pub(super) fn render(
    embeds: impl IntoIterator<Item = Embed>,
) -> Result<Vec<Box<RawValue>>, ApiError> {
    let checked = embeds.into_iter().enumerate().map(|(at, embed)| {
        embed.check(at)?;
        Ok(embed.raw())
    });
    checked.collect()
}

impl Embed {
    fn check(&self, at: usize) -> Result<(), ApiError> {
        if self.is_empty() {
            let message = "This field is required";
            return Err(fault(at, "description", "BASE_TYPE_REQUIRED", message));
        }
        if self.color.is_some_and(|color| color > 0xff_ffff) {
            let message = "int value should be less than or equal to 16777215.";
            return Err(fault(at, "color", "NUMBER_TYPE_MAX", message));
        }
        let (footer, author) = (self.footer.as_ref(), self.author.as_ref());
        let (image, thumbnail) = (self.image.as_ref(), self.thumbnail.as_ref());
        for (path, url) in [
            ("url", self.url.as_deref()),
            (
                "footer.icon_url",
                footer.and_then(|f| f.icon_url.as_deref()),
            ),
            ("author.url", author.and_then(|a| a.url.as_deref())),
            (
                "author.icon_url",
                author.and_then(|a| a.icon_url.as_deref()),
            ),
            ("image.url", image.map(|media| media.url.as_str())),
            ("thumbnail.url", thumbnail.map(|media| media.url.as_str())),
        ] {
            url.map_or(Ok(()), |url| check_url(at, path, url))?;
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

fn check_url(at: usize, path: &str, url: &str) -> Result<(), ApiError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    if !matches!(scheme, Some("http" | "https" | "attachment")) {
        let message = "Scheme must be one of ('http', 'https', 'attachment').";
        return Err(fault(at, path, "URL_TYPE_INVALID_SCHEME", message));
    }
    if url.chars().count() > MAX_URL_CHARS {
        let message = format!("Must be {MAX_URL_CHARS} or fewer in length.");
        return Err(fault(at, path, "BASE_TYPE_MAX_LENGTH", message));
    }
    Ok(())
}

fn fault(at: usize, path: &str, code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::invalid_form(format!("embeds.{at}.{path}"), code, message.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Vec<Box<RawValue>>, ApiError> {
        render(serde_json::from_value::<Vec<Embed>>(value).unwrap())
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
    fn wrong_links_and_colours_are_refused_by_name() {
        let long = format!("https://{}", "x".repeat(2_048));
        for (embed, at) in [
            (json!({}), "description"),
            (json!({"fields": []}), "description"),
            (json!({"title": "t", "color": 0x100_0000}), "color"),
            (json!({"title": "t", "url": "javascript:1"}), "url"),
            (json!({"image": {"url": "data://x"}}), "image.url"),
            (json!({"thumbnail": {"url": long}}), "thumbnail.url"),
            (
                json!({"author": {"name": "n", "icon_url": ""}}),
                "author.icon_url",
            ),
            (
                json!({"footer": {"text": "n", "icon_url": "x"}}),
                "footer.icon_url",
            ),
        ] {
            let first = json!({"title": "t", "url": "attachment://a.png"});
            assert_eq!(path(json!([first, embed])), format!("embeds.1.{at}"));
        }
    }
}
