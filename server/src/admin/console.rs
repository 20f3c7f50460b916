//! The console: the operator's page at `/` of the admin listener.
//!
//! Its files are open to whoever reaches the listener; what it shows comes from the admin API, for
//! which it asks the operator for the token.

use crate::web::asset;

asset::assets! {
    "console":
    "/", HTML, "index.html";
    "/console/console.css", CSS, "console.css";
    "/console/icon.svg", SVG, "icon.svg";
    "/console/chart.js", JAVASCRIPT, "chart.js";
    "/console/client.js", JAVASCRIPT, "client.js";
    "/console/console.js", JAVASCRIPT, "console.js";
    "/console/dom.js", JAVASCRIPT, "dom.js";
    "/console/executors.js", JAVASCRIPT, "executors.js";
    "/console/feed.js", JAVASCRIPT, "feed.js";
    "/console/format.js", JAVASCRIPT, "format.js";
    "/console/guild.js", JAVASCRIPT, "guild.js";
    "/console/guilds.js", JAVASCRIPT, "guilds.js";
    "/console/history.js", JAVASCRIPT, "history.js";
    "/console/overview.js", JAVASCRIPT, "overview.js";
    "/console/ring.js", JAVASCRIPT, "ring.js";
    "/console/sessions.js", JAVASCRIPT, "sessions.js";
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
