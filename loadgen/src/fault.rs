//! Things that go wrong during a run, on purpose: which, when, and how they are done to a server.

mod moves;
pub mod own;
pub mod proxy;
mod signals;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::sleep;

use moves::Moves;
use own::Own;
use proxy::Proxy;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// SIGKILL; a server of loadgen's own is started again after the amount, in seconds.
    Kill,
    /// SIGSTOP, and SIGCONT after the amount, in seconds.
    Stop,
    /// An orderly stop, and another start: only of a server of loadgen's own.
    Restart,
    /// For the amount, in seconds, guilds are moved, promoted and demoted through the admin API.
    Moves,
    /// For three seconds the network takes longer, by the amount in milliseconds.
    Delay,
    /// All gateway connections break.
    Cut,
    /// For the amount, in seconds, nothing comes through and nobody is told; then the connections break.
    HalfOpen,
}

/// How long a delay lasts.
const DELAYED_FOR: Duration = Duration::from_secs(3);

impl Fault {
    const ALL: [Self; 7] = [
        Self::Kill,
        Self::Stop,
        Self::Restart,
        Self::Moves,
        Self::Delay,
        Self::Cut,
        Self::HalfOpen,
    ];

    /// As the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Moves => "moves",
            Self::Delay => "delay",
            Self::Cut => "cut",
            Self::HalfOpen => "half-open",
        }
    }

    /// The amount where none is given.
    fn usual(self) -> f64 {
        match self {
            Self::Kill => 0.5,
            Self::Stop => 2.0,
            Self::Moves => 5.0,
            Self::Delay => 100.0,
            Self::HalfOpen => 3.0,
            Self::Restart | Self::Cut => 0.0,
        }
    }

    /// Whether it happens between the sessions and the server.
    pub fn is_of_network(self) -> bool {
        matches!(self, Self::Delay | Self::Cut | Self::HalfOpen)
    }
}

/// A fault as the command line asks for it: `FAULT[=AMOUNT][@SECONDS]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultSpec {
    /// Which.
    pub fault: Fault,
    /// How much of it; the unit depends on the fault.
    pub amount: f64,
    /// Seconds from the start of the steady phase; drawn if not given.
    pub at: Option<f64>,
}

impl FromStr for FaultSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| match text.parse::<f64>() {
            Ok(number) if (0.0..=1e6).contains(&number) => Ok(number),
            _ => Err(format!("{text:?} is not a number from 0 on")),
        };
        let (rest, at) = match text.split_once('@') {
            Some((rest, at)) => (rest, Some(number(at)?)),
            None => (text, None),
        };
        let (name, amount) = match rest.split_once('=') {
            Some((name, amount)) => (name, Some(number(amount)?)),
            None => (rest, None),
        };
        let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        let fault = fault.ok_or_else(|| {
            let known = Fault::ALL.map(Fault::name).join(", ");
            format!("no fault is called {name:?}; there are {known}")
        })?;
        Ok(Self {
            fault,
            amount: amount.unwrap_or_else(|| fault.usual()),
            at,
        })
    }
}

impl FaultSpec {
    /// The same with a time: where none is given, one in the first three quarters of `steady` seconds.
    #[must_use]
    pub fn drawn(self, steady: f64, random: &mut fastrand::Rng) -> Self {
        let at = self.at.unwrap_or_else(|| random.f64() * steady * 0.75);
        Self {
            at: Some(at),
            ..self
        }
    }

    /// What the report calls it.
    pub fn label(&self) -> String {
        match self.fault {
            Fault::Restart | Fault::Cut => self.fault.name().to_owned(),
            Fault::Delay => format!("delay of {} ms", self.amount),
            fault => format!("{} ({} s)", fault.name(), self.amount),
        }
    }
}

/// Whom faults are done to.
#[derive(Debug, Clone)]
pub struct Victim {
    /// Its process, if it is known.
    pub pid: Option<u32>,
    /// The server, if it was started for the run.
    pub own: Option<Arc<Own>>,
    /// What stands between it and the sessions, if faults of the network were asked for.
    pub proxy: Option<Proxy>,
    /// Moves its guilds.
    pub moves: Moves,
}

pub use moves::Moves as GuildMoves;

impl Victim {
    /// Refuses a fault that cannot be done.
    pub fn check(&self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Kill | Fault::Stop => ensure!(
                self.pid.is_some() || self.own.is_some(),
                "--fault {} needs --server-pid, or a server that is started for the run",
                fault.name()
            ),
            Fault::Restart => ensure!(
                self.own.is_some(),
                "--fault restart needs a server that is started for the run: leave --api out"
            ),
            _ => {}
        }
        Ok(())
    }

    /// Does it; returns when it is over.
    pub async fn strike(&self, spec: &FaultSpec) -> Result<()> {
        let amount = Duration::from_secs_f64(spec.amount);
        match spec.fault {
            Fault::Kill => match (&self.own, self.pid) {
                (Some(own), _) => own.kill_and_start(amount).await,
                (None, Some(pid)) => signals::kill(pid),
                (None, None) => bail!("no process to kill"),
            },
            Fault::Stop => {
                let pid = self.own.as_ref().map(|own| own.pid()).or(self.pid);
                let pid = pid.context("no process to stop")?;
                signals::stop(pid)?;
                sleep(amount).await;
                signals::go_on(pid)
            }
            Fault::Restart => match &self.own {
                Some(own) => own.restart().await,
                None => bail!("no server of our own"),
            },
            Fault::Moves => self.moves.back_and_forth(amount).await,
            Fault::Delay => {
                let proxy = self.proxy.as_ref().context("no proxy")?;
                proxy.delay(Duration::from_secs_f64(spec.amount / 1_000.0));
                sleep(DELAYED_FOR).await;
                proxy.delay(Duration::ZERO);
                Ok(())
            }
            Fault::Cut => {
                self.proxy.as_ref().context("no proxy")?.cut();
                Ok(())
            }
            Fault::HalfOpen => {
                let proxy = self.proxy.as_ref().context("no proxy")?;
                proxy.silence(true);
                sleep(amount).await;
                proxy.silence(false);
                proxy.cut();
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_they_are_written() {
        let spec = |text: &str| text.parse::<FaultSpec>().unwrap();
        let stop = spec("stop=1.5@4");
        assert_eq!((stop.fault, stop.at), (Fault::Stop, Some(4.0)));
        assert!((stop.amount - 1.5).abs() < 1e-9);
        assert_eq!(spec("kill").at, None);
        for fault in Fault::ALL {
            assert_eq!(spec(fault.name()).fault, fault);
        }
        for bad in ["", "kil", "stop=", "stop=-1", "stop=x", "kill@", "kill@nan"] {
            assert!(bad.parse::<FaultSpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_that_is_drawn_is_the_seeds() {
        let draw = |seed| {
            let spec: FaultSpec = "kill".parse().unwrap();
            let mut random = fastrand::Rng::with_seed(seed);
            spec.drawn(20.0, &mut random).at.unwrap()
        };
        assert!(draw(1) < 15.0 && (draw(1) - draw(1)).abs() < 1e-12);
        assert!((draw(1) - draw(2)).abs() > 1e-9);
    }
}
