//! The matrix as one self-contained HTML page: no request leaves it, and it reads without script.
//!
//! Not for: other pages.

use std::fmt::{self, Write as _};

use super::{Agreement, Case, Cell, Matrix, Row, Verdict};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// SHA-256 of the two, base64, as the page's security policy names them: a browser runs this
/// script and no other, even if a text of a profile had found a way to become one.
const STYLE_HASH: &str = "NWMQkHaK0G0VxA0gf2IFCP/AX8HZqr2QTKOzRjP9EuI=";
const SCRIPT_HASH: &str = "KcSeiS1tWx1SUdB/n2cxt3NdK8J8pkBWmPJnWWfu8CU=";

/// A text as it may stand in HTML, in content and in quoted attributes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            // Characters that HTML has no way to write (HTML standard, 13.1.4), tabs and the like.
            c if c.is_control() => f.write_char(' '),
            c => f.write_char(c),
        })
    }
}

/// A matrix as a page. Use its `Display`.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    matrix: &'a Matrix,
}

impl Matrix {
    /// The page of this matrix.
    #[must_use]
    pub const fn page(&self) -> Page<'_> {
        Page { matrix: self }
    }
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        head(f)?;
        self.introduction(f)?;
        self.table(f)?;
        write!(f, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n")
    }
}

fn head(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; script-src 'sha256-{SCRIPT_HASH}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>System calls by profile</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    )
}

impl Page<'_> {
    fn introduction(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "<h1>System calls by profile</h1>\n<dl class=\"profiles\">"
        )?;
        for column in &self.matrix.profiles {
            let (name, description) = (Escaped(&column.name), Escaped(&column.description));
            writeln!(f, "<div><dt>{name}</dt><dd>{description}</dd></div>")?;
        }
        writeln!(f, "</dl>\n<p class=\"legend\">")?;
        for verdict in [
            Verdict::Allow,
            Verdict::Conditional,
            Verdict::Errno,
            Verdict::Kill,
        ] {
            writeln!(
                f,
                "{} {}",
                badge(verdict, verdict.label()),
                verdict.meaning()
            )?;
        }
        writeln!(
            f,
            "</p>\n<p class=\"filter\" hidden><label for=\"filter\">Show calls, reasons or CVEs with</label> \
             <input id=\"filter\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"> \
             <output id=\"shown\" for=\"filter\" aria-live=\"polite\"></output></p>"
        )
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "<table>\n<caption>What each profile does with each call</caption>\n<thead><tr><th scope=\"col\">Call</th>"
        )?;
        for column in &self.matrix.profiles {
            writeln!(f, "<th scope=\"col\">{}</th>", Escaped(&column.name))?;
        }
        writeln!(f, "</tr></thead>")?;
        for kind in Agreement::ALL {
            self.group(f, kind)?;
        }
        writeln!(f, "</table>")
    }

    fn group(&self, f: &mut fmt::Formatter<'_>, kind: Agreement) -> fmt::Result {
        let in_it = |row: &&Row| row.agreement == kind;
        let rows: Vec<&Row> = self.matrix.rows.iter().filter(in_it).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let span = self.matrix.profiles.len() + 1;
        let (title, count) = (kind.title(), rows.len());
        writeln!(
            f,
            "<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"{span}\">{title} ({count})</th></tr>"
        )?;
        rows.iter().try_for_each(|row| call(f, row))?;
        writeln!(f, "</tbody>")
    }
}

fn call(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    write!(
        f,
        "<tr><th scope=\"row\"><code>{}</code><small>",
        Escaped(row.call)
    )?;
    for number in &row.numbers {
        write!(f, " {}&nbsp;{}", number.arch, number.number)?;
    }
    writeln!(f, "</small></th>")?;
    row.cells.iter().try_for_each(|one| cell(f, one))?;
    writeln!(f, "</tr>")
}

fn cell(f: &mut fmt::Formatter<'_>, cell: &Cell) -> fmt::Result {
    let actions = cell.actions.join(", ");
    let text = match cell.verdict {
        Verdict::Conditional => format!("if: {actions}"),
        Verdict::Errno if cell.is_quiet() => format!("{actions} (quiet)"),
        Verdict::Allow | Verdict::Errno | Verdict::Kill => actions,
    };
    write!(f, "<td>{}", badge(cell.verdict, &text))?;
    match cell.cases.as_slice() {
        [only] => case(f, only)?,
        many => {
            write!(f, "<details><summary>{} cases</summary>", many.len())?;
            many.iter().try_for_each(|one| case(f, one))?;
            f.write_str("</details>")?;
        }
    }
    writeln!(f, "</td>")
}

fn case(f: &mut fmt::Formatter<'_>, case: &Case) -> fmt::Result {
    f.write_str("<div class=\"case\">")?;
    if !case.when.is_empty() || case.only_on.is_some() {
        let quietly = case.decision.quietly();
        let action = format!("{}{quietly}", case.decision.action);
        write!(f, "<b>{}</b>", Escaped(&action))?;
    }
    if let Some(arch) = &case.only_on {
        write!(f, " on {}", Escaped(arch))?;
    }
    if !case.when.is_empty() {
        f.write_str(" when<ul>")?;
        for text in &case.when {
            write!(f, "<li>{}</li>", Escaped(text))?;
        }
        f.write_str("</ul>")?;
    }
    let Some(rule) = &case.decision.rule else {
        return write!(
            f,
            "<p>{}</p></div>",
            Escaped(&case.decision.ground.to_string())
        );
    };
    write!(
        f,
        "<p>{} <small>{}</small></p>",
        Escaped(&rule.why),
        Escaped(&rule.to_string())
    )?;
    if !rule.cves.is_empty() {
        f.write_str("<ul class=\"cves\">")?;
        for cve in &rule.cves {
            write!(f, "<li>{}</li>", Escaped(&cve.to_string()))?;
        }
        f.write_str("</ul>")?;
    }
    f.write_str("</div>")
}

/// A verdict that does not rest on colour alone: the text says it too.
fn badge(verdict: Verdict, text: &str) -> String {
    format!(
        "<span class=\"badge {}\">{}</span>",
        verdict.label(),
        Escaped(text)
    )
}

impl Verdict {
    const fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Conditional => "conditional",
            Self::Errno => "errno",
            Self::Kill => "kill",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Allow => "takes place, whatever its arguments;",
            Self::Conditional => "depends on its arguments;",
            Self::Errno => "gets an error;",
            Self::Kill => "ends the process.",
        }
    }
}
