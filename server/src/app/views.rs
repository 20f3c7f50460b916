//! What the admin API sees of the node.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::config::Config;
use crate::guild::registry::Registry;
use crate::placement::PlacementHandle;
use crate::session::shared::SessionShared;

/// The node as the admin API sees it.
pub(super) struct NodeView;

impl NodeView {
    pub(super) fn new(
        _: &Config,
        _: PlacementHandle,
        _: Registry,
        _: SessionShared,
        _: Arc<AtomicBool>,
    ) -> Self {
        Self
    }
}
impl crate::admin::View for NodeView {}
