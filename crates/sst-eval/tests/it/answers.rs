//! Scores of answers against the scripts of SQuAD and CMRC 2018, and answers from logits against transformers' example.

use serde_json::Value;
use sst_eval::metric::{
    AnswerScores, AnswerSearch, AnswerWindow, AnsweredQuestion, MetricError, QuestionScores, cmrc,
    cmrc_answer, mixed_segmentation, normalize_answer, squad_v1, squad_v1_answer, squad_v2,
    squad_v2_answer,
};

use crate::golden::{array, close, golden, number, numbers, size, texts};

const TOLERANCE: f64 = 1e-12;

fn same(what: &str, got: AnswerScores, want: &Value) {
    let want = numbers(want);
    close(what, got.exact, want[0], 0.0);
    close(what, got.f1, want[1], TOLERANCE);
}

fn same_means(what: &str, got: QuestionScores, exact: &Value, f1: &Value, total: usize) {
    close(what, 100.0 * got.scores.exact, number(exact), 1e-10);
    close(what, 100.0 * got.scores.f1, number(f1), 1e-10);
    assert_eq!(got.total, total, "{what}");
}

/// Each question of a case with its gold answers.
fn questions(case: &Value) -> Vec<(&Value, Vec<&str>)> {
    array(&case["questions"]).iter().map(|question| (question, texts(&question["gold"]))).collect()
}

fn answered<'a>(question: &'a Value, gold: &'a [&'a str]) -> AnsweredQuestion<'a> {
    AnsweredQuestion {
        gold,
        prediction: question["prediction"].as_str(),
        no_answer_score: question["no_answer_score"].as_f64().unwrap_or(0.0),
    }
}

#[test]
fn squad_scores_are_those_of_the_scripts() {
    for (at, case) in array(&golden("answers", "squad")).iter().enumerate() {
        let questions = questions(case);
        for (question, gold) in &questions {
            let prediction = question["prediction"].as_str().unwrap();
            let what = format!("{prediction:?} for {gold:?}");
            assert_eq!(normalize_answer(prediction), question["normalized"].as_str().unwrap());
            same(&what, squad_v2_answer(prediction, gold), &question["v2"]);
            if !gold.is_empty() {
                same(&what, squad_v1_answer(prediction, gold), &question["v1"]);
            }
        }
        let all: Vec<_> =
            questions.iter().map(|(question, gold)| answered(question, gold)).collect();
        let with: Vec<_> =
            all.iter().filter(|question| !question.gold.is_empty()).copied().collect();
        let (v1, v2, what) = (&case["v1"], &case["v2"], format!("set {at}"));
        same_means(&what, squad_v1(&with), &v1["exact_match"], &v1["f1"], with.len());
        let found = squad_v2(&all, number(&case["threshold"])).unwrap();
        let part = |name: &str, got: QuestionScores| {
            let key = |figure: &str| &v2[&format!("{name}{figure}")];
            same_means(&what, got, key("exact"), key("f1"), size(key("total")));
        };
        part("", found.all);
        part("HasAns_", found.has_answer);
        part("NoAns_", found.no_answer);
        close(&what, 100.0 * found.best_exact.score, number(&v2["best_exact"]), 1e-10);
        close(&what, 100.0 * found.best_f1.score, number(&v2["best_f1"]), 1e-10);
        assert_eq!(found.best_exact.threshold, number(&v2["best_exact_thresh"]), "{what}");
        assert_eq!(found.best_f1.threshold, number(&v2["best_f1_thresh"]), "{what}");
    }
}

#[test]
fn answers_are_compared_without_articles_marks_and_space() {
    let check =
        |text: &str, expected: &str| assert_eq!(normalize_answer(text), expected, "{text:?}");
    check("", "");
    check("The U.S.  Army's\u{a0}a-team ", "us armys ateam");
    check("a an the", "");
    check("theatre an_d A", "theatre and");
    check("a\u{1f}b", "b");
    check("《the》刘备", "《 》刘备");
    check("the刘备", "the刘备");
    check("ΑΣ", "ας");
}

#[test]
fn questions_without_words_are_where_the_versions_differ() {
    let check = |prediction: &str, gold: &[&str], v1: [f64; 2], v2: [f64; 2]| {
        let pair = |scores: AnswerScores| [scores.exact, scores.f1];
        assert_eq!(pair(squad_v1_answer(prediction, gold)), v1, "{prediction:?} {gold:?}");
        assert_eq!(pair(squad_v2_answer(prediction, gold)), v2, "{prediction:?} {gold:?}");
    };
    check("", &["the"], [1.0, 0.0], [1.0, 1.0]);
    check("", &["the", "man"], [1.0, 0.0], [0.0, 0.0]);
    check("", &[], [0.0, 0.0], [1.0, 1.0]);
    check("x", &[], [0.0, 0.0], [0.0, 0.0]);
    check("x y", &["x", "x y z"], [0.0, 0.8], [0.0, 0.8]);
    check("x x", &["x"], [0.0, 2.0 / 3.0], [0.0, 2.0 / 3.0]);
}

fn question<'a>(
    gold: &'a [&'a str],
    prediction: Option<&'a str>,
    score: f64,
) -> AnsweredQuestion<'a> {
    AnsweredQuestion { gold, prediction, no_answer_score: score }
}

#[test]
fn missing_predictions_score_nothing_and_are_counted() {
    let all = [
        question(&["x"], Some("x"), 0.0),
        question(&["y"], None, 0.0),
        question(&[], None, 0.9),
        question(&[], Some(""), 0.9),
    ];
    let v1 = squad_v1(&all[..2]);
    assert_eq!((v1.scores.exact, v1.total, v1.missing), (0.5, 2, 1));
    let v2 = squad_v2(&all, 1.0).unwrap();
    assert_eq!((v2.all.scores.exact, v2.all.total, v2.all.missing), (0.5, 4, 2));
    assert_eq!((v2.no_answer.scores.exact, v2.no_answer.missing), (0.5, 1));
    assert_eq!((v2.best_exact.score, v2.best_exact.threshold), (0.5, 0.0));
    let chinese = cmrc(&all[..2]);
    assert_eq!((chinese.scores.f1, chinese.missing), (0.5, 1));
    let none = squad_v2(&[], 1.0).unwrap();
    assert_eq!((none.all, none.best_f1.score), (QuestionScores::default(), 0.0));
    let nan = [question(&[], Some(""), f64::NAN)];
    assert!(matches!(squad_v2(&nan, 1.0), Err(MetricError::NotFinite { at: 0, .. })));
}

#[test]
fn chinese_scores_are_those_of_the_script() {
    let case = golden("answers", "cmrc");
    let questions = questions(&case);
    for (question, gold) in &questions {
        let prediction = question["prediction"].as_str().unwrap();
        assert_eq!(mixed_segmentation(prediction), texts(&question["segments"]), "{prediction:?}");
        let what = format!("{prediction:?} for {gold:?}");
        same(&what, cmrc_answer(prediction, gold), &question["scores"]);
    }
    let mut all: Vec<_> =
        questions.iter().map(|(question, gold)| answered(question, gold)).collect();
    all.iter_mut().step_by(10).for_each(|question| question.prediction = None);
    let found = cmrc(&all);
    same_means("cmrc", found, &case["exact"], &case["f1"], size(&case["total"]));
    assert_eq!(found.missing, size(&case["skipped"]));
}

#[test]
fn chinese_is_cut_into_characters_and_the_rest_into_words() {
    let check = |text: &str, expected: &str| {
        assert_eq!(mixed_segmentation(text).join("|"), expected, "{text:?}");
    };
    check("", "");
    check(" 刘备，iPhone 4s！", "刘|备|iphone|4s");
    check("1990年3.5%", "1990|年|3.5|%");
    check("a-b：c", "abc");
    check("don't, I cannot (3,000)", "do|n't|,|i|can|not|(|3,000|)");
    check("“赤壁”……", "赤|壁|……");
    check("mr. x went. he said", "mr.|x|went|.|he|said");
    check("dogs' \"tail\" 'em", "dogs|'|``|tail|''|'|em");
    check("wanna… gonna… wanna go", "wanna…|gon|na|…|wan|na|go");
    check("wait... so", "wait|...|so");
    check("it's' we'll", "it|'s|'|we|'ll");
    check("x! ''two'' «w» (5@c)", "x|!|''|two|''|«|w|»|(|5|@|c|)");
}

#[test]
fn chinese_f1_counts_the_longest_run() {
    let check = |prediction: &str, gold: &str, expected: f64| {
        close(prediction, cmrc_answer(prediction, &[gold]).f1, expected, TOLERANCE);
    };
    check("甲乙丙", "甲乙丁丙", 4.0 / 7.0);
    check("甲乙丙", "甲丙", 0.4);
    check("甲", "乙", 0.0);
    check("", "", 0.0);
    check("甲乙甲乙丙", "甲乙丙", 0.75);
}

/// The windows of a case, as lists that an [`AnswerWindow`] can borrow.
struct Window {
    start: Vec<f32>,
    end: Vec<f32>,
    offsets: Vec<Option<(usize, usize)>>,
    has_max_context: Option<Vec<bool>>,
}

impl Window {
    fn read(value: &Value) -> Self {
        let logits = |key: &str| numbers(&value[key]).into_iter().map(|x| x as f32).collect();
        let offset =
            |offset: &Value| offset.as_array().map(|pair| (size(&pair[0]), size(&pair[1])));
        Self {
            start: logits("start"),
            end: logits("end"),
            offsets: array(&value["offsets"]).iter().map(offset).collect(),
            has_max_context: value["has_max_context"]
                .as_array()
                .map(|_| crate::golden::truths(&value["has_max_context"])),
        }
    }

    fn borrow(&self) -> AnswerWindow<'_> {
        AnswerWindow {
            start_logits: &self.start,
            end_logits: &self.end,
            offsets: &self.offsets,
            has_max_context: self.has_max_context.as_deref(),
        }
    }
}

#[test]
fn answers_from_logits_are_those_of_the_example() {
    let search = golden("answers", "search");
    let context: Vec<char> = search["context"].as_str().unwrap().chars().collect();
    let text = |span: Option<(usize, usize)>| -> String {
        let (start, end) = span.unwrap_or((0, 0));
        context[start.min(end)..end].iter().collect()
    };
    let (mut answers, mut declined, mut without) = (0, 0, 0);
    for (at, case) in array(&search["cases"]).iter().enumerate() {
        let windows: Vec<Window> = array(&case["windows"]).iter().map(Window::read).collect();
        let windows: Vec<AnswerWindow<'_>> = windows.iter().map(Window::borrow).collect();
        let settings = AnswerSearch {
            n_best_size: size(&case["n_best_size"]),
            max_answer_length: size(&case["max_answer_length"]),
            null_score_diff_threshold: case["threshold"].as_f64().map(|x| x as f32),
        };
        let found = settings.find(&windows).unwrap();
        let what = format!("case {at}");
        match found.null_score_diff {
            Some(difference) => {
                close(&what, f64::from(difference), number(&case["null_score_diff"]), 0.0)
            }
            None => assert!(case["null_score_diff"].is_null(), "{what}"),
        }
        // The text that the example makes up where there is none.
        let mut candidates = array(&case["candidates"]).as_slice();
        let is_made_up = candidates[0]["text"] == "empty";
        if is_made_up {
            without += 1;
            candidates = &candidates[1..];
        }
        assert_eq!(found.candidates.len(), candidates.len(), "{what}");
        for (candidate, want) in found.candidates.iter().zip(candidates) {
            assert_eq!(text(candidate.span), want["text"].as_str().unwrap(), "{what}");
            let logit = |key: &str| number(&want[key]) as f32;
            assert_eq!(candidate.start_logit, logit("start_logit"), "{what}");
            assert_eq!(candidate.end_logit, logit("end_logit"), "{what}");
            if !is_made_up {
                close(&what, candidate.probability, number(&want["probability"]), 1e-6);
            }
        }
        match case["answer"].as_str().unwrap() {
            "empty" => assert_eq!(found.span, None, "{what}"),
            want => assert_eq!(text(found.span), want, "{what}"),
        }
        match found.span {
            Some(_) => answers += 1,
            None => declined += 1,
        }
    }
    assert!(answers > 30 && declined > 10 && without > 6, "{answers} {declined} {without}");
}

const OFFSETS: [Option<(usize, usize)>; 4] = [None, Some((0, 1)), Some((1, 2)), Some((2, 3))];

fn window<'a>(start_logits: &'a [f32], end_logits: &'a [f32]) -> AnswerWindow<'a> {
    AnswerWindow { start_logits, end_logits, offsets: &OFFSETS, has_max_context: None }
}

#[test]
fn the_best_answer_of_all_windows() {
    let check = |search: AnswerSearch, windows: &[AnswerWindow<'_>], expected| {
        assert_eq!(search.find(windows).unwrap().span, expected, "{search:?}");
    };
    let search = AnswerSearch::default();
    let flat = [0.0; 4];
    let sharp = window(&[0.0, 3.0, 0.0, 0.0], &[0.0, 0.0, 3.0, 0.0]);
    check(search, &[], None);
    check(search, &[sharp], Some((0, 2)));
    check(search, &[window(&flat, &flat), sharp], Some((0, 2)));
    // Of equal ones the later start, then the later end.
    check(search, &[window(&flat, &flat)], Some((2, 3)));
    // Of equal sums the one whose start comes first, that with the greater logit.
    check(AnswerSearch { max_answer_length: 1, ..search }, &[sharp], Some((0, 1)));
    let first = AnswerWindow { has_max_context: Some(&[false, false, true, true]), ..sharp };
    check(search, &[first], Some((1, 2)));
    let declining =
        |threshold| AnswerSearch { null_score_diff_threshold: Some(threshold), ..search };
    let unsure = window(&[4.0, 3.0, 0.0, 0.0], &[4.0, 0.0, 3.0, 0.0]);
    check(declining(0.0), &[unsure], None);
    check(declining(1.9), &[unsure], None);
    check(declining(2.0), &[unsure], Some((0, 2)));
    // One window that is sure of an answer is enough.
    check(declining(0.0), &[unsure, sharp], Some((0, 2)));
}

#[test]
fn probabilities_are_those_of_what_is_kept() {
    let start = [1.0, 2.0, 0.0, 0.0];
    let end = [1.0, 0.0, 0.0, 2.0];
    let search = AnswerSearch {
        n_best_size: 2,
        null_score_diff_threshold: Some(0.0),
        ..AnswerSearch::default()
    };
    let found = search.find(&[window(&start, &end)]).unwrap();
    let spans: Vec<_> = found.candidates.iter().map(|candidate| candidate.span).collect();
    assert_eq!(spans, [Some((0, 3)), None], "both have a start and an end among the two best");
    let e = std::f64::consts::E;
    close(
        "of the answer",
        found.candidates[0].probability,
        e.powi(4) / (e.powi(4) + e.powi(2)),
        TOLERANCE,
    );
    assert_eq!(found.null_score_diff, Some(-2.0));
    let none = AnswerSearch::default()
        .find(&[AnswerWindow { offsets: &[], ..window(&start, &end) }])
        .unwrap();
    assert_eq!((none.span, none.candidates.len(), none.null_score_diff), (None, 0, None));
}

#[test]
fn logits_that_cannot_be_searched() {
    let check = |window: AnswerWindow<'_>, expected| {
        assert_eq!(AnswerSearch::default().find(&[window]), Err(expected));
    };
    let length = |what, found, wanted| MetricError::Length { what, found, wanted };
    check(window(&[], &[]), length("tokens of a window", 0, 1));
    check(window(&[0.0; 2], &[0.0]), length("end logits", 1, 2));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let found = AnswerSearch::default().find(&[window(&[0.0; 2], &[0.0, bad])]);
        assert!(matches!(found, Err(MetricError::NotFinite { what: "end logits", at: 1, .. })));
    }
    for search in [
        AnswerSearch { n_best_size: 0, ..AnswerSearch::default() },
        AnswerSearch { max_answer_length: 0, ..AnswerSearch::default() },
    ] {
        assert!(matches!(search.find(&[]), Err(MetricError::Setting { .. })));
    }
}
