//! Each text gets its own translation, or there is an error that states the reason.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use sst_data::augment::translate::{Apertium, Cached, LibreTranslate, TranslateError, Translator};

use super::fake::{Fake, Program, plain_server, server, texts};

const PATIENCE: Duration = Duration::from_secs(20);
const NO_TIME: Duration = Duration::ZERO;

/// A script that returns each text unchanged, except `hello`, which becomes `hola`.
const WORKS: &str = r#"while IFS= read -r -d '' text; do printf '%s\0' "${text/hello/hola}"; done"#;

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn apertium(program: &Program, timeout: Duration) -> Apertium {
    Apertium::new(program.path(), "eng-spa", timeout).unwrap()
}

/// The error if a program runs `script` when it gets three texts.
fn fails(script: &str, timeout: Duration) -> TranslateError {
    let program = Program::new(script);
    let mut translator = apertium(&program, timeout);
    let error = translator.translate(&strings(&["one", "two", "three"])).unwrap_err();
    // A process that lost its place is not used again.
    assert!(translator.translate(&strings(&["one", "two", "three"])).is_err());
    error
}

#[test]
fn one_process_translates_batch_after_batch() {
    let program =
        Program::new(&format!("echo \"$$ $@\" >> \"$(dirname \"$0\")/started\"\n{WORKS}"));
    let mut translator = apertium(&program, PATIENCE);
    assert_eq!(translator.name(), "apertium eng-spa");
    assert!(translator.translate(&[]).unwrap().is_empty());
    assert!(!program.folder().join("started").exists(), "nothing to do starts nothing");
    let answers = translator.translate(&strings(&["hello [x] <b> $5^2\\", "  two. "])).unwrap();
    assert_eq!(answers, ["hola [x] <b> $5^2\\", "two."]);
    assert_eq!(translator.translate(&strings(&["hello\nthere"])).unwrap(), ["hola there"]);
    let started = fs::read_to_string(program.folder().join("started")).unwrap();
    assert_eq!(started.lines().count(), 1);
    assert!(started.trim_end().ends_with(" -u -z -f none eng-spa"), "{started}");
}

#[test]
fn a_large_batch_does_not_block() {
    let program = Program::new(WORKS);
    let texts: Vec<String> = (0..3000).map(|i| format!("{i} {}", "word ".repeat(100))).collect();
    let answers = apertium(&program, PATIENCE).translate(&texts).unwrap();
    let trimmed: Vec<&str> = texts.iter().map(|text| text.trim()).collect();
    assert_eq!(answers, trimmed);
}

#[test]
fn a_program_that_is_killed_is_an_error() {
    let script = "IFS= read -r -d '' text; printf '%s\\0' \"$text\"; echo gone >&2; kill -9 $$";
    let error = fails(script, PATIENCE);
    let message = error.to_string();
    assert!(matches!(error, TranslateError::Died { answered: 1, asked: 3, .. }), "{message}");
    assert!(message.contains("signal: 9") && message.ends_with(": gone"), "{message}");
}

/// The script behaves like a pipeline in which one program was killed: the programs before it wait for the end of
/// their input, and one after it holds the last text that came through.
#[test]
fn a_broken_pipeline_is_distinguished_from_a_hanging_program() {
    let script = |status: i32| {
        format!(
            "IFS= read -r -d '' one; IFS= read -r -d '' two; printf '%s\\0' \"$one\"; cat >/dev/null; \
             printf '%s\\0' \"$two\"; exit {status}"
        )
    };
    let error = fails(&script(137), Duration::from_millis(500));
    let message = error.to_string();
    assert!(matches!(error, TranslateError::Died { answered: 1, asked: 3, .. }), "{message}");
    assert!(message.contains("exit status: 137"), "{message}");
    let error = fails(&script(0), Duration::from_millis(500));
    assert!(matches!(error, TranslateError::Slow { answered: 1, asked: 3, .. }), "{error}");
}

#[test]
fn a_program_that_fails_says_why() {
    let error = fails("echo 'Error: Mode eng-spa does not exist.' >&2; exit 3", PATIENCE);
    let message = error.to_string();
    assert!(matches!(error, TranslateError::Died { answered: 0, asked: 3, .. }), "{message}");
    assert!(message.contains("exit status: 3") && message.contains("Mode eng-spa does not exist"));
}

#[test]
fn a_program_that_is_missing_says_what_to_install() {
    let mut translator = Apertium::new("no-such-program", "eng-spa", PATIENCE).unwrap();
    let message = translator.translate(&strings(&["a"])).unwrap_err().to_string();
    assert!(message.contains("cannot start no-such-program"), "{message}");
    assert!(message.contains("apt-get install apertium"), "{message}");
}

#[test]
fn too_few_answers_are_noticed_at_the_first_that_is_wrong() {
    let skips = "n=0; while IFS= read -r -d '' text; do n=$((n+1)); \
                 [ $n = 2 ] || printf '%s\\0' \"$text\"; done";
    let error = fails(skips, PATIENCE);
    let message = error.to_string();
    assert!(matches!(error, TranslateError::OutOfStep { expected: 2, .. }), "{message}");
    assert!(message.contains("`three`, of text 3"), "{message}");
}

#[test]
fn too_many_answers_are_noticed() {
    let doubles = "while IFS= read -r -d '' text; do printf '%s\\0' \"$text\" \"$text\"; done";
    let error = fails(doubles, PATIENCE);
    let message = error.to_string();
    assert!(matches!(error, TranslateError::OutOfStep { expected: 2, .. }), "{message}");
    assert!(message.contains("`one`, of text 1"), "{message}");
}

/// An extra answer for the last text of a batch is detected by the next batch.
#[test]
fn an_answer_too_many_does_not_pass_to_the_next_batch() {
    let doubles = "n=0; while IFS= read -r -d '' text; do printf '%s\\0' \"$text\"; n=$((n+1)); \
                   [ $n = 1 ] && printf '%s\\0' \"$text\"; done";
    let program = Program::new(doubles);
    let mut translator = apertium(&program, PATIENCE);
    assert_eq!(translator.translate(&strings(&["one"])).unwrap(), ["one"]);
    let error = translator.translate(&strings(&["two"])).unwrap_err();
    assert!(matches!(error, TranslateError::OutOfStep { .. }), "{error}");
}

#[test]
fn answers_without_a_number_are_noticed() {
    let error = fails("while IFS= read -r -d '' text; do printf 'hola\\0'; done", PATIENCE);
    assert!(error.to_string().contains("`hola`, which has no number"), "{error}");
    let empty =
        "while IFS= read -r -d '' text; do printf '[][sst %s\\0' \"${text##*\\[sst }\"; done";
    let error = fails(empty, PATIENCE);
    assert!(matches!(&error, TranslateError::Lost { text, .. } if text == "one"), "{error}");
}

#[test]
fn a_program_that_hangs_is_ended_with_its_children() {
    let program = Program::new("echo $$ > \"$(dirname \"$0\")/pid\"; sleep 600 | sleep 600");
    let start = Instant::now();
    let mut translator = apertium(&program, Duration::from_millis(500));
    let error = translator.translate(&strings(&["one", "two"])).unwrap_err();
    assert!(matches!(error, TranslateError::Slow { answered: 0, asked: 2, .. }), "{error}");
    assert!(error.to_string().contains("said nothing for 0.5 s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
    let pid = fs::read_to_string(program.folder().join("pid")).unwrap();
    let mut group = std::process::Command::new("kill");
    group.args(["-0", "--", &format!("-{}", pid.trim())]).stderr(std::process::Stdio::null());
    // Another process has to reap the children, which may take a moment.
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        !group.status().unwrap().success()
    });
    assert!(gone, "the children of the program still run");
}

#[test]
fn a_server_translates_in_requests_of_a_limited_size() {
    let url = server(|request| {
        assert!(texts(request).len() <= 32);
        assert_eq!((&request["source"], &request["target"]), (&json!("en"), &json!("zh-Hans")));
        assert_eq!(request["format"], "text");
        let answers: Vec<String> = texts(request).iter().map(|text| format!("{text}!")).collect();
        (200, json!({"translatedText": answers}).to_string(), NO_TIME)
    });
    let mut translator = LibreTranslate::new(&format!("{url}/"), "en:zh-Hans", PATIENCE).unwrap();
    let asked: Vec<String> = (0..70).map(|i| format!("text \"{i}\"\n一")).collect();
    let answers = translator.translate(&asked).unwrap();
    assert!(answers.len() == 70 && answers.iter().zip(&asked).all(|(a, b)| *a == format!("{b}!")));
    assert!(translator.translate(&[]).unwrap().is_empty());
}

/// The error if a server gives this answer to two texts.
fn server_fails(status: u16, body: &str, delay: Duration) -> TranslateError {
    let body = body.to_owned();
    let url = server(move |_| (status, body.clone(), delay));
    let mut translator = LibreTranslate::new(&url, "en-es", Duration::from_millis(700)).unwrap();
    translator.translate(&strings(&["one", "two"])).unwrap_err()
}

#[test]
fn a_server_that_is_wrong_is_an_error() {
    let check = |status, body: &str, expected: &str| {
        let error = server_fails(status, body, NO_TIME).to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(200, r#"{"translatedText":["uno"]}"#, "1 translations to 2 texts");
    check(200, r#"{"translatedText":["uno","dos","tres"]}"#, "3 translations to 2 texts");
    check(200, r#"{"translatedText":["uno"," "]}"#, "gave nothing back for `two`");
    check(200, r#"{"translatedText":"uno"}"#, "does not answer as LibreTranslate does");
    check(200, "<html>busy</html>", "does not answer as LibreTranslate does");
    check(200, "", "does not answer as LibreTranslate does");
    check(400, r#"{"error":"es is not supported"}"#, "status 400: es is not supported");
    check(500, "<html>oops</html>", "status 500: <html>oops</html>");
    check(302, "", "status 302");
}

#[test]
fn a_server_that_is_slow_or_absent_is_an_error() {
    let start = Instant::now();
    let answer = r#"{"translatedText":["uno","dos"]}"#;
    let error = server_fails(200, answer, Duration::from_secs(5));
    assert!(matches!(error, TranslateError::Slow { asked: 2, .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(4));
    // This port was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut translator = LibreTranslate::new(&url, "en-es", PATIENCE).unwrap();
    let error = translator.translate(&strings(&["one"])).unwrap_err();
    assert!(matches!(error, TranslateError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&url));
}

#[test]
fn a_server_without_tls_at_an_https_address_is_an_error() {
    let (url, first) = plain_server();
    let mut translator = LibreTranslate::new(&url, "en-es", PATIENCE).unwrap();
    let error = translator.translate(&strings(&["one"])).unwrap_err();
    // This is the first byte of a TLS record with a handshake (RFC 8446, section 5.1).
    assert_eq!(first.recv().unwrap(), 22);
    let message = error.to_string();
    assert!(matches!(error, TranslateError::Tls { .. }), "{message}");
    assert!(message.contains(&url) && message.contains("whether https is spoken"), "{message}");
}

#[test]
fn cached_translations_are_not_requested_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let fake = Fake::new(|text: &str| text.to_uppercase());
        let asked = fake.asked.clone();
        (Cached::new(fake, folder.path().join("kept")), asked)
    };
    let (mut first, asked) = open();
    assert_eq!(first.translate(&strings(&["a", "b", "a"])).unwrap(), ["A", "B", "A"]);
    let (mut second, asked_again) = open();
    assert_eq!(second.translate(&strings(&["c", "b", "a"])).unwrap(), ["C", "B", "A"]);
    assert_eq!(
        (asked.lock().unwrap().len(), &asked_again.lock().unwrap()[..]),
        (3, &strings(&["c"])[..])
    );

    // A file with any kind of damage is written again.
    let files: Vec<_> = fs::read_dir(folder.path().join("kept"))
        .unwrap()
        .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 3);
    let whole: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    sst_data::atomic::write(&files[0], &whole[0][..10]).unwrap();
    sst_data::atomic::write(&files[1], &whole[2]).unwrap();
    sst_data::atomic::write(&files[2], b"\xff\0").unwrap();
    let (mut third, asked) = open();
    assert_eq!(third.translate(&strings(&["a", "b", "c"])).unwrap(), ["A", "B", "C"]);
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert_eq!(whole, files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>());
}

#[test]
fn a_failed_batch_is_not_cached() {
    let folder = tempfile::tempdir().unwrap();
    let mut cached = Cached::new(Fake::new(|text: &str| text.replace("bad", "")), folder.path());
    assert!(cached.translate(&strings(&["good", "bad"])).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
