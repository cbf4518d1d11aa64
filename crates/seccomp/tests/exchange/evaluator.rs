//! What a JSON policy says, straight from the JSON: shares no code with the importer.
//!
//! Not for: policies whose rules contradict each other.

use std::collections::BTreeSet;

use serde_json::Value;

/// A policy, the process's capabilities, and Docker's name of the architecture.
pub(crate) struct Policy<'a> {
    pub(crate) json: &'a Value,
    pub(crate) capabilities: &'a [&'a str],
    pub(crate) arch: &'a str,
}

/// The rules of a policy that name one call and hold for its process.
pub(crate) struct Rules<'a> {
    policy: &'a Policy<'a>,
    rules: Vec<&'a Value>,
}

impl Policy<'_> {
    /// `allow`, `kill` or `errno N` for a call by name.
    pub(crate) fn answer(&self, call: &str, arguments: &[u64; 6]) -> String {
        self.rules(call).answer(arguments)
    }

    pub(crate) fn rules(&self, call: &str) -> Rules<'_> {
        let names = |rule: &&Value| list(&rule["names"]).iter().any(|name| name == call);
        let rules = list(&self.json["syscalls"]).iter().filter(names);
        Rules {
            policy: self,
            rules: rules.filter(|rule| self.applies(rule)).collect(),
        }
    }

    fn applies(&self, rule: &Value) -> bool {
        let held = |cap: &Value| self.capabilities.iter().any(|own| cap == own);
        let here = |arch: &Value| arch == self.arch;
        let (includes, excludes) = (&rule["includes"], &rule["excludes"]);
        let arches = list(&includes["arches"]);
        list(&includes["caps"]).iter().all(held)
            && (arches.is_empty() || arches.iter().any(here))
            && !list(&excludes["caps"]).iter().any(held)
            && !list(&excludes["arches"]).iter().any(here)
    }
}

impl Rules<'_> {
    /// `allow`, `kill` or `errno N` for these arguments.
    pub(crate) fn answer(&self, arguments: &[u64; 6]) -> String {
        let json = self.policy.json;
        match self.rules.iter().find(|rule| matches(rule, arguments)) {
            Some(rule) => told(&rule["action"], &rule["errnoRet"]),
            None => told(&json["defaultAction"], &json["defaultErrnoRet"]),
        }
    }

    /// Values that the rules compare an argument with.
    pub(crate) fn values(&self, index: usize) -> BTreeSet<u64> {
        let arguments = self.rules.iter().flat_map(|rule| list(&rule["args"]));
        arguments
            .filter(|argument| argument["index"] == index)
            .flat_map(|argument| [&argument["value"], &argument["valueTwo"]])
            .filter_map(Value::as_u64)
            .collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn matches(rule: &Value, arguments: &[u64; 6]) -> bool {
    list(&rule["args"]).iter().all(|argument| {
        let index = usize::try_from(argument["index"].as_u64().unwrap()).unwrap();
        let register = arguments[index];
        let value = argument["value"].as_u64().unwrap();
        match argument["op"].as_str().unwrap() {
            "SCMP_CMP_EQ" => register == value,
            "SCMP_CMP_NE" => register != value,
            "SCMP_CMP_LT" => register < value,
            "SCMP_CMP_LE" => register <= value,
            "SCMP_CMP_GT" => register > value,
            "SCMP_CMP_GE" => register >= value,
            _ => register & value == argument["valueTwo"].as_u64().unwrap_or(0) & value,
        }
    })
}

fn told(action: &Value, errno: &Value) -> String {
    match action.as_str().unwrap() {
        "SCMP_ACT_ALLOW" => "allow".to_owned(),
        "SCMP_ACT_LOG" => "log".to_owned(),
        "SCMP_ACT_TRAP" => "trap".to_owned(),
        "SCMP_ACT_ERRNO" => format!("errno {}", errno.as_u64().unwrap_or(1)),
        _ => "kill".to_owned(),
    }
}
