//! `loadgen check FILE`: judges a recorded run again.

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::Kind;
use super::history;
use crate::cli::CheckArgs;

/// Judges and prints; status 1 if something is violated.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let file = File::open(&args.file).with_context(|| args.file.display().to_string())?;
    let verdict = history::check(BufReader::new(file))?;
    let violations = &verdict.violations;
    let kinds = Kind::ALL.into_iter();
    let kinds = kinds.map(|kind| (kind.name(), violations.count(kind)));
    let by_kind: Vec<(&str, u64)> = kinds.filter(|(_, count)| *count > 0).collect();
    if args.json {
        let found = json!({
            "violations": violations.total(),
            "delivered": verdict.delivered,
            "recovered": verdict.recovered,
            "by_kind": by_kind,
            "first": violations.first(),
        });
        println!("{found}");
    } else {
        println!(
            "{} deliveries, {} violations",
            verdict.delivered,
            violations.total()
        );
        for (kind, count) in by_kind {
            println!("  {kind}: {count}");
        }
        for violation in violations.first() {
            println!("{violation}");
        }
    }
    Ok(if violations.total() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
