//! A small cluster under checked load while everything in it fails in turn; `tests/cluster` does it with a large one.

use clap::Parser;
use guildhall_tests::cluster_run::{Options, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_i3_i4_nothing_acknowledged_is_lost_doubled_or_reordered_while_everything_fails_in_turn()
{
    let options = [
        "tests/cluster",
        "--sessions=150",
        "--guilds=11",
        "--rate=30",
        "--moves=20",
        "--stop=5",
        "--cut=6",
        "--rest=1",
        "--set=cluster.heartbeat_ms=400",
        "--set=cluster.dead_after_ms=2000",
    ];
    let faults = run(Options::parse_from(options)).await;
    assert!(faults.is_empty(), "{faults:?}");
}
