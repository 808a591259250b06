//! A TLS server that implements LibreTranslate's protocol, with a self-signed certificate.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::{Value, json};

/// The address of the server, and its certificate.
pub(crate) struct TlsServer {
    pub(crate) url: String,
    /// The certificate in PEM format.
    pub(crate) certificate: String,
}

/// Starts a server that returns each text in capitals.
pub(crate) fn tls_server() -> TlsServer {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that does not trust the certificate closes the connection.
            let _ = answer(&config, &mut stream.unwrap());
        }
    });
    TlsServer { url, certificate: own.cert.pem() }
}

/// One request and its answer.
fn answer(config: &Arc<ServerConfig>, stream: &mut TcpStream) -> std::io::Result<()> {
    let mut connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = Stream::new(&mut connection, stream);
    let mut reader = BufReader::new(&mut stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body)?;
    let texts = request["q"].as_array().into_iter().flatten();
    let answers: Vec<String> = texts.map(|text| text.as_str().unwrap().to_uppercase()).collect();
    let body = json!({ "translatedText": answers }).to_string();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}
