//! A client for servers with LibreTranslate's protocol: `POST /translate` with a list of texts.

use std::io::ErrorKind;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::error::excerpt;
use super::{TranslateError, Translator, check_whole, split_pair};

/// The most texts in a request, because servers refuse long lists.
const TEXTS: usize = 32;
/// The longest answer that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// A translator between two languages of a server.
#[derive(Debug)]
pub struct LibreTranslate {
    agent: Agent,
    url: String,
    /// The address as messages show it (see [`without_secrets`]).
    shown: String,
    source: String,
    target: String,
    name: String,
    timeout: Duration,
}

/// The answer of the server.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(rename = "translatedText")]
    translated_text: Vec<String>,
}

impl LibreTranslate {
    /// A translator for `pair` (such as `en-es`, by the names that the server uses) with the server at `url`. A
    /// request of at most 32 texts may take `timeout`. With https the system must trust the certificate of the server.
    ///
    /// # Errors
    /// If the address or the pair is not valid.
    pub fn new(url: &str, pair: &str, timeout: Duration) -> Result<Self, TranslateError> {
        let (source, target) = split_pair(pair)?;
        let bad = |reason: &str| {
            Err(TranslateError::BadUrl { url: without_secrets(url), reason: reason.to_owned() })
        };
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            return bad("an address begins with http:// or https://, as in http://localhost:5000");
        }
        let url = url.trim_end_matches('/');
        let url = format!("{}/translate", url.strip_suffix("/translate").unwrap_or(url));
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .build()
            .new_agent();
        let shown = without_secrets(&url);
        let name = format!("{shown} {source}:{target}");
        let (source, target) = (source.to_owned(), target.to_owned());
        Ok(Self { agent, url, shown, source, target, name, timeout })
    }

    /// The translations of texts that fit one request.
    fn request(&self, texts: &[String]) -> Result<Vec<String>, TranslateError> {
        let body = json!({
            "q": texts, "source": self.source, "target": self.target, "format": "text",
        });
        let sent = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .send(body.to_string());
        let mut response = sent.map_err(|error| self.failed(&error, texts))?;
        let status = response.status().as_u16();
        let read = response.body_mut().with_config().limit(LONGEST).read_to_vec();
        let bytes = read.map_err(|error| self.failed(&error, texts))?;
        if status != 200 {
            let message = match serde_json::from_slice::<Value>(&bytes) {
                Ok(value) if value["error"].is_string() => {
                    value["error"].as_str().unwrap_or_default().to_owned()
                }
                _ => String::from_utf8_lossy(&bytes).into_owned(),
            };
            return Err(TranslateError::Status {
                url: self.shown.clone(),
                status,
                said: excerpt(&message),
            });
        }
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|error| TranslateError::BadAnswer {
                url: self.shown.clone(),
                reason: format!("{error} in `{}`", excerpt(&String::from_utf8_lossy(&bytes))),
            })?;
        check_whole(&self.name, texts, &answer.translated_text)?;
        Ok(answer.translated_text)
    }

    fn failed(&self, error: &ureq::Error, texts: &[String]) -> TranslateError {
        let url = self.shown.clone();
        match error {
            ureq::Error::Timeout(_) => TranslateError::Slow {
                by: self.name.clone(),
                seconds: self.timeout.as_secs_f64(),
                answered: 0,
                asked: texts.len(),
            },
            ureq::Error::BodyExceedsLimit(limit) => {
                let reason = format!("its answer is longer than {limit} bytes");
                TranslateError::BadAnswer { url, reason }
            }
            ureq::Error::Tls(reason) => TranslateError::Tls { url, reason: (*reason).to_owned() },
            ureq::Error::Rustls(error) => TranslateError::Tls { url, reason: error.to_string() },
            // rustls reports problems of the TLS handshake as errors of the stream.
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                TranslateError::Tls { url, reason: error.to_string() }
            }
            error => {
                let reason = error.to_string().replace(&self.url, &url);
                TranslateError::Unreachable { url, reason }
            }
        }
    }
}

impl Translator for LibreTranslate {
    fn name(&self) -> &str {
        &self.name
    }

    fn translate(&mut self, texts: &[String]) -> Result<Vec<String>, TranslateError> {
        let mut answers = Vec::with_capacity(texts.len());
        for part in texts.chunks(TEXTS) {
            answers.extend(self.request(part)?);
        }
        Ok(answers)
    }
}

/// An address without the name and password before its `@` and without the values of its query. Messages show it, and
/// they end up in logs.
fn without_secrets(url: &str) -> String {
    let (address, query) = url.split_once(['?', '#']).map_or((url, ""), |(a, q)| (a, q));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let shown_host =
        host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("***@{host}"));
    let separator = if scheme.is_empty() { "" } else { "://" };
    let shown_query = if query.is_empty() { "" } else { "?***" };
    format!("{scheme}{separator}{shown_host}{path}{shown_query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (url, expected) in [
            ("http://localhost:5000/translate", "http://localhost:5000/translate"),
            ("https://me:secret@host:1/x", "https://***@host:1/x"),
            ("https://me:se@cret@host/x@y", "https://***@host/x@y"),
            ("https://host/translate?api_key=secret", "https://host/translate?***"),
            ("me:secret@host", "***@host"),
            ("ftp://me:secret@", "ftp://***@"),
        ] {
            assert_eq!(without_secrets(url), expected);
        }
    }

    #[test]
    fn no_error_tells_the_password() {
        let timeout = Duration::from_secs(2);
        let bad = LibreTranslate::new("ftp://me:secret@host", "en-de", timeout).unwrap_err();
        let server = LibreTranslate::new("http://me:secret@127.0.0.1:9", "en-de", timeout).unwrap();
        let refused = server.request(&["a".to_owned()]).unwrap_err();
        for error in [bad.to_string(), refused.to_string(), server.name.clone()] {
            assert!(!error.contains("secret") && error.contains("***"), "{error}");
        }
    }
}
