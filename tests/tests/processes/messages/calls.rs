//! Requests and their replies.

use std::time::Duration;

use everport::messages::{CallError, Message, Peer};
use everport_tests::{Kind, for_each_kind};
use serde_json::{Value, json};

use super::scene::{LONG, Scene, error_of};

for_each_kind!(
    async everybody_calls_everybody,
    a_call_that_nobody_answers_fails_at_once,
    a_call_ends_with_its_deadline_and_a_panic_with_its_words,
    an_answer_of_another_type_is_an_error_that_says_so,
);

async fn everybody_calls_everybody(kind: Kind) {
    let scene = Scene::ready(kind, 2).await;
    let workers = scene.workers().await;
    let answer = scene.call(workers[0], "echo", &json!("down")).await;
    assert_eq!(answer.unwrap(), "down");
    let hear = async |asked: Message<String>| format!("{} said {}", asked.from, asked.value);
    scene.handle.answer("hear", hear).unwrap();
    let order = json!({ "do": "call", "event": "hear", "value": "up" });
    let answer = scene.order(workers[0], order).await;
    assert_eq!(answer, format!("{} said up", Peer::Worker(workers[0])));
    let order = json!({ "do": "call", "to": workers[1].0, "event": "echo", "value": "across" });
    assert_eq!(scene.order(workers[0], order).await, "across");
    let itself = json!({ "do": "call", "to": workers[0].0, "event": "echo", "value": "itself" });
    assert_eq!(scene.order(workers[0], itself).await, "itself");
}

async fn a_call_that_nobody_answers_fails_at_once(kind: Kind) {
    let scene = Scene::ready(kind, 2).await;
    let workers = scene.workers().await;
    let answer = scene.call(workers[0], "no such event", &json!(1)).await;
    assert!(
        matches!(answer, Err(CallError::NobodyAnswers { .. })),
        "{answer:?}"
    );
    for to in [json!(null), json!(workers[1].0)] {
        let order = json!({ "do": "call", "to": to, "event": "no such event" });
        let answer = scene.order(workers[0], order).await;
        let error = error_of(&answer);
        assert!(
            error.contains("answers no requests of the event"),
            "{error}"
        );
    }
}

async fn a_call_ends_with_its_deadline_and_a_panic_with_its_words(kind: Kind) {
    let scene = Scene::ready(kind, 2).await;
    let workers = scene.workers().await;
    let deadline = Duration::from_millis(50);
    let answer: Result<Value, _> = scene.handle.call(workers[0], "never", &(), deadline).await;
    assert!(
        matches!(answer, Err(CallError::TimedOut(told)) if told == deadline),
        "{answer:?}"
    );
    let order = json!({ "do": "call", "to": workers[1].0, "event": "never", "deadline": 50 });
    let answer = scene.order(workers[0], order).await;
    assert_eq!(error_of(&answer), "no answer came within 50ms");
    let answer = scene.call(workers[0], "panic", &json!(null)).await;
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("told to panic"), "{error}");
    let answer = scene.call(workers[0], "echo", &json!("alive")).await;
    assert_eq!(answer.unwrap(), "alive");
}

async fn an_answer_of_another_type_is_an_error_that_says_so(kind: Kind) {
    let scene = Scene::ready(kind, 1).await;
    let worker = scene.workers().await[0];
    let answer: Result<u32, _> = scene.handle.call(worker, "echo", "no number", LONG).await;
    assert!(
        matches!(answer, Err(CallError::Decode { .. })),
        "{answer:?}"
    );
    let answer = scene.call(worker, "long", &json!("no number")).await;
    assert!(
        matches!(answer, Err(CallError::Failed { .. })),
        "{answer:?}"
    );
}
