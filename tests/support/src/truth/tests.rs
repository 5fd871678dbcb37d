//! The recorder against an apiserver that answers with bytes written down here.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const LIST: &str = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},
    "items":[{"metadata":{"namespace":"n","name":"b","uid":"2","resourceVersion":"6"}},
             {"metadata":{"namespace":"n","name":"a","uid":"1","resourceVersion":"4"}}]}"#;

/// Answers the list with `LIST` and the watch with `lines`, then closes if `close`.
async fn client(lines: &'static str, close: bool) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.expect("a request"));
            }
            let watch = String::from_utf8_lossy(&head).contains("watch=1");
            let body = if watch { lines } else { LIST };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n{body}"
            );
            socket
                .write_all(answer.as_bytes())
                .await
                .expect("the client reads");
            if watch && !close {
                held.push(socket);
            }
        }
    });
    let uri = format!("http://{address}").parse().expect("a uri");
    Client::try_from(kube::Config::new(uri)).expect("a client")
}

#[tokio::test]
async fn the_history_begins_with_the_list_and_knows_what_was_before() {
    let lines = concat!(
        r#"{"type":"MODIFIED","object":{"metadata":{"namespace":"n","name":"a","uid":"1","resourceVersion":"9"}}}"#,
        "\n",
        r#"{"type":"DELETED","object":{"metadata":{"namespace":"n","name":"b","uid":"2","resourceVersion":"11"}}}"#,
        "\n",
        r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"15"}}}"#,
        "\n"
    );
    let client = client(lines, false).await;
    let watcher = TruthWatcher::start(client, "/api/v1/pods", "pods")
        .await
        .expect("it starts");
    let commits = watcher.stop_at(15).await.expect("it holds").commits;
    let versions: Vec<_> = commits.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, [4, 6, 9, 11]);
    assert_eq!(commits[0].current.as_ref().expect("a state")["kind"], "Pod");
    assert_eq!(commits[2].previous, commits[0].current);
    assert_eq!(
        (&commits[3].previous, &commits[3].current),
        (&commits[1].current, &None)
    );
}

#[tokio::test]
async fn a_broken_watch_is_an_error() {
    let client = client("", true).await;
    let watcher = TruthWatcher::start(client, "/api/v1/pods", "pods")
        .await
        .expect("it starts");
    let error = watcher
        .stop_at(9)
        .await
        .expect_err("nothing may be missing unseen");
    assert!(
        matches!(error, TruthError::Broken { after: 7, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_error_event_is_an_error() {
    let line = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n";
    let client = client(line, false).await;
    let watcher = TruthWatcher::start(client, "/api/v1/pods", "pods")
        .await
        .expect("it starts");
    let error = watcher.stop_at(9).await.expect_err("an error is no event");
    assert!(error.to_string().contains("410"), "{error}");
}
