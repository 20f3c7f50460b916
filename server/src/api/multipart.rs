//! `multipart/form-data` bodies: libraries use them for files, and some for messages without any.
//! The part `payload_json` is taken; files are refused.

use bytes::Bytes;

use crate::protocol::ApiError;

/// Most parts that are looked at.
const MAX_PARTS: usize = 32;

/// The JSON of a multipart body; empty where it has none. `parameters` is what follows the type in
/// `Content-Type`.
pub(super) fn payload_json(parameters: &str, body: &Bytes) -> Result<Bytes, ApiError> {
    let boundary = parameter(parameters, "boundary").ok_or_else(malformed)?;
    if boundary.is_empty() || boundary.len() > 70 {
        return Err(malformed());
    }
    let delimiter = format!("--{boundary}");
    let mut found = Bytes::new();
    // The first delimiter may stand at the very beginning, the others stand on lines of their own.
    let mut at = if body.starts_with(delimiter.as_bytes()) {
        delimiter.len()
    } else {
        let first = find(body, format!("\r\n{delimiter}").as_bytes()).ok_or_else(malformed)?;
        first + 2 + delimiter.len()
    };
    let delimiter = format!("\r\n{delimiter}");
    for _ in 0..MAX_PARTS {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Ok(found);
        }
        let length = find(rest, delimiter.as_bytes()).ok_or_else(malformed)?;
        let part = rest[..length].strip_prefix(b"\r\n").ok_or_else(malformed)?;
        let headers = find(part, b"\r\n\r\n").ok_or_else(malformed)?;
        let name = field_name(&part[..headers])?;
        if name == "payload_json" {
            let start = at + (length - part.len()) + headers + 4;
            found = body.slice(start..at + length);
        }
        at += length + delimiter.len();
    }
    Err(malformed())
}

/// The name of a part that is no file.
fn field_name(headers: &[u8]) -> Result<String, ApiError> {
    let headers = str::from_utf8(headers).map_err(|_| malformed())?;
    let disposition = headers
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .ok_or_else(malformed)?
        .1;
    let name = parameter(disposition, "name").ok_or_else(malformed)?;
    let is_file = parameter(disposition, "filename").is_some()
        || parameter(disposition, "filename*").is_some()
        || name.starts_with("files[")
        || name == "file";
    if is_file {
        return Err(ApiError::UPLOADS_REFUSED);
    }
    Ok(name)
}

/// A parameter of a header value such as `form-data; name="payload_json"`.
fn parameter(text: &str, name: &str) -> Option<String> {
    text.split(';').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn malformed() -> ApiError {
    ApiError::invalid_form(
        "body",
        "BASE_TYPE_INVALID",
        "The body is not well-formed multipart/form-data.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = " boundary=\"xYz\"; charset=utf-8";

    fn read(body: &str) -> Result<Bytes, ApiError> {
        payload_json(TYPE, &Bytes::from(body.to_owned()))
    }

    #[test]
    fn payload_json_alone_is_taken() {
        let body = "--xYz\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\
                    Content-Type: application/json\r\n\r\n{\"content\":\"a\\r\\n--x\"}\r\n--xYz--\r\n";
        assert_eq!(read(body).unwrap(), "{\"content\":\"a\\r\\n--x\"}");
        let preamble = format!("ignored\r\n{body}");
        assert_eq!(read(&preamble).unwrap(), "{\"content\":\"a\\r\\n--x\"}");
        let empty = "--xYz\r\ncontent-disposition:form-data;name=payload_json\r\n\r\n\r\n--xYz--";
        assert_eq!(read(empty).unwrap(), "");
        assert_eq!(read("--xYz--").unwrap(), "");
    }

    #[test]
    fn files_are_refused_clearly() {
        for disposition in [
            "form-data; name=\"files[0]\"; filename=\"a.png\"",
            "form-data; name=\"files[1]\"",
            "form-data; name=\"file\"",
            "form-data; name=\"x\"; filename*=UTF-8''a.png",
        ] {
            let body = format!(
                "--xYz\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{{}}\r\n\
                 --xYz\r\nContent-Disposition: {disposition}\r\n\r\nbytes\r\n--xYz--\r\n"
            );
            assert_eq!(read(&body).unwrap_err(), ApiError::UPLOADS_REFUSED);
        }
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let many = "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--xYz".repeat(40);
        for body in [
            "",
            "--xYz",
            "--xYz\r\n",
            "--other--",
            "--xYz\r\n\r\n\r\n--xYz--",
            "--xYz\r\nContent-Disposition: form-data\r\n\r\n\r\n--xYz--",
            "--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\n--xYz--",
            &format!("--xYz{many}--"),
        ] {
            let error = read(body).unwrap_err();
            assert_eq!((error.status, error.code), (400, 50_035), "{body:?}");
        }
        assert!(payload_json("", &Bytes::from_static(b"--xYz--")).is_err());
        assert!(payload_json("boundary=", &Bytes::from_static(b"----")).is_err());
    }
}
