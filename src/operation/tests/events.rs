//! What a watcher is told.

use super::*;

fn texts(told: &[(u64, String)]) -> Vec<&str> {
    told.iter().map(|(_, text)| text.as_str()).collect()
}

/// Everything up to the event with this text.
async fn told_until(watch: &mut OperationWatch, wanted: &str) -> Vec<(u64, String)> {
    let mut told: Vec<(u64, String)> = Vec::new();
    while told.last().is_none_or(|(_, last)| last != wanted) {
        let (sequence, event) = watch.next().await.expect("the watch goes on").expect("it has not ended");
        told.push((sequence, text(&event)));
    }
    told
}

#[tokio::test]
async fn events_are_told_in_the_order_of_their_sequence() {
    let Scene { server, _folder, .. } = Scene::new(1).await;
    let operation = server.start(None).await.unwrap();
    let mut watch = server.operations.watch(&context(), &operation.id, 0).await.unwrap();
    server.begun(1).await;
    server.order(Order::Log("first"));
    until(&mut watch, "first").await;
    server.order(Order::Progress(4));
    until(&mut watch, "4 of 10").await;
    server.order(Order::Log("second"));
    until(&mut watch, "second").await;
    // Who comes now is told at one time what the other heard one by one, after how it stands.
    let mut late = server.operations.watch(&context(), &operation.id, 0).await.unwrap();
    let at_once = told_until(&mut late, "second").await;
    assert_eq!(texts(&at_once), ["running", "running", "first", "4 of 10", "second"]);
    assert!(at_once.windows(2).all(|pair| pair[0].0 < pair[1].0), "{at_once:?}");
    server.order(Order::Succeed);
    let told = rest(&mut watch).await;
    assert_eq!(texts(&told), ["succeeded"]);
    let mut all = server.operations.watch(&context(), &operation.id, 0).await.unwrap();
    let all = rest(&mut all).await;
    assert_eq!(texts(&all), ["succeeded", "first", "second", "succeeded"], "a late watcher gets the log and the end");
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "{all:?}");
    assert_eq!(all.last(), told.last());
}

#[tokio::test]
async fn a_watcher_that_comes_back_goes_on_after_what_it_saw() {
    let Scene { server, _folder, .. } = Scene::new(1).await;
    let operation = server.start(None).await.unwrap();
    let mut watch = server.operations.watch(&context(), &operation.id, 0).await.unwrap();
    server.begun(1).await;
    server.order(Order::Log("first"));
    let seen = until(&mut watch, "first").await;
    drop(watch);
    server.order(Order::Log("second"));
    let mut running = server.operations.watch(&context(), &operation.id, seen).await.unwrap();
    let second = until(&mut running, "second").await;
    assert!(second > seen);
    server.order(Order::Succeed);
    assert_eq!(texts(&rest(&mut running).await), ["succeeded"]);

    let mut ended = server.operations.watch(&context(), &operation.id, seen).await.unwrap();
    assert_eq!(texts(&rest(&mut ended).await), ["succeeded", "second", "succeeded"]);
    let mut from_the_end = server.operations.watch(&context(), &operation.id, second).await.unwrap();
    assert_eq!(texts(&rest(&mut from_the_end).await), ["succeeded", "succeeded"]);
}

#[tokio::test]
async fn more_log_lines_than_memory_keeps_are_told_whole() {
    let Scene { server, _folder, .. } = Scene::new(1).await;
    let operation = server.start(None).await.unwrap();
    for _ in 0..1_500 {
        server.order(Order::Log("line"));
    }
    server.order(Order::Succeed);
    server.ended(&operation).await;
    let mut watch = server.operations.watch(&context(), &operation.id, 0).await.unwrap();
    let told = rest(&mut watch).await;
    assert_eq!(told.iter().filter(|(_, text)| text == "line").count(), 1_500);
    assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[tokio::test]
async fn who_comes_late_to_a_running_operation_is_told_every_line() {
    let Scene { server, store, _folder } = Scene::new(1).await;
    let operation = server.start(None).await.unwrap();
    for _ in 0..1_500 {
        server.order(Order::Log("line"));
    }
    let account = context().caller.account;
    while store.operation_logs(&account, &operation.id, 0, 1_500).await.unwrap().len() < 1_500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // With the next line those that are stored leave the memory.
    let mut watch = server.operations.watch(&context(), &operation.id, 0).await.unwrap();
    server.order(Order::Log("last"));
    until(&mut watch, "last").await;
    let mut late = server.operations.watch(&context(), &operation.id, 0).await.unwrap();
    let told = told_until(&mut late, "last").await;
    assert_eq!(told.iter().filter(|(_, text)| text == "line").count(), 1_500);
    assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[tokio::test]
async fn another_account_sees_nothing() {
    let Scene { server, _folder, .. } = Scene::new(1).await;
    let operation = server.start(None).await.unwrap();
    let mut foreign = context();
    foreign.caller.account = AccountId::from_stored("other".to_owned());
    let error = server.operations.get(&foreign, &operation.id).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OperationNotFound);
    let error = server.operations.watch(&foreign, &operation.id, 0).await.err().unwrap();
    assert_eq!(error.reason(), Reason::OperationNotFound);
    let error = server.operations.cancel(&foreign, &operation.id).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OperationNotFound);
    assert!(!server.operations.get(&context(), &operation.id).await.unwrap().cancel_requested);
}
