//! How operations begin and end.

use super::*;

fn request(digest: u8) -> RequestKey {
    RequestKey { method: "VerifyBackup", id: "once".to_owned(), digest: [digest; 32] }
}

#[tokio::test]
async fn one_that_waits_for_its_turn_is_cancelled_without_having_begun() {
    let Scene { server, _folder, .. } = Scene::new(1).await;
    let first = server.start(None).await.unwrap();
    server.begun(1).await;
    let second = server.start(None).await.unwrap();
    let asked = server.operations.cancel(&context(), &second.id).await.unwrap();
    assert!(asked.cancel_requested);
    let ended = server.ended(&second).await;
    assert_eq!((ended.state, ended.started), (OperationState::Cancelled, None));
    server.order(Order::Succeed);
    assert_eq!(server.ended(&first).await.state, OperationState::Succeeded);
    assert_eq!(*server.fake.begun.borrow(), 1);
}

#[tokio::test]
async fn one_at_work_is_told_to_stop() {
    let Scene { server, _folder, .. } = Scene::new(1).await;
    let operation = server.start(None).await.unwrap();
    server.begun(1).await;
    server.operations.cancel(&context(), &operation.id).await.unwrap();
    let ended = server.ended(&operation).await;
    assert_eq!((ended.state, reason(&ended)), (OperationState::Cancelled, Some(Reason::Cancelled)));
    let again = server.operations.cancel(&context(), &operation.id).await.unwrap();
    assert_eq!(again, ended, "one that has ended is returned as it is");
}

#[tokio::test]
async fn a_wait_ends_with_the_operation_or_with_its_time() {
    let Scene { server, _folder, .. } = Scene::new(1).await;
    let operation = server.start(None).await.unwrap();
    server.begun(1).await;
    let waited = server.operations.wait(&context(), &operation.id, Duration::from_millis(1)).await.unwrap();
    assert!(!waited.state.is_final());
    server.order(Order::Fail(Reason::ToolFailed));
    let ended = server.ended(&operation).await;
    assert_eq!((ended.state, reason(&ended)), (OperationState::Failed, Some(Reason::ToolFailed)));
    assert!(ended.result.is_none() && ended.started.is_some() && ended.ended.is_some());
}

#[tokio::test]
async fn one_operation_changes_a_database_at_a_time() {
    let Scene { server, _folder, .. } = Scene::new(4).await;
    let first = server.start(Some("shop")).await.unwrap();
    let busy = server.start(Some("shop")).await.unwrap_err();
    assert_eq!(busy.reason(), Reason::DatabaseBusy);
    assert_eq!(busy.metadata("operation"), Some(format!("operations/{}", first.id).as_str()));
    server.start(Some("blog")).await.unwrap();
    server.start(None).await.unwrap();

    server.operations.cancel(&context(), &first.id).await.unwrap();
    server.ended(&first).await;
    server.start(Some("shop")).await.unwrap();
}

#[tokio::test]
async fn a_repeated_call_gets_the_operation_of_the_first() {
    let Scene { server, _folder, .. } = Scene::new(1).await;
    let start = |digest| {
        let operations = server.operations.clone();
        async move { operations.start(&context(), Some(&request(digest)), new_operation(Some("shop"))).await }
    };
    let first = start(1).await.unwrap();
    assert_eq!(start(1).await.unwrap().id, first.id);
    assert_eq!(start(2).await.unwrap_err().reason(), Reason::RequestIdReused);
    server.order(Order::Succeed);
    server.ended(&first).await;
    let repeated = start(1).await.unwrap();
    assert_eq!((repeated.id, repeated.state), (first.id.clone(), OperationState::Succeeded));
    let earlier = server.operations.earlier(&context(), Some(&request(1))).await.unwrap();
    assert_eq!(earlier.map(|operation| operation.id), Some(first.id));
    assert_eq!(*server.fake.begun.borrow(), 1);
}

#[tokio::test]
async fn a_panic_is_a_failure_and_frees_the_database() {
    let Scene { server, _folder, .. } = Scene::new(1).await;
    let operation = server.start(Some("shop")).await.unwrap();
    server.order(Order::Panic);
    let ended = server.ended(&operation).await;
    assert_eq!((ended.state, reason(&ended)), (OperationState::Failed, Some(Reason::Internal)));
    assert!(!ended.error.unwrap().message.contains("ordered"), "the words of a panic are not for callers");
    let next = server.start(Some("shop")).await.unwrap();
    server.begun(2).await;
    server.operations.cancel(&context(), &next.id).await.unwrap();
}
