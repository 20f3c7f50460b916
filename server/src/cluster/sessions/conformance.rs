//! What every [`SessionStore`] has to do.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Claim, Claimed, Found, Kept, SessionStore, StoreError};
use crate::protocol::GuildId;

fn kept(claim: u64, is_final: bool, state: &str) -> Kept {
    Kept {
        process: 11,
        claim,
        is_final,
        state: state.to_owned().into(),
    }
}

/// All of it, on a store that is empty.
pub(crate) async fn all(store: Arc<dyn SessionStore>) {
    the_newest_state_is_found(&*store).await;
    i10_of_many_that_claim_a_session_one_has_it(&store).await;
    i10_a_state_from_before_a_claim_does_not_count(&*store).await;
    what_is_too_large_is_refused(&*store).await;
    tables_are_found_by_guild_and_name(&*store).await;
}

async fn tables_are_found_by_guild_and_name(store: &dyn SessionStore) {
    let (cats, dogs) = (GuildId::new(1), GuildId::new(2));
    assert_eq!(store.table(cats, 7).await, Ok(None));
    store.put_table(cats, 7, "one".into()).await.unwrap();
    store.put_table(cats, 8, "two".into()).await.unwrap();
    assert_eq!(store.table(cats, 7).await, Ok(Some("one".into())));
    assert_eq!(store.table(cats, 8).await, Ok(Some("two".into())));
    assert_eq!(store.table(dogs, 7).await, Ok(None));
}

async fn the_newest_state_is_found(store: &dyn SessionStore) {
    assert_eq!(store.find("a").await, Ok(Found::default()));
    store.put("a", kept(0, false, "one")).await.unwrap();
    store.put("b", kept(0, false, "other")).await.unwrap();
    store.put("a", kept(0, true, "two")).await.unwrap();
    let found = store.find("a").await.unwrap();
    assert_eq!(found.current(), Some(&kept(0, true, "two")));
    assert_eq!((found.number(), found.process()), (0, Some(11)));
}

async fn i10_of_many_that_claim_a_session_one_has_it(store: &Arc<dyn SessionStore>) {
    let mut former = 0;
    for round in 0..10 {
        let claims = (0..8_u64).map(|process| {
            let store = Arc::clone(store);
            async move {
                (
                    process,
                    store.claim("contested", former, process).await.unwrap(),
                )
            }
        });
        let claims = join_all(claims).await;
        let won: Vec<(u64, u64)> = claims
            .into_iter()
            .filter_map(|(process, claimed)| match claimed {
                Claimed::Yes(number) => Some((process, number)),
                Claimed::No => None,
            })
            .collect();
        let [(process, number)] = won[..] else {
            panic!("round {round}: {won:?} have claimed it");
        };
        assert!(number > former);
        let claim = store.find("contested").await.unwrap().claim;
        assert_eq!(claim, Some(Claim { number, process }));
        former = number;
    }
    assert_eq!(store.claim("contested", 0, 1).await, Ok(Claimed::No));
}

async fn i10_a_state_from_before_a_claim_does_not_count(store: &dyn SessionStore) {
    store.put("c", kept(0, true, "one")).await.unwrap();
    let Ok(Claimed::Yes(number)) = store.claim("c", 0, 22).await else {
        panic!("nobody else has claimed it");
    };
    let found = store.find("c").await.unwrap();
    assert_eq!((found.current(), found.process()), (None, Some(22)));
    // A process that stood still goes on.
    store.put("c", kept(0, false, "late")).await.unwrap();
    assert_eq!(store.find("c").await.unwrap().current(), None);
    let next = kept(number, true, "two");
    store.put("c", next.clone()).await.unwrap();
    assert_eq!(store.find("c").await.unwrap().current(), Some(&next));
}

async fn what_is_too_large_is_refused(store: &dyn SessionStore) {
    let len = store.max_bytes() + 1;
    let large = kept(0, true, &"x".repeat(len));
    assert_eq!(store.put("d", large).await, Err(StoreError::TooLarge(len)));
    let most = kept(0, true, &"x".repeat(store.max_bytes()));
    store.put("d", most.clone()).await.unwrap();
    assert_eq!(store.find("d").await.unwrap().current(), Some(&most));
}
