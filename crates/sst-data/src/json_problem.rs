//! Describes the error of a JSON file.

use serde_json::error::Category;

/// The rest of a sentence that begins with the name of a file that is not valid JSON: whether the file is cut off,
/// where, and what to do. An error in the contents of valid JSON is described as serde does.
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
            let problem = json_problem(&serde_json::from_str::<Value>(text).unwrap_err());
            assert!(
                problem.starts_with(start) && problem.ends_with("this file again"),
                "{problem}"
            );
        };
        check("{\"a\": 1,\n", "is cut off (EOF while parsing a value at line 2 column 0)");
        check("", "is cut off (EOF while parsing a value at line 1 column 0)");
        check("<html>", "is not JSON (expected value at line 1 column 1)");
        let error = serde_json::from_str::<u8>("\"a\"").unwrap_err();
        assert_eq!(json_problem(&error), error.to_string());
    }
}
