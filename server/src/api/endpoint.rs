//! Endpoints: a path, its methods, and what every request goes through before and after its handler.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{ConnectionType, Method};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard, web};

use super::answer::{Handled, method_not_allowed, respond};
use super::call::{Call, identify};
use super::context::Context;
use super::trace::RequestId;
use super::{cors, rate, trace};
use crate::auth::rate_limit::Subject;
use crate::clock;
use crate::protocol::ApiError;
use crate::spans::{self, Way};

/// A path that is being given its methods.
pub(super) struct Endpoint<'a> {
    context: &'a Arc<Context>,
    resource: Resource,
    allow: String,
}

impl<'a> Endpoint<'a> {
    /// A path such as `/channels/{channel}`, without methods as yet.
    pub(super) fn at(context: &'a Arc<Context>, path: &str) -> Self {
        Self {
            context,
            resource: web::resource(path),
            allow: String::new(),
        }
    }

    /// Adds a method for known accounts; `HEAD` comes with `GET`.
    pub(super) fn on<F, Fut>(self, method: &Method, handler: F) -> Self
    where
        F: Fn(Call) -> Fut + Clone + 'static,
        Fut: Future<Output = Handled> + 'static,
    {
        let context = self.context.clone();
        self.route(method, move |request, payload| {
            let (context, handler) = (context.clone(), handler.clone());
            async move { serve(context, request, payload, None, handler).await }
        })
    }

    /// Adds a method that counts in a bucket of its own; `resource` names the part of the path that
    /// each have their own count.
    pub(super) fn on_limited<F, Fut>(
        self,
        method: &Method,
        resource: &'static str,
        handler: F,
    ) -> Self
    where
        F: Fn(Call) -> Fut + Clone + 'static,
        Fut: Future<Output = Handled> + 'static,
    {
        let context = self.context.clone();
        self.route(method, move |request, payload| {
            let (context, handler) = (context.clone(), handler.clone());
            async move { serve(context, request, payload, Some(resource), handler).await }
        })
    }

    /// Adds `GET` for everybody, token or not.
    pub(super) fn public<F>(self, handler: F) -> Self
    where
        F: Fn(&Context) -> Handled + Clone + 'static,
    {
        let context = self.context.clone();
        self.route(&Method::GET, move |request, _| {
            let begun = Begun::now(&context, &request);
            let response = finish(&context, begun, respond(handler(&context)));
            async move { response }
        })
    }

    fn route<F, Fut>(mut self, method: &Method, handler: F) -> Self
    where
        F: Fn(HttpRequest, web::Payload) -> Fut + Clone + 'static,
        Fut: Future<Output = HttpResponse> + 'static,
    {
        if !self.allow.is_empty() {
            self.allow.push_str(", ");
        }
        self.allow.push_str(method.as_str());
        let wanted = method.clone();
        let with_head = method == Method::GET;
        if with_head {
            self.allow.push_str(", HEAD");
        }
        let route = Route::new()
            .guard(guard::fn_guard(move |ctx| {
                let method = &ctx.head().method;
                *method == wanted || (with_head && *method == Method::HEAD)
            }))
            .to(handler);
        self.resource = self.resource.route(route);
        self
    }

    /// Adds the path to the application; its other methods are answered with 405.
    pub(super) fn add(self, cfg: &mut web::ServiceConfig) {
        let context = self.context.clone();
        let allow = HeaderValue::from_str(&self.allow).expect("invariant: methods are visible");
        let refuse = web::to(move |request: HttpRequest| {
            let begun = Begun::now(&context, &request);
            let preflight = request.method() == Method::OPTIONS && begun.origin.is_some();
            let response = if preflight {
                cors::preflight(allow.clone(), begun.origin)
            } else {
                finish(&context, begun, method_not_allowed(allow.clone()))
            };
            async move { response }
        });
        cfg.service(self.resource.default_service(refuse));
    }
}

/// What unknown paths get.
pub(super) fn not_found(context: &Arc<Context>) -> Route {
    let context = context.clone();
    web::to(move |request: HttpRequest| {
        let begun = Begun::now(&context, &request);
        let response = finish(&context, begun, respond(Err(ApiError::NOT_FOUND)));
        async move { response }
    })
}

/// Who asks, how often, the handler, the response: in this order, so that a stranger learns nothing
/// but that.
async fn serve<F, Fut>(
    context: Arc<Context>,
    request: HttpRequest,
    payload: web::Payload,
    limited_by: Option<&'static str>,
    handler: F,
) -> HttpResponse
where
    F: Fn(Call) -> Fut,
    Fut: Future<Output = Handled>,
{
    let begun = Begun::now(&context, &request);
    let now = begun.at;
    let Some(_open) = context.open() else {
        return finish(&context, begun, respond(Err(ApiError::UNAVAILABLE)));
    };
    let (user, grant) = match identify(&context, request.headers()).await {
        Ok(known) => known,
        Err(error) => {
            let address = request.peer_addr().map(|address| address.ip());
            let refused = rate::check_stranger(&context, address);
            let response = refused.unwrap_or_else(|| respond(Err(error)));
            return finish(&context, begun, response);
        }
    };
    let subject = Subject::User(user.id.get());
    let limits = &context.limits;
    let state = match limited_by {
        None => limits.check_global(subject, now).map(|_| None),
        Some(part) => {
            let resource = request.match_info().query(part).parse().unwrap_or_default();
            let bucket = &context.message_bucket;
            limits.check(subject, bucket, resource, now).map(Some)
        }
    };
    let state = match state {
        Ok(state) => state,
        Err(refusal) => return finish(&context, begun, rate::refuse(&refusal)),
    };
    let call = Call::new(context.clone(), (user, grant), request, payload);
    let mut response = respond(spans::on(&begun.way, handler(call)).await);
    if let Some(state) = state {
        rate::insert_state(response.headers_mut(), &state);
    }
    finish(&context, begun, response)
}

/// A request as it arrived.
struct Begun {
    at: Duration,
    id: RequestId,
    /// What spans of it hang on.
    way: Way,
    /// The request itself, where it is to be told of.
    told: Option<HttpRequest>,
    /// The origin of the page that asks, where it is another one and may.
    origin: Option<HeaderValue>,
}

impl Begun {
    fn now(context: &Context, request: &HttpRequest) -> Self {
        let origin = request.headers().get(ORIGIN);
        let listed = |origin: &&HeaderValue| {
            let origins = &context.settings.origins;
            origin.to_str().is_ok_and(|origin| origins.has(origin))
        };
        let id = RequestId::next();
        let way = Way::begin(id.number());
        Self {
            at: clock::uptime(),
            id,
            told: (trace::is_on() || way.is_on()).then(|| request.clone()),
            way,
            origin: origin.filter(listed).cloned(),
        }
    }
}

/// What every response goes through.
fn finish(context: &Context, begun: Begun, mut response: HttpResponse) -> HttpResponse {
    let counters = &context.counters;
    counters.rest_answered(response.status().as_u16());
    counters
        .rest_seconds
        .observe(clock::uptime().saturating_sub(begun.at));
    if let Some(request) = &begun.told {
        let took = clock::uptime().saturating_sub(begun.at);
        let answered = (response.status().as_u16(), took);
        trace::tell(context, request, (begun.id, &begun.way), answered);
    }
    let headers = response.headers_mut();
    headers.insert(trace::REQUEST_ID, begun.id.header());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(origin) = begun.origin {
        cors::allow(headers, origin);
    }
    if context.is_stopping() {
        response
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    response
}
