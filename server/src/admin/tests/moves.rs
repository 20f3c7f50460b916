//! Moving guilds by hand.

use super::*;
use crate::guild::executors::NoSeat;

#[actix_web::test]
async fn a_guild_is_moved_where_the_operator_wants_it() {
    let house = House::new();
    let post = async |path, body| house.call(Method::POST, path, body).await;
    let (status, body) = post("/admin/v1/guilds/1/promote", None).await;
    assert_eq!(status, 200, "{body}");
    let moved = json!({"id": "1", "from": 0, "to": 1, "kind": "shared", "pause_ms": 1.5});
    assert_eq!(body, moved);
    assert_eq!(post("/admin/v1/guilds/1/move", None).await.0, 200);
    let to = json!({"executor": 3});
    assert_eq!(post("/admin/v1/guilds/1/move", Some(to)).await.0, 200);
    let wanted = [Target::Dedicated, Target::LeastLoaded, Target::Shared(3)];
    assert_eq!(*house.guilds.moves.lock().unwrap(), wanted);
    // It has no thread of its own.
    assert_eq!(post("/admin/v1/guilds/1/demote", None).await.0, 409);
    assert_eq!(house.guilds.moves.lock().unwrap().len(), 3);
}

#[actix_web::test]
async fn a_move_that_cannot_be_is_refused_with_its_reason() {
    let house = House::new();
    let post = async |path, body| house.call(Method::POST, path, body).await;
    assert_eq!(post("/admin/v1/guilds/999/move", None).await.0, 404);
    assert_eq!(post("/admin/v1/guilds/x/promote", None).await.0, 404);
    for body in [json!({}), json!({"executor": -1}), json!({"node": "b"})] {
        assert_eq!(post("/admin/v1/guilds/1/move", Some(body)).await.0, 400);
    }
    assert!(house.guilds.moves.lock().unwrap().is_empty());
    for (error, status) in [
        (MoveError::NotRunning(GuildId::new(1)), 404),
        (MoveError::AlreadyMoving, 409),
        (MoveError::AlreadyThere, 409),
        (MoveError::Quarantined, 409),
        (NoSeat::NoneLeft(1).into(), 409),
        (NoSeat::NotShared(4).into(), 409),
        (NoSeat::Unknown(4).into(), 400),
        (NoSeat::Stuck(0).into(), 503),
        (MoveError::Silent(1), 503),
        (MoveError::Draining, 503),
    ] {
        *house.guilds.no_move.lock().unwrap() = Some(error.clone());
        let (answered, body) = post("/admin/v1/guilds/1/promote", None).await;
        assert_eq!(answered, status, "{error:?}");
        if status != 404 {
            assert_eq!(body["message"], error.to_string());
        }
    }
}
