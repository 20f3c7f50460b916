//! Several processes under one coordinator, to pass the limits of one process: open files, and a runtime's threads.
//!
//! The coordinator makes users and guilds, posts, makes faults happen and judges. Each worker process (`loadgen worker`,
//! started by the coordinator) has a share of the sessions on threads of its own, just as the coordinator has them where
//! there are no workers. They speak lines of JSON over the worker's standard streams:
//!
//! | coordinator says | worker says |
//! |---|---|
//! | [`wire::Order::Take`]: the sessions, with all that they need | [`wire::Word::Shown`] every 50 ms: counts and latencies since |
//! | [`wire::Order::Times`]: when messages begin, and what is measured | [`wire::Word::Informed`], before which nothing is posted |
//! | [`wire::Order::Storm`] | |
//! | [`wire::Order::Stop`] | [`wire::Word::Finished`] for each thread: its whole checker and histograms |
//!
//! *Exactness.* A worker judges what can be judged as it comes. Its checkers then go to the coordinator as they are, and
//! what only the publisher knows (which message was acknowledged, and when it was sent) meets them there, in the same
//! code as without workers. Histograms are merged bucket by bucket. All processes have the machine's one clock.
//!
//! *Bounds.* A line has [`wire::LONGEST`] bytes at most. What a worker shows waits in the pipe, and the worker with it, if
//! the coordinator does not read. A worker ends when its standard input does, so it does not outlive its coordinator.

pub mod process;
pub mod wire;
pub mod worker;
