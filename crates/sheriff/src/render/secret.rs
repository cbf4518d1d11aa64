//! Secrets as a table: where they may go and in which place, never what they are.
//!
//! Not for: where they went (`egress`).

use api::control::SecretLine;
use model::{SecretKind, SecretPlace};

use super::{Output, Table};
use crate::failure::Failure;

/// Prints one row per secret, and why any can't be used.
pub(crate) fn list(secrets: &[SecretLine], output: &mut Output) -> Result<(), Failure> {
    let mut table = Table::new([
        "SECRET",
        "HOSTS",
        "PLACE",
        "VARIABLE",
        "SOURCE",
        "VERSION",
        "SET",
        "LAST USED",
    ]);
    for line in secrets {
        let dash = || "-".to_owned();
        let own = line.definition.as_ref();
        let version = (line.version > 0).then(|| line.version.to_string());
        table.row([
            line.name.as_str(),
            &own.map_or_else(dash, |own| own.hosts.join(" ")),
            &place(line),
            own.and_then(|own| own.env.as_deref()).unwrap_or("-"),
            own.and_then(|own| own.source.as_deref()).unwrap_or("vault"),
            &version.unwrap_or_else(dash),
            line.created.as_deref().unwrap_or("-"),
            line.last_used.as_deref().unwrap_or("-"),
        ]);
    }
    table.print(output)?;
    let broken = secrets
        .iter()
        .filter_map(|line| Some((line, line.problem.as_ref()?)));
    for (line, problem) in broken {
        output.line(&super::text::escape(&format!("{}: {problem}", line.name)))?;
    }
    Ok(())
}

/// Says what was set.
pub(crate) fn set(line: &SecretLine, output: &mut Output) -> Result<(), Failure> {
    let own = line.definition.as_ref();
    let hosts = own.map_or_else(String::new, |own| own.hosts.join(", "));
    let variable = own.and_then(|own| own.env.as_deref()).unwrap_or("-");
    let text = format!(
        "{}: version {} for {hosts}, {}; in a jail ${variable} holds its placeholder",
        line.name,
        line.version,
        place(line)
    );
    output.line(&super::text::escape(&text))
}

fn place(line: &SecretLine) -> String {
    let Some(own) = &line.definition else {
        return "-".to_owned();
    };
    if matches!(own.kind, SecretKind::AwsSigv4(_)) {
        return "signature".to_owned();
    }
    let format = own.format.as_deref().unwrap_or("{}");
    match &own.place {
        None => format!("header authorization: {format}"),
        Some(SecretPlace::Header(name)) => format!("header {name}: {format}"),
        Some(SecretPlace::Basic(user)) => format!("basic, user {user}"),
        Some(SecretPlace::Query(name)) => format!("query {name}"),
        Some(SecretPlace::Path) => "path".to_owned(),
        Some(SecretPlace::Body) => "body".to_owned(),
    }
}
