//! Writes questions in the format of SQuAD 1.1.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::split;
use super::cloze::Cloze;

/// The questions of an article.
#[derive(Debug)]
pub(super) struct Article {
    pub(super) title: String,
    pub(super) clozes: Vec<Cloze>,
}

/// Writes the file `name` into the folder `into`, without articles that have no question. Prints how many questions it
/// has.
pub(super) fn write(into: &Path, name: &str, articles: &[Article]) -> Result<()> {
    let data: Vec<Value> = articles
        .iter()
        .filter(|article| !article.clozes.is_empty())
        .map(value)
        .collect::<Result<_>>()?;
    ensure!(!data.is_empty(), "there is no question for {name}: the source is not what it was");
    let count: usize = articles.iter().map(|article| article.clozes.len()).sum();
    eprintln!("{name}: {count} questions of {} articles", data.len());
    let path = into.join(name);
    let file = File::create_new(&path);
    let mut file = BufWriter::new(file.with_context(|| format!("cannot make {}", path.display()))?);
    serde_json::to_writer(&mut file, &json!({"version": "1.1", "data": data}))?;
    Ok(file.flush()?)
}

/// An article as SQuAD has it. Neighbouring questions with the same context share it.
fn value(article: &Article) -> Result<Value> {
    let same = article.clozes.chunk_by(|one, next| one.context == next.context);
    let paragraphs: Vec<Value> = same
        .map(|clozes| {
            let questions: Result<Vec<_>> =
                clozes.iter().map(|cloze| question(&article.title, cloze)).collect();
            Ok(json!({"context": clozes[0].context, "qas": questions?}))
        })
        .collect::<Result<_>>()?;
    Ok(json!({"title": article.title, "paragraphs": paragraphs}))
}

/// A question with its answer. It is an error if the answer is not where it should be.
fn question(title: &str, cloze: &Cloze) -> Result<Value> {
    let Cloze { question, context, answer, start } = cloze;
    let span: String = context.chars().skip(*start).take(answer.chars().count()).collect();
    ensure!(span == *answer, "{title}: {answer:?} is not at {start} of {context:?}");
    let id = split::hash(&[title, question, context, answer].join("\n"));
    let answers = json!([{"text": answer, "answer_start": start}]);
    Ok(json!({"id": format!("{id:016x}"), "question": question, "answers": answers}))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn cloze(answer: &str, start: usize) -> Cloze {
        let (question, context) = ("Is it _____?".to_owned(), "Ägypten or Rome.".to_owned());
        Cloze { question, context, answer: answer.to_owned(), start }
    }

    fn article(title: &str, clozes: Vec<Cloze>) -> Article {
        Article { title: title.to_owned(), clozes }
    }

    #[test]
    fn questions_with_the_same_context_share_it() {
        let dir = tempfile::tempdir().unwrap();
        let articles =
            [article("A", Vec::new()), article("B", vec![cloze("Rome", 11), cloze("Ägypten", 0)])];
        write(dir.path(), "x.json", &articles).unwrap();
        let text = fs::read_to_string(dir.path().join("x.json")).unwrap();
        let mut value: Value = serde_json::from_str(&text).unwrap();
        let questions = value["data"][0]["paragraphs"][0]["qas"].as_array_mut().unwrap();
        let ids: Vec<_> = questions.iter_mut().map(|question| question["id"].take()).collect();
        assert!(ids[0] != ids[1] && ids.iter().all(|id| id.as_str().unwrap().len() == 16));
        let question = |answer: &str, start: usize| {
            json!({"id": null, "question": "Is it _____?",
                "answers": [{"text": answer, "answer_start": start}]})
        };
        let questions = json!([question("Rome", 11), question("Ägypten", 0)]);
        let paragraphs = json!([{"context": "Ägypten or Rome.", "qas": questions}]);
        let expected =
            json!({"version": "1.1", "data": [{"title": "B", "paragraphs": paragraphs}]});
        assert_eq!(value, expected);
    }

    #[test]
    fn an_answer_in_another_place_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, clozes| write(dir.path(), name, &[article("A", clozes)]);
        let error = write("x.json", vec![cloze("Rome", 12)]).unwrap_err().to_string();
        assert!(error.starts_with("A: \"Rome\" is not at 12"), "{error}");
        let error = write("y.json", Vec::new()).unwrap_err().to_string();
        assert!(error.contains("no question for y.json"), "{error}");
    }
}
