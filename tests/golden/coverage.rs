//! Whatever the program registers has a case.

use serde_json::Value;

use super::GROUPS;
use super::run::kantor;

/// Names that a registry lists.
fn registered(registry: &str) -> Vec<String> {
    let output = kantor().args([registry, "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    listed[registry].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

/// Values that `kantor COMMAND --help` lists as possible for a flag.
fn possible(command: &str, flag: &str) -> Vec<String> {
    let output = kantor().args([command, "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, rest) = help.split_once(&format!("--{flag} <")).unwrap();
    let (_, values) = rest.split_once("[possible values: ").unwrap();
    values.split_once(']').unwrap().0.split(", ").map(str::to_owned).collect()
}

/// Commands that `kantor --help` lists.
fn commands() -> Vec<String> {
    let output = kantor().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let lines = list.lines().take_while(|line| !line.is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    named.map(|line| line.split_whitespace().next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

/// Values of a flag, in the cases of one command.
fn used(command: &str, flag: &str) -> Vec<String> {
    let lines = GROUPS.iter().flat_map(|(_, cases)| *cases).flat_map(|case| case.lines);
    let words = lines.map(|line| line.split_whitespace().filter(|word| *word != "~").collect::<Vec<_>>());
    let of_command = words.filter(|words| words.first() == Some(&command));
    let mut values = Vec::new();
    for words in of_command {
        let pairs = words.windows(2).filter(|pair| pair[0].strip_prefix("--") == Some(flag));
        values.extend(pairs.flat_map(|pair| pair[1].split(',').map(str::to_owned)));
    }
    values
}

#[test]
fn every_method_solver_cost_and_metric_has_a_case() {
    let wanted = [
        ("select", "method", registered("methods")),
        ("distance", "solver", registered("solvers")),
        ("distance", "cost", registered("costs")),
        ("select", "objective", possible("select", "objective")),
        ("distance", "metric", possible("distance", "metric")),
    ];
    for (command, flag, names) in wanted {
        assert!(!names.is_empty(), "--{flag}");
        let used = used(command, flag);
        for name in names {
            assert!(used.contains(&name), "no case runs `kantor {command} --{flag} {name}`: add one to cases.rs");
        }
    }
}

#[test]
fn every_command_has_cases_and_its_help_is_recorded() {
    let lines: Vec<&str> = GROUPS.iter().flat_map(|(_, cases)| *cases).flat_map(|case| case.lines).copied().collect();
    let commands = commands();
    assert!(!commands.is_empty());
    for command in commands {
        assert!(lines.contains(&&*format!("{command} --help")), "`{command} --help` has no case");
        let runs = |line: &&str| line.split_whitespace().next() == Some(&command) && !line.contains("--help");
        assert!(lines.iter().any(runs), "`kantor {command}` has no case");
    }
}
