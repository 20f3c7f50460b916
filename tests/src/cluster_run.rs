//! A cluster under checked load while everything in it fails in turn.

mod bytes;
mod house;
mod load;
mod options;
mod proxy;
mod resumed;
mod steps;

pub use options::{Options, Step};

use load::Load;
use steps::Run;

/// Carries the run out, prints what came of each step, and gives what was wrong.
///
/// Panics where the cluster cannot be started or does not come to rest.
pub async fn run(options: Options) -> Vec<String> {
    if !options.bytes.is_empty() {
        return bytes::run(&options).await;
    }
    let house = house::House::start(&options).await;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!(
        "{} sessions, {} guilds, {} messages/s, {} NATS server(s), seed {seed}",
        options.sessions, options.guilds, options.rate, options.nats
    );
    let load = Load::start(&house, &options, options.sessions, seed).await;
    let mut run = Run::new(house, load, options.clone(), seed);
    for step in options.steps() {
        run.take(step).await;
    }
    run.end().await
}
