//! What a run is about, as users write it: TOML with sections, each with defaults, unknown keys refused.
//!
//! `docs/loadgen.md` describes every key. The bundled scenarios are files of the same form in `loadgen/scenarios/`.

mod bundled;
mod check;
mod sections;

use std::fs;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

pub use bundled::{names, source};
pub use sections::{Arrivals, Churn, Clients, Guilds, Hot, Phases, Private, Slow, Storm, Traffic};

/// A whole scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, for reports.
    pub name: String,
    /// What it shows, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Users, each with one session but for those that are sharded.
    #[serde(default = "sections::sessions")]
    pub sessions: u32,
    /// Guilds and who is in them.
    #[serde(default)]
    pub guilds: Guilds,
    /// What is posted.
    #[serde(default)]
    pub traffic: Traffic,
    /// How long what lasts.
    #[serde(default)]
    pub phases: Phases,
    /// One guild that takes over.
    pub hot: Option<Hot>,
    /// Moments at which all connections break.
    pub storm: Option<Storm>,
    /// Clients that do not keep up.
    pub slow: Option<Slow>,
    /// Changes beside the messages.
    pub churn: Option<Churn>,
    /// Clients that are not like the others.
    pub clients: Option<Clients>,
}

impl Scenario {
    /// Even load and nothing else: what `loadgen run` does without a scenario.
    pub fn plain() -> Self {
        Self {
            name: "plain".to_owned(),
            description: "even load over even guilds".to_owned(),
            sessions: sections::sessions(),
            guilds: Guilds::default(),
            traffic: Traffic::default(),
            phases: Phases::default(),
            hot: None,
            storm: None,
            slow: None,
            churn: None,
            clients: None,
        }
    }

    /// The bundled scenario of this name, or the one in this file.
    pub fn load(name: &str) -> Result<Self> {
        if let Some(source) = source(name) {
            return Self::parse(source).with_context(|| format!("bundled scenario {name}"));
        }
        let source = fs::read_to_string(name).with_context(|| {
            format!(
                "no scenario of this name and no such file: {name}; bundled are {}",
                names().join(", ")
            )
        })?;
        Self::parse(&source).with_context(|| name.to_owned())
    }

    /// Reads and checks TOML.
    pub fn parse(source: &str) -> Result<Self> {
        let scenario: Self = toml::from_str(source)?;
        scenario.check()?;
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_scenarios_are_what_they_are_called() {
        assert!(names().len() >= 6);
        for name in names() {
            let scenario = Scenario::load(name).unwrap();
            assert_eq!(&scenario.name, name);
            assert!(!scenario.description.is_empty());
            let again = toml::to_string(&scenario).unwrap();
            assert_eq!(Scenario::parse(&again).unwrap(), scenario);
        }
    }

    #[test]
    fn a_name_is_enough() {
        let scenario = Scenario::parse("name = \"x\"").unwrap();
        let plain = Scenario::plain();
        assert_eq!(scenario.traffic, plain.traffic);
        assert_eq!(scenario.guilds, plain.guilds);
    }

    #[test]
    fn an_error_names_the_key_and_what_is_known() {
        let error = |source: &str| format!("{:#}", Scenario::parse(source).unwrap_err());
        let found = error("name = \"x\"\n[traffic]\nrats = 5");
        assert!(found.contains("rats") && found.contains("rate"), "{found}");
        assert!(error("name = \"x\"\nsesions = 5").contains("sesions"));
        assert!(error("sessions = 5").contains("name"));
        let found = error("name = \"x\"\n[slow]\nshare = 1.5");
        assert!(found.contains("slow.share"), "{found}");
        let found = error("name = \"x\"\nsessions = 2\n[guilds]\ncount = 3");
        assert!(found.contains("guilds.count"), "{found}");
        let error = Scenario::load("no-such").unwrap_err().to_string();
        assert!(error.contains("chat"), "{error}");
    }
}
