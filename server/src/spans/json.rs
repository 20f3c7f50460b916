//! Spans as OTLP's JSON has them: ids in hexadecimal, times and whole numbers as texts.

use serde_json::{Value as Json, json};

use super::{Span, Value};

/// OTLP's number for a span that failed.
const FAILED: u8 = 2;

fn attribute(key: &str, value: &Value) -> Json {
    match value {
        Value::Text(text) => json!({"key": key, "value": {"stringValue": text}}),
        Value::Number(number) => json!({"key": key, "value": {"intValue": number.to_string()}}),
    }
}

fn span(span: &Span) -> Json {
    let attributes = span.attributes.iter();
    let attributes: Vec<Json> = attributes
        .map(|(key, value)| attribute(key, value))
        .collect();
    let mut shown = json!({
        "traceId": format!("{:016x}{:016x}", span.trace.0, span.trace.1),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.begun.as_nanos().to_string(),
        "endTimeUnixNano": span.ended.as_nanos().to_string(),
        "attributes": attributes,
        "status": {},
    });
    if let Some(parent) = span.parent {
        shown["parentSpanId"] = json!(format!("{parent:016x}"));
    }
    if span.failed {
        shown["status"] = json!({"code": FAILED});
    }
    shown
}

/// The body of an export request.
pub(super) fn request(node: &str, spans: &[Span]) -> Json {
    let resource = [
        ("service.name", "guildhall"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", node),
    ];
    let resource: Vec<Json> = resource
        .iter()
        .map(|(key, value)| attribute(key, &Value::Text((*value).to_owned())))
        .collect();
    let spans: Vec<Json> = spans.iter().map(span).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{"scope": {"name": "guildhall"}, "spans": spans}],
    }]})
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Kind;
    use super::*;

    #[test]
    fn a_span_is_written_as_otlp_wants_it() {
        let span = Span {
            trace: (1, u64::MAX),
            id: 0xab,
            parent: Some(2),
            name: "guild".to_owned(),
            kind: Kind::Internal,
            begun: Duration::new(1, 5),
            ended: Duration::new(2, 0),
            failed: true,
            attributes: vec![("n", Value::Number(3)), ("t", Value::Text("x".to_owned()))],
        };
        let written = &request("node-1", &[span])["resourceSpans"][0];
        let id = json!({"key": "service.instance.id", "value": {"stringValue": "node-1"}});
        assert_eq!(written["resource"]["attributes"][2], id);
        let wanted = json!({
            "traceId": "0000000000000001ffffffffffffffff",
            "spanId": "00000000000000ab",
            "parentSpanId": "0000000000000002",
            "name": "guild",
            "kind": 1,
            "startTimeUnixNano": "1000000005",
            "endTimeUnixNano": "2000000000",
            "attributes": [
                {"key": "n", "value": {"intValue": "3"}},
                {"key": "t", "value": {"stringValue": "x"}},
            ],
            "status": {"code": 2},
        });
        assert_eq!(written["scopeSpans"][0]["spans"][0], wanted);
    }
}
