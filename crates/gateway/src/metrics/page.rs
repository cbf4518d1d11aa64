//! The text format: families, samples, escaped labels.
//!
//! Not for: what is counted.

/// A page under construction.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.text
            .push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A whole number.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.raw(name, labels, &value.to_string());
    }

    /// A number of seconds, given in microseconds.
    pub(super) fn seconds(&mut self, name: &str, labels: &[(&str, &str)], micros: u64) {
        let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        self.raw(name, labels, &text);
    }

    /// The whole page.
    pub(super) fn text(self) -> String {
        self.text
    }

    fn raw(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        self.text.push_str(name);
        let pairs = labels.iter();
        let pairs = pairs.map(|(label, value)| format!("{label}=\"{}\"", escape(value)));
        let pairs = pairs.collect::<Vec<_>>().join(",");
        if !pairs.is_empty() {
            self.text.push_str(&format!("{{{pairs}}}"));
        }
        self.text.push_str(&format!(" {value}\n"));
    }
}

/// Backslashes, quotes and line ends, as the format wants them; other control characters don't occur in
/// fixed words, and are left out.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_can_neither_end_its_line_nor_its_quotes() {
        let mut page = Page::default();
        page.family("a_total", "counter", "As.");
        page.sample("a_total", &[("x", "1\"} 9\nb \\\u{1b}[31m"), ("y", "z")], 7);
        page.sample("b", &[], 1);
        page.seconds("c", &[], 1_500_007);
        let expected = "# HELP a_total As.\n# TYPE a_total counter\n\
                        a_total{x=\"1\\\"} 9\\nb \\\\[31m\",y=\"z\"} 7\nb 1\nc 1.500007\n";
        assert_eq!(page.text(), expected);
    }
}
