//! `contacts import` with the real binary: columns, bad rows, resumption, bounds.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Output, Stdio};

use crate::daemon::{Place, Program, serve};

fn import(place: &Place, words: &[&str]) -> Output {
    let mut command = place.command("hookrelay");
    command
        .args(["contacts", "import", "-a", "shop"])
        .args(words);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn shop() -> (Place, Program) {
    let place = Place::new();
    let (daemon, _) = serve(&place, &[]);
    place.ask(&["account", "add", "shop"]);
    (place, daemon)
}

fn write(place: &Place, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = place.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_is_imported_with_its_bad_rows_told_and_again_without_change() {
    let (place, daemon) = shop();
    let file = write(
        &place,
        "people.csv",
        "\u{feff}Number,E-Mail,Fname,lastName,Custom:12,note\r\n\
         +15551234567,jane@example.com,Jane,\"Smith, Dr.\",blue,\"two\r\nlines\"\r\n\
         5551234567,,No,Country,,\r\n\
         ,only@mail.example,Mail,,,\r\n\
         \r\n\
         ,,No,Body,,\r\n\
         +1 555 123 4567,other@mail.example,Same,Number,,\r\n\
         +15551234569,,Too,Few\r\n\
         +15551234570,x,Bad,Mail,,\r\n",
    );
    let output = import(&place, &[&file]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "2 created, 1 already there, 4 not imported\n"
    );
    let told: Vec<&str> = text(&output.stderr).lines().collect();
    // A row of a wrong shape is known at once, the others when their commit is answered.
    assert_eq!(told[0], "line 9: it has 4 fields, the first row has 6");
    assert!(
        told[1].starts_with("line 4: phone: is no international phone number"),
        "{told:?}"
    );
    assert_eq!(told[2], "line 7: there is neither a phone nor an email");
    assert_eq!(told[3], "line 10: email: is no e-mail address");
    assert_eq!(told.len(), 4);
    let output = import(&place, &[&file, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "{\"bad\":4,\"created\":0,\"known\":3}\n"
    );
    place.ask(&["account", "set", "shop", "--country-code", "1"]);
    let good = write(
        &place,
        "good.csv",
        "phone;email\n5551234571;\n;only@mail.example\n",
    );
    let output = import(&place, &[&good, "--delimiter", ";"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "1 created, 1 already there, 0 not imported\n"
    );
    assert_eq!(text(&output.stderr), "");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_no_import_begins_with() {
    let (place, daemon) = shop();
    for (content, words, why) in [
        (
            &b""[..],
            &[][..],
            "it is empty; its first row must name the columns",
        ),
        (
            b"first_name,last_name\nA,B\n",
            &[],
            "neither a column phone nor a column email",
        ),
        (b"phone,shoe\n", &[], "the column \"shoe\" is not known"),
        (
            b"phone;email\n",
            &[],
            "name what stands between them with --delimiter",
        ),
        (
            b"phone,Number\n",
            &[],
            "the column \"Number\" is there twice",
        ),
        (b"phone,\xff\n", &[], "its first row is not UTF-8"),
    ] {
        let file = write(&place, "f.csv", content);
        let output = import(&place, &[&[file.as_str()], words].concat());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with("error: ") && told.contains(why), "{told}");
    }
    let output = import(&place, &["none.csv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("none.csv cannot be opened"));
    let output = import(&place, &["f.csv", "--delimiter", "ab"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("write one character"));
    let file = write(&place, "f.csv", "phone,shoe\n+15551234567,42\n");
    let output = import(&place, &[&file, "--skip-unknown"]);
    assert_eq!(output.status.code(), Some(0));
    let mut elsewhere = place.command("hookrelay");
    let output = elsewhere
        .args(["contacts", "import", &file, "--skip-unknown", "-a", "none"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("There is no such account"));
    assert_eq!(daemon.stop(), Some(0));
    let output = import(&place, &[&file, "--skip-unknown"]);
    assert_eq!(output.status.code(), Some(3));
    let told = text(&output.stderr);
    assert!(
        told.contains("not reachable") && told.contains("0 rows were imported"),
        "{told}"
    );
    assert!(told.contains("Start it again"), "{told}");
}

#[test]
fn a_long_file_goes_in_parts_from_standard_input() {
    let (place, daemon) = shop();
    let mut content = String::from("email,first_name\n");
    for number in 0..1_050 {
        let _ = writeln!(content, "n{number}@b.example,Name {number}");
    }
    let pipe = |content: &[u8]| {
        let mut command = place.command("hookrelay");
        command.args(["contacts", "import", "-", "-a", "shop"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may stop reading early.
        let _ = child.stdin.take().unwrap().write_all(content);
        child.wait_with_output().unwrap()
    };
    let output = pipe(content.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "1050 created, 0 already there, 0 not imported\n"
    );
    // A quote that nobody closes would make one row of all that follows.
    let mut open = String::from("email,first_name\nlast@b.example,\"");
    open.push_str(&"x".repeat(2 << 20));
    let output = pipe(open.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.contains("longer than 512 KiB; is a quote not closed?"),
        "{told}"
    );
    let after = [content.as_bytes(), &b"x\xff@b.example,bad\n"[..]].concat();
    let output = pipe(&after);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "0 created, 1050 already there, 1 not imported\n"
    );
    assert_eq!(text(&output.stderr), "line 1052: it is not UTF-8\n");
    assert_eq!(daemon.stop(), Some(0));
}
