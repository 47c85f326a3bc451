//! What a person sees in a terminal: nothing that others wrote is obeyed there.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both, on_a_terminal};
use std::ffi::OsStr;

trials![
    what_a_job_wrote_is_not_obeyed,
    what_a_job_wrote_is_followed_and_not_obeyed,
    raw_output_is_what_the_job_wrote,
    colours_of_a_job_are_left_out_where_none_are_wanted,
    a_setting_is_not_obeyed_and_stays_bare_in_a_pipe,
    nothing_that_others_wrote_is_obeyed,
];

/// Clears the screen, sets a title, goes back in the line, turns the text around.
const HOSTILE: &str = "\\033[2J\\033]0;evil\\007over\\rpainted\\010\\342\\200\\256";
const SHOWN: &str = r"\x1b[2J\x1b]0;evil\x07over\rpainted\x08\u{202e}";

fn seen<A: AsRef<OsStr>>(home: &Home, spelling: Spelling, arguments: impl IntoIterator<Item = A>) -> String {
    on_a_terminal(home.command(spelling, arguments))
}

fn what_a_job_wrote_is_not_obeyed() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue(
            "a",
            &format!("printf '{HOSTILE}\\n\\tplain é\\n\\033[31mred\\033[0m\\n'; echo err >&2"),
        );
        home.drain();
        let stdout = ["logs", "a", "--stream", "stdout"];
        let wanted = format!("{SHOWN}\n\tplain é\n\u{1b}[31mred\u{1b}[0m\n\u{1b}[0m");
        assert_eq!(seen(&home, spelling, stdout), wanted);
        assert!(seen(&home, spelling, ["logs", "a"]).contains("err\n"));
    });
}

fn what_a_job_wrote_is_followed_and_not_obeyed() {
    let home = Home::quick();
    home.enqueue_once("a", &format!("printf '{HOSTILE}'; sleep 0.2; printf '\\033'; exit 1"));
    home.drain();
    let end = "queuectl: error: job a is dead: exit code 1\nhint: give it another life with `queuectl dlq retry a`\n";
    assert_eq!(seen(&home, Spelling::Dispatched, ["logs", "-f", "a"]), format!("{SHOWN}\\x1b\n{end}"));
}

fn raw_output_is_what_the_job_wrote() {
    let home = Home::quick();
    home.enqueue("a", "printf '\\033[2Jx\\033]0;evil\\007'");
    home.drain();
    let wanted = "\u{1b}[2Jx\u{1b}]0;evil\u{7}";
    assert_eq!(seen(&home, Spelling::Dispatched, ["logs", "a", "--raw"]), wanted);
    assert_eq!(home.stdout(["logs", "a"]), wanted);
    assert_eq!(home.stdout(["logs", "a", "--raw"]), wanted);
    home.queuectl(["logs", "a", "--raw", "--json"]).assert().code(2);
}

fn colours_of_a_job_are_left_out_where_none_are_wanted() {
    let home = Home::quick();
    home.enqueue("a", "printf '\\033[1;31mred\\033[0m\\n'");
    home.drain();
    assert_eq!(seen(&home, Spelling::Dispatched, ["logs", "a", "--no-color"]), "red\n");
}

fn a_setting_is_not_obeyed_and_stays_bare_in_a_pipe() {
    both(|spelling| {
        let home = Home::new();
        home.configure("[alias]\nx = \"list \\u001b[2J\\u202e\"\n");
        let get = ["config", "get", "alias.x"];
        assert_eq!(seen(&home, spelling, get), "list \\x1b[2J\\u{202e}\n");
        home.run(spelling, get).assert().success().stdout("list \u{1b}[2J\u{202e}\n");
    });
}

fn nothing_that_others_wrote_is_obeyed() {
    let home = Home::quick();
    home.enqueue_once("a", "printf '\\033[2J\\202\\n' >&2; echo '\u{1b}]0;evil\u{7}\u{202e}'; exit 1");
    home.queuectl(["enqueue", "--id", "b", "--env", "X=\u{1b}[2J", "--shell", "true"]).assert().success();
    home.drain();
    home.configure("[alias]\nx = \"list \\u001b[2J\"\n");
    let evil = home.path("evil\u{1b}[2J.db");
    let evil = evil.to_str().unwrap();
    for arguments in [
        vec!["show", "a"],
        vec!["show", "b"],
        vec!["list"],
        vec!["dlq", "list"],
        vec!["dlq", "show", "a"],
        vec!["list", "--json"],
        vec!["show", "a", "--json"],
        vec!["logs", "a", "--json"],
        vec!["config", "list", "--origin"],
        vec!["--list"],
        vec!["backup", evil],
        vec!["backup", evil],
        vec!["doctor", "--database", evil],
        vec!["config", "get", "database", "--database", evil],
        vec!["config", "path", "--config", evil],
        vec!["move", "--to", evil],
        vec!["move", "--abort", "--database", evil],
        vec!["show", "no\u{1b}[2Jid"],
        vec!["list", "--state", "no\u{1b}[2Jstate"],
        vec!["no\u{1b}[2Jprogram"],
    ] {
        let command = home.command(Spelling::Dispatched, &arguments);
        let seen = on_a_terminal(command);
        for obeyed in ["\u{1b}[2J", "\u{1b}]", "\u{7}", "\u{202e}"] {
            assert!(!seen.contains(obeyed), "{arguments:?}: {seen:?}");
        }
        assert!(!seen.is_empty(), "{arguments:?}");
    }
}
