//! What a scenario must fulfil.

use anyhow::{Result, ensure};

use super::Scenario;

/// Most messages of a run: they are planned before it begins.
const MAX_MESSAGES: f64 = 50e6;

impl Scenario {
    /// Refuses what makes no sense, by the key.
    pub fn check(&self) -> Result<()> {
        let (guilds, traffic, phases) = (&self.guilds, &self.traffic, &self.phases);
        ensure!(self.sessions > 0, "sessions must be above 0");
        ensure!(guilds.count > 0, "guilds.count must be above 0");
        ensure!(
            (1..=guilds.count).contains(&guilds.per_session),
            "guilds.per_session must be from 1 to guilds.count, {}",
            guilds.count
        );
        ensure!(
            u64::from(self.sessions) * u64::from(guilds.per_session) >= u64::from(guilds.count),
            "guilds.count: {} memberships cannot fill {} guilds",
            u64::from(self.sessions) * u64::from(guilds.per_session),
            guilds.count
        );
        for (key, value) in [
            ("guilds.size_skew", guilds.size_skew),
            ("traffic.guild_skew", traffic.guild_skew),
            ("traffic.sender_skew", traffic.sender_skew),
        ] {
            ensure!((0.0..=4.0).contains(&value), "{key} must be from 0 to 4");
        }
        if let Some(private) = &guilds.private {
            share("guilds.private.guilds", private.guilds)?;
            share("guilds.private.insiders", private.insiders)?;
            share("guilds.private.traffic", private.traffic)?;
        }
        not_negative("traffic.rate", traffic.rate)?;
        ensure!(traffic.rate > 0.0, "traffic.rate must be above 0");
        ensure!(
            (1..=2_000).contains(&traffic.payload),
            "traffic.payload must be from 1 to 2000 bytes"
        );
        not_negative("traffic.typing", traffic.typing)?;
        not_negative("traffic.presence", traffic.presence)?;
        not_negative("phases.ramp_up", phases.ramp_up)?;
        not_negative("phases.warm_up", phases.warm_up)?;
        not_negative("phases.ramp_down", phases.ramp_down)?;
        not_negative("phases.steady", phases.steady)?;
        ensure!(phases.steady > 0.0, "phases.steady must be above 0");
        ensure!(
            traffic.rate * phases.total() <= MAX_MESSAGES,
            "more than {MAX_MESSAGES} messages"
        );
        self.check_extras()
    }

    /// The sections that may be left out.
    fn check_extras(&self) -> Result<()> {
        let (guilds, phases) = (&self.guilds, &self.phases);
        if let Some(hot) = &self.hot {
            share("hot.from", hot.from)?;
            share("hot.to", hot.to)?;
            ensure!(guilds.count > 1, "hot needs guilds.count above 1");
        }
        if let Some(storm) = &self.storm {
            for at in &storm.at {
                not_negative("storm.at", *at)?;
                ensure!(
                    *at <= phases.steady,
                    "storm.at must lie in the steady phase of {} s",
                    phases.steady
                );
            }
            for jitter in &storm.jitter {
                not_negative("storm.jitter", *jitter)?;
            }
            ensure!(
                storm.at.is_sorted() && !storm.at.is_empty() && !storm.jitter.is_empty(),
                "storm.at needs ascending times, storm.jitter at least one"
            );
        }
        if let Some(slow) = &self.slow {
            share("slow.share", slow.share)?;
            share("slow.deaf", slow.deaf)?;
            ensure!(
                slow.bytes_per_second > 0,
                "slow.bytes_per_second must be above 0: sessions that never read are slow.deaf"
            );
        }
        if let Some(churn) = &self.churn {
            not_negative("churn.leaves", churn.leaves)?;
            not_negative("churn.away", churn.away)?;
            not_negative("churn.channels", churn.channels)?;
            not_negative("churn.roles", churn.roles)?;
        }
        if let Some(clients) = &self.clients {
            share("clients.compressed", clients.compressed)?;
            share("clients.all_intents", clients.all_intents)?;
            share("clients.no_messages", clients.no_messages)?;
            share("clients.sharded", clients.sharded)?;
            share(
                "clients.all_intents and clients.no_messages together",
                clients.all_intents + clients.no_messages,
            )?;
        }
        Ok(())
    }
}

fn not_negative(key: &str, value: f64) -> Result<()> {
    ensure!(
        (0.0..=1e9).contains(&value),
        "{key} must be a number from 0 on, not {value}"
    );
    Ok(())
}

fn share(key: &str, value: f64) -> Result<()> {
    ensure!(
        (0.0..=1.0).contains(&value),
        "{key} must be from 0 to 1, not {value}"
    );
    Ok(())
}
