//! Stand-ins for translators: programs made of a few lines of shell, and an HTTP server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use sst_data::augment::translate::{TranslateError, Translator};
use tempfile::TempDir;

/// A program `apertium` in a folder of its own.
pub(super) struct Program {
    folder: TempDir,
}

impl Program {
    /// A bash script.
    pub(super) fn new(script: &str) -> Self {
        let program = Self { folder: tempfile::tempdir().unwrap() };
        // Another process writes the script, because a file that this process has open for writing cannot be executed.
        let mut write = Command::new("sh")
            .args(["-c", "cat > apertium && chmod +x apertium"])
            .current_dir(program.folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!("#!/usr/bin/env bash\n{script}\n");
        write.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(write.wait().unwrap().success());
        program
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("apertium")
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A translator that applies `f` to each text, and records the texts that it gets.
pub(super) struct Fake<F> {
    pub(super) f: F,
    pub(super) asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl<F> Fake<F> {
    pub(super) fn new(f: F) -> Self {
        Self { f, asked: std::sync::Arc::default() }
    }
}

impl<F: Fn(&str) -> String + Send> Translator for Fake<F> {
    fn name(&self) -> &str {
        "fake a-b"
    }

    fn translate(&mut self, texts: &[String]) -> Result<Vec<String>, TranslateError> {
        self.asked.lock().unwrap().extend_from_slice(texts);
        Ok(texts.iter().map(|text| (self.f)(text)).collect())
    }
}

/// Starts a server and returns its address. It answers each request with the result of `answer` for the JSON of the
/// request: a status, a body, and a delay.
pub(super) fn server(
    answer: impl Fn(&Value) -> (u16, String, Duration) + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut length, mut first) = (0, String::new());
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            assert_eq!(first.trim(), "POST /translate HTTP/1.1");
            let (status, body, delay) = answer(&serde_json::from_slice(&body).unwrap());
            thread::sleep(delay);
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n",
                body.len()
            );
            // The client may have timed out by now.
            let _ =
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    address
}

/// Starts a server without TLS and returns an https address for it. It answers in plain text, and sends the first byte
/// that it gets through the channel.
pub(super) fn plain_server() -> (String, Receiver<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
        send.send(first[0]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    (address, receive)
}

/// The texts of a request.
pub(super) fn texts(request: &Value) -> Vec<&str> {
    request["q"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}
