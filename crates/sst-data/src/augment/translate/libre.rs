//! Any server that speaks LibreTranslate's protocol: `POST /translate` with a list of texts.

use std::io::ErrorKind;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::error::excerpt;
use super::{TranslateError, Translator, check_whole, split_pair};

/// Texts in a request: servers refuse long lists.
const TEXTS: usize = 32;
/// The longest answer that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// A pair of languages of a server.
#[derive(Debug)]
pub struct LibreTranslate {
    agent: Agent,
    url: String,
    source: String,
    target: String,
    name: String,
    timeout: Duration,
}

/// What the server answers with.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(rename = "translatedText")]
    translated_text: Vec<String>,
}

impl LibreTranslate {
    /// The `pair` (`en-es`, in the server's own names) of the server at `url`, which may take `timeout`
    /// for a request of at most 32 texts. Over https its certificate must be one that the system trusts.
    ///
    /// # Errors
    /// If the address or the pair cannot be.
    pub fn new(url: &str, pair: &str, timeout: Duration) -> Result<Self, TranslateError> {
        let (source, target) = split_pair(pair)?;
        let bad = |reason: &str| {
            Err(TranslateError::BadUrl { url: url.to_owned(), reason: reason.to_owned() })
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
        let name = format!("{url} {source}:{target}");
        let (source, target) = (source.to_owned(), target.to_owned());
        Ok(Self { agent, url, source, target, name, timeout })
    }

    /// The translations of as many texts as fit a request.
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
            let said = match serde_json::from_slice::<Value>(&bytes) {
                Ok(value) if value["error"].is_string() => {
                    value["error"].as_str().unwrap_or_default().to_owned()
                }
                _ => String::from_utf8_lossy(&bytes).into_owned(),
            };
            return Err(TranslateError::Status {
                url: self.url.clone(),
                status,
                said: excerpt(&said),
            });
        }
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|error| TranslateError::BadAnswer {
                url: self.url.clone(),
                reason: format!("{error} in `{}`", excerpt(&String::from_utf8_lossy(&bytes))),
            })?;
        check_whole(&self.name, texts, &answer.translated_text)?;
        Ok(answer.translated_text)
    }

    fn failed(&self, error: &ureq::Error, texts: &[String]) -> TranslateError {
        let url = self.url.clone();
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
            // What comes to light while both sides agree on TLS is told as of the stream.
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                TranslateError::Tls { url, reason: error.to_string() }
            }
            error => TranslateError::Unreachable { url, reason: error.to_string() },
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
