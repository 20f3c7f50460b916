//! What became of spans, where they are exported.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use super::PREFIX;
use crate::spans;

/// Shows [`spans::Figures`].
#[derive(Debug)]
pub(super) struct SpansCollector;

impl Collector for SpansCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(figures) = spans::figures() else {
            return Ok(());
        };
        for (name, help, count) in [
            ("exported", "Spans that a collector has.", figures.exported),
            (
                "dropped",
                "Spans that there was no room for.",
                figures.dropped,
            ),
            (
                "failed",
                "Spans that could not be sent to the collector.",
                figures.failed,
            ),
        ] {
            let name = format!("{PREFIX}_spans_{name}");
            let counter = ConstCounter::new(count);
            counter.encode(encoder.encode_descriptor(
                &name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        Ok(())
    }
}
