//! HTML in which all text that does not come from this program's source is escaped.

use std::fmt::{self, Display, Write};

/// A piece of a page. Markup must be a string literal of this program; everything else is escaped.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Appends markup, which must be a string literal of the program.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0 += markup;
        self
    }

    /// Appends an escaped text or a number.
    pub fn text(&mut self, text: impl Display) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = write!(Escaping(&mut self.0), "{text}");
        self
    }

    /// Appends another piece.
    pub fn html(&mut self, piece: &Self) -> &mut Self {
        self.0 += &piece.0;
        self
    }

    /// Appends a table row with these cells. Numbers get a CSS class of their own.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> &mut Self {
        self.raw("<tr>");
        for cell in cells {
            match cell {
                Cell::Text(text) => self.raw("<td>").text(text),
                Cell::Number(number) => self.raw("<td class=\"n\">").text(number),
            }
            .raw("</td>");
        }
        self.raw("</tr>")
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of the piece.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// A cell of a table.
pub enum Cell<'a> {
    /// A text, on the left of the cell.
    Text(&'a str),
    /// A number, on the right of the cell.
    Number(&'a str),
}

/// A writer that escapes HTML.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // HTML cannot represent these characters.
                c if c.is_control() && !matches!(c, '\n' | '\t') => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_own_text_is_markup() {
        let mut html = Html::default();
        html.raw("<p>").text("<b a='1' c=\"2\">&\u{1b}[31m\n").text(1.5).raw("</p>");
        html.row(&[Cell::Text("<i>"), Cell::Number("<u>")]);
        let expected = "<p>&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}[31m\n1.5</p>\
                        <tr><td>&lt;i&gt;</td><td class=\"n\">&lt;u&gt;</td></tr>";
        assert_eq!(html.into_string(), expected);
    }
}
