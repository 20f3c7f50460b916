//! Answers of the admin API: JSON, errors in the same form as those of the REST API.

use std::fmt;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError, web};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::protocol::ApiError;

/// Largest request body, in bytes: a guild with some hundred thousand members.
pub(super) const MAX_BODY: usize = 16 << 20;

/// How long a request body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The content type of every JSON answer.
pub(super) const JSON: &str = "application/json";

/// An error as an HTTP response.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) ApiError);

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut builder = builder(self.status_code());
        if self.0.status == 401 {
            builder.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        builder.body(self.0.body().to_string())
    }
}

/// What a handler gives.
pub(super) type Answer = Result<HttpResponse, Refusal>;

fn builder(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder
        .content_type(JSON)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    builder
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> HttpResponse {
    let body = serde_json::to_vec(value).expect("invariant: views serialize to JSON");
    builder(status).body(body)
}

/// A JSON answer with status 200.
pub(super) fn ok(value: &impl Serialize) -> HttpResponse {
    json(StatusCode::OK, value)
}

/// A 400 that names what is wrong with the request as a whole.
pub(super) fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal(ApiError {
        message: message.into().into(),
        ..ApiError::INVALID_FORM
    })
}

/// Reads a JSON body. Its content type does not matter: who has the token may be brief.
pub(super) async fn read<T: DeserializeOwned>(payload: web::Payload) -> Result<T, Refusal> {
    let arrived = timeout(BODY_TIMEOUT, payload.to_bytes_limited(MAX_BODY)).await;
    let bytes = match arrived.map_err(|_| bad_request("the body did not arrive in time"))? {
        Err(_) => return Err(ApiError::TOO_LARGE.into()),
        Ok(Err(error)) => return Err(bad_request(format!("the body did not arrive: {error}"))),
        Ok(Ok(bytes)) => bytes,
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        Refusal(ApiError {
            message: error.to_string().into(),
            ..ApiError::INVALID_JSON
        })
    })
}
