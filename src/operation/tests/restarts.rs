//! What the next start makes of operations that had not ended.

use super::*;

#[tokio::test]
async fn a_shutdown_interrupts_what_runs_and_leaves_what_waits() {
    let mut scene = Scene::new(1).await;
    let running = scene.server.start(None).await.unwrap();
    scene.server.begun(1).await;
    let waiting = scene.server.start(None).await.unwrap();
    scene.server.stop().await;
    let refused = scene.server.start(None).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::ShuttingDown);
    let ended = scene.server.operations.get(&context(), &running.id).await.unwrap();
    assert_eq!((ended.state, reason(&ended)), (OperationState::Failed, Some(Reason::Interrupted)));

    scene.restart();
    assert_eq!(scene.server.operations.recover().await.unwrap(), 1);
    scene.server.order(Order::Succeed);
    assert_eq!(scene.server.ended(&waiting).await.state, OperationState::Succeeded);
}

#[tokio::test]
async fn what_was_running_is_told_as_its_executor_finds_it() {
    let attention = Failure { error: Error::new(Reason::RestoreMismatch, "other rows"), needs_attention: true };
    let interrupted = || Failure::from(Error::new(Reason::Interrupted, "half way"));
    let cases = [
        (Ok(outcome(7)), OperationState::Succeeded, None),
        (Err(interrupted()), OperationState::Failed, Some(Reason::Interrupted)),
        (Err(attention), OperationState::NeedsAttention, Some(Reason::RestoreMismatch)),
    ];
    for (found, state, told) in cases {
        let mut scene = Scene::new(1).await;
        let operation = scene.server.start(Some("shop")).await.unwrap();
        scene.server.begun(1).await;
        // The running one has reached the store before its work begins.
        let killed = scene.restart();
        scene.server.find(found);
        assert_eq!(scene.server.operations.recover().await.unwrap(), 1);
        let ended = scene.server.ended(&operation).await;
        assert_eq!((ended.state, reason(&ended)), (state, told));
        assert_eq!(*scene.server.fake.begun.borrow(), 0, "nothing is begun anew");
        scene.server.start(Some("shop")).await.unwrap();
        drop(killed);
    }
}

#[tokio::test]
async fn an_old_server_cannot_write_over_what_the_new_one_found() {
    let mut scene = Scene::new(1).await;
    let operation = scene.server.start(None).await.unwrap();
    scene.server.begun(1).await;
    let old = scene.restart();
    scene.server.find(Err(Error::new(Reason::Interrupted, "half way").into()));
    scene.server.operations.recover().await.unwrap();
    let ended = scene.server.ended(&operation).await;
    assert_eq!(reason(&ended), Some(Reason::Interrupted));

    old.order(Order::Log("still here"));
    old.order(Order::Succeed);
    old.tracker.close();
    old.tracker.wait().await;
    let stored = scene.store.operation(context().account(), &operation.id).await.unwrap().operation;
    assert_eq!((stored.state, reason(&stored)), (OperationState::Failed, Some(Reason::Interrupted)));
    let logs = scene.store.operation_logs(context().account(), &operation.id, 0, 100).await.unwrap();
    assert!(logs.iter().all(|log| log.text != "still here"), "{logs:?}");
}

#[tokio::test]
async fn a_watcher_sees_the_sequence_go_up_across_a_restart() {
    let mut scene = Scene::new(1).await;
    let operation = scene.server.start(None).await.unwrap();
    let mut watch = scene.server.operations.watch(&context(), &operation.id, 0).await.unwrap();
    // More than the next run tells: what is numbered anew would be taken for what the watcher has seen.
    for _ in 0..50 {
        scene.server.order(Order::Log("told and not stored"));
    }
    scene.server.order(Order::Log("before the kill"));
    let seen = until(&mut watch, "before the kill").await;
    let _killed = scene.restart();
    scene.server.find(Ok(outcome(1)));
    scene.server.operations.recover().await.unwrap();
    let mut watch = scene.server.operations.watch(&context(), &operation.id, seen).await.unwrap();
    let told = rest(&mut watch).await;
    assert_eq!(told.last().map(|(_, text)| text.as_str()), Some("succeeded"));
    assert!(told.last().unwrap().0 > seen && told.len() > 1, "{told:?}");
}

#[tokio::test]
async fn an_outcome_that_cannot_be_found_out_is_for_a_person_once_somebody_asks_for_the_end() {
    let mut scene = Scene::new(1).await;
    let operation = scene.server.start(Some("shop")).await.unwrap();
    scene.server.begun(1).await;
    let _killed = scene.restart();
    scene.server.operations.recover().await.unwrap();
    let mut watch = scene.server.operations.watch(&context(), &operation.id, 0).await.unwrap();
    until(&mut watch, "not known yet: not reached").await;
    let busy = scene.server.start(Some("shop")).await.unwrap_err();
    assert_eq!(busy.reason(), Reason::DatabaseBusy, "the database stays taken until the outcome is known");
    scene.server.operations.cancel(&context(), &operation.id).await.unwrap();
    let ended = scene.server.ended(&operation).await;
    assert_eq!((ended.state, reason(&ended)), (OperationState::NeedsAttention, Some(Reason::Interrupted)));
}
