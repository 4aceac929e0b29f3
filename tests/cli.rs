//! The real binary from outside: exit codes, the socket of the admin API, pipes that close, and
//! the consumer that listens.

// A test's helper may end the test.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

fn hookrelay() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookrelay"));
    // Nothing of the machine's own set-up may decide.
    command.env_clear();
    command
}

fn run(words: &[&str], socket: &Path) -> Output {
    hookrelay()
        .args(words)
        .env("HOOKRELAY_ADMIN__SOCKET", socket)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Answers one request on `socket` and gives what was asked.
fn daemon(socket: &Path, status: &'static str, body: &'static str) -> thread::JoinHandle<String> {
    let asked = pages(socket, vec![(status, body)]);
    thread::spawn(move || asked.join().unwrap().concat())
}

/// Answers requests on `socket` one after the other, each on its own connection, and gives what
/// was asked.
fn pages(
    socket: &Path,
    answers: Vec<(&'static str, &'static str)>,
) -> thread::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let answered = answers.into_iter().map(|(status, body)| {
            let (stream, _) = listener.accept().unwrap();
            answer(stream, status, body)
        });
        answered.collect()
    })
}

fn answer(mut stream: UnixStream, status: &str, body: &str) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut asked = vec![0; length];
    reader.read_exact(&mut asked).unwrap();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    format!("{}{}", head.lines().next().unwrap(), text(&asked))
}

#[test]
fn account_add_prints_the_daemons_object_for_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let body = r#"{"account":"a1","name":"shop","ai_login_id":"l","ai_login_password":"p","comm_key":"c","api_key":"k"}"#;
    let asked = daemon(&socket, "201 Created", body);
    let output = run(&["account", "add", "shop", "--json"], &socket);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), format!("{body}\n"));
    assert_eq!(
        asked.join().unwrap(),
        r#"POST /admin/v1/accounts HTTP/1.1{"name":"shop"}"#
    );
}

#[test]
fn a_list_of_several_pages_is_one_list() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let first = r#"{"endpoints":[{"endpoint":"e1"}],"next":"e1"}"#;
    let second = r#"{"endpoints":[{"endpoint":"e2"}],"next":null}"#;
    let asked = pages(&socket, vec![("200 OK", first), ("200 OK", second)]);
    let output = run(&["endpoint", "list", "-a", "shop", "--json"], &socket);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["endpoints"][1]["endpoint"], "e2");
    let path = "GET /admin/v1/accounts/shop/endpoints";
    assert_eq!(
        asked.join().unwrap(),
        [
            format!("{path} HTTP/1.1"),
            format!("{path}?after=e1 HTTP/1.1")
        ]
    );
}

#[test]
fn the_socket_comes_from_the_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let file = folder.path().join("h.toml");
    std::fs::write(&file, format!("[admin]\nsocket = {socket:?}\n")).unwrap();
    let asked = daemon(&socket, "204 No Content", "");
    let output = hookrelay()
        .args(["endpoint", "hold", "e1", "-a", "shop", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "on hold\n");
    assert!(
        asked
            .join()
            .unwrap()
            .starts_with("POST /admin/v1/accounts/shop/endpoints/e1/hold ")
    );
}

#[test]
fn an_error_answer_is_told_with_its_field_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let body = r#"{"error":{"code":"invalid","message":"Not an absolute URL","field":"url"}}"#;
    let asked = daemon(&socket, "400 Bad Request", body);
    let output = run(&["endpoint", "add", "-a", "shop", "--url", "x"], &socket);
    asked.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(
        text(&output.stderr),
        "error: Not an absolute URL (field url)\n"
    );
}

#[test]
fn an_absent_daemon_is_exit_code_3_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let absent = run(&["status"], &socket);
    assert_eq!(absent.status.code(), Some(3));
    assert!(text(&absent.stderr).contains("hookrelay serve"));
    // A socket that a dead daemon left behind.
    drop(UnixListener::bind(&socket).unwrap());
    let dead = run(&["queue", "--json"], &socket);
    assert_eq!(dead.status.code(), Some(3));
    assert!(text(&dead.stderr).contains("nobody listens"));
    assert_eq!(text(&dead.stdout), "");
}

#[test]
fn wrong_usage_is_exit_code_2_and_help_is_0() {
    let nowhere = Path::new("/nonexistent");
    for words in [
        &["nonsense"][..],
        &[],
        &["send"],
        &["endpoint", "add", "--account", "a"],
        &["listen", "--login", "a"],
        &["listen", "--reply", "nicely"],
        &["endpoint", "set", "e", "-a", "s", "--auth-lifetime", "5"],
    ] {
        let output = run(words, nowhere);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(!output.stderr.is_empty());
    }
    for words in [
        &["--help"][..],
        &["endpoint", "add", "--help"],
        &["--version"],
    ] {
        assert_eq!(run(words, nowhere).status.code(), Some(0), "{words:?}");
    }
}

#[test]
fn check_config_tells_all_mistakes_and_exits_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.toml");
    std::fs::write(&file, "[http]\nlistn = 1\n[log]\nlevel = 'x'\n").unwrap();
    let file = file.to_str().unwrap();
    let nowhere = Path::new("/nonexistent");
    let wrong = run(&["check-config", file], nowhere);
    assert_eq!(wrong.status.code(), Some(1));
    let said = text(&wrong.stderr);
    assert!(
        said.contains("2 mistakes") && said.contains("did you mean http.listen?"),
        "{said}"
    );
    let wrong = run(&["check-config", file, "--json"], nowhere);
    let value: serde_json::Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(value["mistakes"].as_array().unwrap().len(), 2);

    std::fs::write(file, "[log]\nlevel = 'warn'\n").unwrap();
    let right = run(
        &["check-config", file, "--set", "retry.initial=1 s"],
        nowhere,
    );
    assert_eq!(right.status.code(), Some(0));
    let said = text(&right.stdout);
    assert!(
        said.contains("log.level = \"warn\"") && said.contains("(flag --set)"),
        "{said}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = hookrelay()
        .args(["check-config", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn listen_proves_itself_confirms_and_sums_up_at_the_end() {
    let mut child = hookrelay()
        .args(["listen", "--login", "apiuser", "--password", "APIuser123"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    let first = line();
    let address = first
        .strip_prefix("listening on http://")
        .and_then(|rest| rest.strip_suffix('/'))
        .unwrap()
        .to_owned();
    let post = |body: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let proof = post(r#"{"request":"authenticate","key":"5f2c9a0e41d7b8836e1fa4c2d90b7735"}"#);
    assert!(
        proof.contains("179fbd314d16a6020043129a71294cc9"),
        "{proof}"
    );
    assert_eq!(line(), "#1 / authenticate, with key -> MD5 proof");
    let answer = post(r#"{"request":"delivery","messages":[{"type":"generic","data":"Hello"}]}"#);
    assert!(answer.ends_with(r#"{"status":"OK"}"#), "{answer}");
    assert_eq!(line(), "#2 / delivery, 1 message -> OK");
    assert_eq!(line(), "     generic  (no id)  \"Hello\"");

    let stop = Command::new("kill").arg(child.id().to_string()).status();
    assert!(stop.unwrap().success());
    assert_eq!(
        line(),
        "2 requests: 1 authenticate, 1 deliveries with 1 messages (1 confirmed, 0 seen before)"
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn json_is_either_spoken_or_refused() {
    let mut child = hookrelay()
        .args(["listen", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line =
        || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let url = line()["listening"].as_str().unwrap().to_owned();
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let body = r#"{"request":"delivery","messages":[{"type":"generic","data":"Hello"}]}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let arrival = line();
    assert_eq!(arrival["request"], "delivery");
    assert_eq!(arrival["messages"][0]["data"], "Hello");
    let stop = Command::new("kill").arg(child.id().to_string()).status();
    assert!(stop.unwrap().success());
    assert_eq!(line()["summary"]["messages"], 1);
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let demo = hookrelay()
        .args(["demo", "--exit", "--json"])
        .output()
        .unwrap();
    assert_eq!(
        (demo.status.code(), text(&demo.stdout).as_str()),
        (Some(2), "")
    );
    assert!(text(&demo.stderr).contains("--json"));
}

/// `serve --json` writes its log as JSON lines, whatever the configuration says.
#[test]
fn serve_with_json_logs_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let mut child = hookrelay()
        .args(["serve", "--json", "--set", "log.format=human"])
        .env("HOOKRELAY_STORE__PATH", file("data"))
        .env("HOOKRELAY_ADMIN__SOCKET", file("admin.sock"))
        .env("HOOKRELAY_HTTP__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let serves = lines.by_ref().map(|line| {
        let line = line.unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|_| panic!("{line}"))
    });
    let mut serves = serves.filter(|line| line["message"] == "hookrelay serves");
    assert!(serves.next().is_some());
    drop(serves);
    let stop = Command::new("kill").arg(child.id().to_string()).status();
    assert!(stop.unwrap().success());
    assert!(lines.all(|line| line.unwrap().starts_with('{')));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
