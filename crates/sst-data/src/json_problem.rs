//! What is wrong with a file of JSON, in words.

use serde_json::error::Category;

/// What to tell of a file that is no JSON, after its name: whether it is cut off, where, and what to do. An error of what
/// the JSON holds is told as serde tells it.
pub fn json_problem(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Eof => "is cut off",
        Category::Syntax => "is not JSON",
        Category::Data | Category::Io => return error.to_string(),
    };
    format!("{what} ({error}): copy or download this file again")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_file_that_is_cut_off_is_told_from_one_that_is_no_json() {
        let check = |text: &str, start: &str| {
            let told = json_problem(&serde_json::from_str::<Value>(text).unwrap_err());
            assert!(told.starts_with(start) && told.ends_with("this file again"), "{told}");
        };
        check("{\"a\": 1,\n", "is cut off (EOF while parsing a value at line 2 column 0)");
        check("", "is cut off (EOF while parsing a value at line 1 column 0)");
        check("<html>", "is not JSON (expected value at line 1 column 1)");
        let error = serde_json::from_str::<u8>("\"a\"").unwrap_err();
        assert_eq!(json_problem(&error), error.to_string());
    }
}
