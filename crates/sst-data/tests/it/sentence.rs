//! Sentence boundaries: a table for each language, and properties of any text.

use proptest::prelude::*;
use sst_data::sentence::split_sentences;

/// Checks the sentences, whose boundaries `|` marks.
fn check(marked: &str) {
    let text = marked.replace('|', "");
    let sentences: Vec<&str> =
        split_sentences(&text).into_iter().map(|range| &text[range]).collect();
    let expected: Vec<&str> = marked.split('|').map(str::trim).collect();
    assert_eq!(sentences, expected, "{text:?}");
}

#[test]
fn chinese() {
    check("天下大勢，分久必合，合久必分。|周末七國分爭，并入於秦。");
    check("你好！|你是谁？|我不知道；|走吧。");
    check("真的吗？！|太好了！！！|走。");
    check("“你好。”|他走了。");
    check("“你好！”，他说。|然后走了。");
    check("玄德曰：「天意如此！」|遂去。");
    check("他说：“他问‘走吗？’”|我点头。");
    check("他说『好。』|她笑了。");
    check("（他走了。）|天黑了。");
    check("他说（走吧！）。|她走了。");
    check("我……|我不知道。");
    check("他没有说话……|天黑了。");
    check("“……我不知道。”|他说。");
    check("他来了——她却走了。|完。");
    check("“快走！”——这是他最后的话。|完。");
    check("“快跑！”的声音传来。|完。");
    check("《你好吗？》是一本书。|我读过。");
    check("没有句号");
    check("圆周率是3.14，不是3.15。|对。");
    check("他说\"你好。\"|我说\"再见。\"|完。");
    check("第一段。|\n\n第二段没有句号\n|\n\n第三段。");
    check("此開卷第一回也\n。|作者自云。");
    check("半角｡|全角。");
}

#[test]
fn english() {
    check(
        "In the beginning God created the heaven and the earth.| And the earth was without form.",
    );
    check("Mr. Smith met Dr. J. K. Jones at St. Paul's.| They left.");
    check("MR. SMITH met Prof. Li.| They left.");
    check("Use fruit, e.g. apples, i.e. Red ones.| Good.");
    check("It costs 3.14 dollars.| That is .5 more than 2.64.| Fine.");
    check("He lives in the U.S.| The city is big.");
    check("The U.S. Army left.| It won.");
    check("It closed at 5 p.m. and opened at 9 a.m.| Then it rained.");
    check("They sell apples, pears, etc. in town.| They sell plums, etc.| The end.");
    check("Smith et al. (2020) agree.| See Fig. 3 and Eq. 4.| Good.");
    check("On Jan. 5 she left.| On Feb. Monday too.");
    check("John J. A. Smith came.| He sat.| John left.");
    check("Acme Inc. John's firm, sued Co. Ltd. again.| But it lost.");
    check("Is it No. 5?| No.| Yes.");
    check("He was born in 1990.| 50 people came.");
    check("1. First item.| 2. Second item.");
    check("Wait... what?| Well...| Then go.");
    check("He said . . . nothing.| Then left.");
    check("\"Hi.\"| She left.| \"Stop!\" he cried.| \"Why?\"");
    check("He said “Hello.”| Then he left.| ‘Yes.’| (Indeed.)| [Sure.]| Ok.");
    check("Really?!| Yes!!!| No.");
    check("Visit example.com or www.rust-lang.org.| See v1.2.3 of foo.rs.| Done.");
    check("It was I.| They knew.");
    check("A 5\" pipe.| He said \"go.\"| Then left.");
    check("One line\nwraps here.| Two\r\n|\r\nThree");
    check("Roe v. Wade was decided.| Good vs. Evil is not.");
    check("She has a Ph.D. in physics.| He has a B.A. from Yale.");
    check("He asked (why?) and left.| Done.");
    check("hello world");
}

#[test]
fn mixed() {
    check("我用Python.|它很好。|OK!|走吧。");
    check("版本3.0发布了。|Version 3.0 is out.| 好！");
    check("1.介绍。|2.方法。");
    check("U.S.的军队来了。|Mr.王走了。");
    check("他说“Hello.”|然后走了。");
    check("他说：Hello, world! |你好。");
    check("我用Node.js写代码……|很好。");
    check("Hello。|World is here.| 你好");
}

#[test]
fn blank_text_has_no_sentence() {
    assert!(split_sentences("").is_empty());
    assert!(split_sentences(" \n\u{3000}\t\n\n ").is_empty());
}

#[test]
fn long_hostile_text_takes_linear_time() {
    // Quadratic behaviour would take minutes.
    for unit in ["… ", ".", "a.", "。」", ". (", "\n ", "\"", "a. ", "A.我", ")", "?\"", "  "]
    {
        let text = unit.repeat(400_000 / unit.len());
        let start = std::time::Instant::now();
        let count = split_sentences(&text).len();
        assert!(start.elapsed().as_secs() < 20, "{unit:?} took {:?} for {count}", start.elapsed());
    }
}

/// Text with many punctuation marks.
fn text() -> impl Strategy<Value = String> {
    let dense = "[aA1 天。！？；…\\.!\\?\"'“”‘’「」（）\\(\\)，,\n\r\u{3000}—的]{0,40}";
    let parts = prop::sample::select(vec![
        "Mr.", "U.S.", "e.g.", "3.14", "No.", "The", "他说", "……", "”", "“", "。", "！", " ",
        "\n\n", "?", "...", "p.m.", "J.",
    ]);
    prop_oneof![
        any::<String>(),
        dense,
        prop::collection::vec(parts, 0..20).prop_map(|v| v.concat())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn sentences_cover_the_text_in_order(text in text()) {
        let mut end = 0;
        for range in split_sentences(&text) {
            prop_assert!(end <= range.start && range.start < range.end && range.end <= text.len());
            prop_assert!(text[end..range.start].trim().is_empty(), "a gap holds text");
            let sentence = &text[range.clone()];
            prop_assert_eq!(sentence, sentence.trim());
            end = range.end;
        }
        prop_assert!(text[end..].trim().is_empty(), "the end is lost");
    }
}
