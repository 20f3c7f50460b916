//! Posting at full speed.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::world::World;

/// The owner posts to #general, so many messages at a time and each with another content, until it is
/// over.
pub fn post_until(
    world: &Arc<World>,
    posters: usize,
    is_over: impl Fn() -> bool + Clone + Send + 'static,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for poster in 0..posters {
        let (world, is_over) = (Arc::clone(world), is_over.clone());
        tasks.spawn(async move {
            let mut number = 0;
            while !is_over() {
                let content = format!("{poster}-{number}");
                world.owner.rest.say(&world.channel, &content).await;
                number += 1;
            }
        });
    }
    tasks
}
