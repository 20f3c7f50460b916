//! The console: the operator's page at `/` of the admin listener.
//!
//! Its files are open to whoever reaches the listener; what it shows comes from the admin API, for
//! which it asks the operator for the token.

use crate::web::asset;

asset::assets! {
    "/", HTML, "console/index.html";
    "/console/console.css", CSS, "console/console.css";
    "/shared/icon.svg", SVG, "shared/icon.svg";
    "/shared/elements.js", JAVASCRIPT, "shared/elements.js";
    "/console/chart.js", JAVASCRIPT, "console/chart.js";
    "/console/client.js", JAVASCRIPT, "console/client.js";
    "/console/console.js", JAVASCRIPT, "console/console.js";
    "/console/dom.js", JAVASCRIPT, "console/dom.js";
    "/console/executors.js", JAVASCRIPT, "console/executors.js";
    "/console/feed.js", JAVASCRIPT, "console/feed.js";
    "/console/format.js", JAVASCRIPT, "console/format.js";
    "/console/guild.js", JAVASCRIPT, "console/guild.js";
    "/console/guilds.js", JAVASCRIPT, "console/guilds.js";
    "/console/history.js", JAVASCRIPT, "console/history.js";
    "/console/nodes.js", JAVASCRIPT, "console/nodes.js";
    "/console/overview.js", JAVASCRIPT, "console/overview.js";
    "/console/ring.js", JAVASCRIPT, "console/ring.js";
    "/console/sessions.js", JAVASCRIPT, "console/sessions.js";
}

/// Adds the page.
pub(super) fn configure(cfg: &mut actix_web::web::ServiceConfig) {
    asset::configure(cfg, ASSETS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::policy;

    #[test]
    fn the_page_keeps_to_its_own_policy() {
        policy::check(ASSETS, "/console/");
    }
}
