//! The scenarios that come with the program.

const BUNDLED: [(&str, &str); 6] = [
    ("chat", include_str!("../../scenarios/chat.toml")),
    ("hot-guild", include_str!("../../scenarios/hot-guild.toml")),
    ("storm", include_str!("../../scenarios/storm.toml")),
    (
        "slow-clients",
        include_str!("../../scenarios/slow-clients.toml"),
    ),
    ("churn", include_str!("../../scenarios/churn.toml")),
    (
        "mixed-clients",
        include_str!("../../scenarios/mixed-clients.toml"),
    ),
];

/// Their names.
pub fn names() -> Vec<&'static str> {
    BUNDLED.iter().map(|(name, _)| *name).collect()
}

/// The TOML of one of them.
pub fn source(name: &str) -> Option<&'static str> {
    BUNDLED
        .iter()
        .find(|(bundled, _)| *bundled == name)
        .map(|(_, source)| *source)
}
