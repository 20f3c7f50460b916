//! The command line: commands, flags, and the settings that flags stand for.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{EXIT_BAD_CONFIG, Flag, Sources};
use crate::protocol::UserId;

/// A message fan-out server that speaks the Discord Gateway protocol.
#[derive(Debug, Parser)]
#[command(name = "guildhall", version, about, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one node with a demo guild, one bot and two users, and print how to reach it
    Dev(DevArgs),
    /// Run a node
    Serve(NodeArgs),
    /// Print a signed token for a user or bot
    Token(TokenArgs),
    /// Print the settings in force, secrets hidden
    Config(ConfigArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands
    Man(ManArgs),
    /// Become another program that ends with the process that started this one
    #[command(hide = true)]
    Tethered(TetheredArgs),
}

/// Arguments of `guildhall tethered`.
#[derive(Debug, Args)]
pub struct TetheredArgs {
    /// The process that starts it
    pub parent: i32,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// Arguments of `guildhall dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Print one line of JSON on standard output and nothing else there
    #[arg(long)]
    pub json: bool,
    /// Start a NATS server and so many nodes, 2 to 9, as processes of their own beside this one
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub nodes: u16,
    /// Settings.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Arguments of `guildhall config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Print nothing; exit with 64 and every fault where the settings cannot be used
    #[arg(long)]
    pub check: bool,
    /// Print the page of all settings that there are, in Markdown
    #[arg(long, conflicts_with = "check")]
    pub page: bool,
    /// Settings.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Arguments of `guildhall completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which
    pub shell: clap_complete::Shell,
}

/// Arguments of `guildhall man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder to write a page for each command into
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// Arguments of `guildhall token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Whose token
    #[arg(long, value_name = "ID")]
    pub user: UserId,
    /// The account is a bot
    #[arg(long)]
    pub bot: bool,
    /// Settings.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Flags for settings. Values are checked with all other sources, so that every fault is reported
/// at once: here they are plain text.
#[derive(Debug, Clone, Default, Args)]
pub struct NodeArgs {
    /// TOML file with settings
    #[arg(long, value_name = "FILE", env = "GUILDHALL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Data directory (store.dir)
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Address to listen on (listen.host)
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Port to listen on, 0 for a free one (listen.port)
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// Base URL that clients are told, such as <https://chat.example.org> (`listen.public_url`)
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Address of the admin listener (admin.host)
    #[arg(long, value_name = "HOST")]
    pub admin_host: Option<String>,
    /// Port of the admin listener, 0 for a free one (admin.port)
    #[arg(long, value_name = "PORT")]
    pub admin_port: Option<String>,
    /// Name of this node (node.name)
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// HTTP worker threads (node.workers)
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,
    /// Which log lines are written, such as debug (log.filter)
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// text or json (log.format)
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Any setting; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

impl NodeArgs {
    /// The flags as settings. Named flags go before `--set`.
    pub fn flags(&self) -> Vec<Flag> {
        let set = self.set.iter().map(|pair| {
            // Without a value the key is looked up all the same, and what is wrong is told.
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Flag {
                name: "--set".to_owned(),
                key: key.trim().to_owned(),
                value: value.to_owned(),
            }
        });
        let named = [
            ("--data", "store.dir", &self.data),
            ("--host", "listen.host", &self.host),
            ("--port", "listen.port", &self.port),
            ("--public-url", "listen.public_url", &self.public_url),
            ("--admin-host", "admin.host", &self.admin_host),
            ("--admin-port", "admin.port", &self.admin_port),
            ("--node", "node.name", &self.node),
            ("--workers", "node.workers", &self.workers),
            ("--log", "log.filter", &self.log),
            ("--log-format", "log.format", &self.log_format),
        ]
        .into_iter()
        .filter_map(|(name, key, value)| {
            Some(Flag {
                name: name.to_owned(),
                key: key.to_owned(),
                value: value.clone()?,
            })
        });
        set.chain(named).collect()
    }

    /// Everything that says something about settings: these flags, the environment of this
    /// process and the named file.
    pub fn sources(&self) -> Sources {
        Sources::of_process(self.config.clone(), self.flags())
    }
}

impl Cli {
    /// Reads the command line. Asking for help is no fault, but there is nothing to do after it
    /// either: see [`exit_code`].
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(args)
    }
}

/// With which code to exit after printing the error of [`Cli::read`]: 0 where it is the help that
/// was asked for, 64 where the command line is wrong.
pub fn exit_code(error: &clap::Error) -> u8 {
    if error.use_stderr() {
        EXIT_BAD_CONFIG
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::{Config, settings};

    fn parse(line: &str) -> Result<Cli, u8> {
        Cli::read(line.split_whitespace().map(OsString::from)).map_err(|error| exit_code(&error))
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_stands_for_a_setting_that_there_is() {
        let some = || Some("1".to_owned());
        let args = NodeArgs {
            data: some(),
            host: some(),
            port: some(),
            public_url: some(),
            admin_host: some(),
            admin_port: some(),
            node: some(),
            workers: some(),
            log: some(),
            log_format: some(),
            ..NodeArgs::default()
        };
        assert_eq!(args.flags().len(), 10);
        for flag in args.flags() {
            assert!(
                settings().any(|setting| setting.key == flag.key),
                "{flag:?}"
            );
        }
    }

    #[test]
    fn dev_takes_its_flags_and_set_reaches_every_setting() {
        let cli = parse(
            "guildhall dev --json --data /tmp/x --port 0 --admin-port 0 \
             --public-url http://127.0.0.1:1 --set gateway.resume_window_s=5",
        )
        .unwrap();
        let Command::Dev(dev) = cli.command else {
            panic!("dev expected");
        };
        assert!(dev.json);
        let sources = Sources {
            flags: dev.node.flags(),
            ..Sources::default()
        };
        let config = Config::load(&sources).unwrap();
        assert_eq!(config.listen.port, 0);
        assert_eq!(config.gateway.resume_window_s, 5);
        assert!(config.listen.public_url.is_some());
    }

    #[test]
    fn a_bad_command_line_exits_with_64() {
        for bad in [
            "guildhall",
            "guildhall dance",
            "guildhall token",
            "guildhall token --user 0",
            "guildhall dev --nope",
        ] {
            assert_eq!(parse(bad).unwrap_err(), 64, "{bad}");
        }
        assert_eq!(parse("guildhall --help").unwrap_err(), 0);
    }
}
