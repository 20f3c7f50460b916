//! Holds the pages to the policy that they are served with: what it forbids would fail in the browser
//! only.

use super::asset::{Asset, HTML, JAVASCRIPT};

/// Where the files are that the pages share.
const SHARED: &str = "/shared/";

/// Checks that a page whose files are below `folder` has no inline script, style or handler, names
/// nothing that is not served, and parses no text as markup.
pub(crate) fn check(assets: &[Asset], folder: &str) {
    let paths: Vec<&str> = assets.iter().map(|asset| asset.path).collect();
    for asset in assets.iter().filter(|asset| asset.content_type == HTML) {
        check_page(asset, folder, &paths);
    }
    let scripts = assets.iter().filter(|it| it.content_type == JAVASCRIPT);
    for asset in scripts {
        check_script(asset, folder, &paths);
    }
}

fn check_page(asset: &Asset, folder: &str, paths: &[&str]) {
    assert!(!asset.text.contains("<style"), "inline style");
    assert!(!asset.text.contains(" style="), "inline style");
    let handler = asset.text.split(" on").skip(1).any(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_lowercase())
            .starts_with('=')
    });
    assert!(!handler, "inline handler");
    for script in asset.text.split("<script").skip(1) {
        assert!(script.contains(&format!("src=\"{folder}")), "inline script");
    }
    let named = asset
        .text
        .split('"')
        .filter(|it| it.starts_with(folder) || it.starts_with(SHARED));
    for named in named {
        assert!(paths.contains(&named), "{named} is not served");
    }
}

fn check_script(asset: &Asset, folder: &str, paths: &[&str]) {
    for sink in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
    ] {
        assert!(!asset.text.contains(sink), "{} uses {sink}", asset.path);
    }
    let imports = asset.text.lines().filter(|it| it.starts_with("import "));
    for line in imports {
        let file = line.split('\'').nth(1).unwrap();
        let path = match file.strip_prefix("../shared/") {
            Some(file) => format!("{SHARED}{file}"),
            None => format!("{folder}{}", file.trim_start_matches("./")),
        };
        assert!(paths.contains(&path.as_str()), "{path} is not served");
    }
}
