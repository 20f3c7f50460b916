//! Who may use the admin API: whoever has the operator's token.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::Admin;
use super::answer::Refusal;
use crate::auth::origin::is_own;
use crate::protocol::ApiError;

/// Lets requests with the token pass. A browser cannot set a header on a WebSocket, so the live
/// feed's upgrade may bring the token in the query.
pub(super) async fn guard(
    admin: web::Data<Admin>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let in_query = request.path().ends_with(super::live::PATH);
    if in_query && !is_own_page(request.request()) {
        return Ok(request.error_response(Refusal(ApiError::MISSING_ACCESS)));
    }
    let allowed = may(&admin, request.request())
        || (in_query && query_token(request.query_string()).is_some_and(|t| matches(&admin, &t)));
    if !allowed {
        return Ok(request.error_response(Refusal(ApiError::UNAUTHORIZED)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Whether no page of another origin asks. A browser lets any page open a WebSocket; everything else it keeps
/// from them by itself, since nothing here allows another origin.
fn is_own_page(request: &HttpRequest) -> bool {
    let header = |name| request.headers().get(name).map(HeaderValue::to_str);
    let host = header(HOST).and_then(Result::ok);
    header(ORIGIN).is_none_or(|origin| origin.is_ok_and(|origin| is_own(origin, host)))
}

/// Whether the request has the token in its header.
pub(super) fn may(admin: &Admin, request: &HttpRequest) -> bool {
    request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && matches(admin, token.trim())
        })
}

/// Compares without telling by the time taken how much of the token is right.
fn matches(admin: &Admin, given: &str) -> bool {
    admin
        .token
        .reveal()
        .as_bytes()
        .ct_eq(given.as_bytes())
        .into()
}

fn query_token(query: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Token {
        token: String,
    }
    web::Query::<Token>::from_query(query)
        .ok()
        .map(|query| query.into_inner().token)
}
