use super::*;
use crate::arguments::command;
use queuectl_core::Exit;

#[derive(clap::Parser)]
#[command(name = "queuectl-thing")]
struct Args {
    #[arg(trailing_var_arg = true, conflicts_with = "file")]
    command: Vec<OsString>,
    #[arg(long)]
    id: Option<String>,
    #[arg(long, short = 'n')]
    number: Option<u32>,
    #[arg(long)]
    timeout: Option<String>,
    #[arg(long)]
    json: bool,
    #[arg(long)]
    file: Option<String>,
    #[arg(long, hide = true)]
    at: Option<String>,
    #[arg(long)]
    env: Vec<String>,
}

fn words(line: &str) -> Vec<OsString> {
    shell_words::split(line).unwrap().into_iter().map(OsString::from).collect()
}

/// What is ours, and what is the command's.
fn understood(line: &str) -> Result<(Vec<OsString>, Option<String>), Failure> {
    let arguments = [vec!["queuectl-thing".into()], words(line)].concat();
    arrange(command::<Args>, arguments).map(|arranged| (arranged.arguments[1..].to_vec(), arranged.remark))
}

#[test]
fn options_of_a_job_may_follow_one_text() {
    for (line, expected) in [
        ("'sleep 10' --id a --number 5", "--id a --number 5 -- 'sleep 10'"),
        ("true --id a", "--id a -- true"),
        ("true -n5 --timeout 5", "-n5 --timeout 5 -- true"),
        ("--id=a true --timeout=5", "--id=a --timeout=5 -- true"),
        (r#"'{"command":"x"}' --id f -n 0"#, r#"--id f -n 0 -- '{"command":"x"}'"#),
        // A line for the shell takes no arguments, so these can only be ours.
        ("'echo hi' --database q.db -q", "--database q.db -q -- 'echo hi'"),
        ("'a|b' --help", "--help -- 'a|b'"),
        ("'echo hi' --json --id a", "--json --id a -- 'echo hi'"),
    ] {
        assert_eq!(understood(line).unwrap().0, words(expected), "{line}");
    }
}

#[test]
fn in_every_other_case_all_words_are_the_commands() {
    for line in [
        "mysqldump --database shop",
        "wget --timeout 30 URL",
        "rsync -v --timeout 5 a b",
        "docker run --id x img",
        "cp -v a b",
        "pytest --verbose",
        "ls -la",
        "make --help",
        "make --json",
        "make --json --id a",
        "tar --file x",
        "at --at noon",
        "git commit -n 5",
        "program - x",
        "program --id a -- --id b",
        "'echo hi' there",
    ] {
        assert_eq!(understood(line).unwrap().0, words(&format!("-- {line}")), "{line}");
        let before = format!("-q --id i -n 4 --timeout=3 {line}");
        let expected = words(&format!("-q --id i -n 4 --timeout=3 -- {line}"));
        assert_eq!(understood(&before).unwrap().0, expected);
    }
}

#[test]
fn what_is_plain_is_left_as_it_is() {
    for line in ["true", "-- true --id a", "--id a -- true --id b", "--frob true", "--file f", "-", ""] {
        assert_eq!(understood(line).unwrap(), (words(line), None), "{line}");
    }
}

#[test]
fn the_other_spelling_is_said_where_a_line_can_be_meant_both_ways() {
    for (line, other) in [
        ("true --timeout 5", "`queuectl thing -- true --timeout 5`"),
        ("-q wget --timeout 30 URL", "`queuectl thing -q --timeout 30 -- wget URL`"),
        ("mysqldump --database shop.db", "`queuectl thing --database shop.db -- mysqldump`"),
        ("make --json", "`queuectl thing --json -- make`"),
        (
            "true --timeuot 5",
            "did you mean `--timeout`? options stand before it: `queuectl thing --timeout 5 -- true`",
        ),
        ("true --ID x", "`queuectl thing --id x -- true`"),
        ("ls '|' wc -l", "`queuectl thing 'ls | wc -l'`"),
        ("-q gzip '*.log'", "`queuectl thing -q 'gzip *.log'`"),
        ("FOO=1 env", "`queuectl thing 'FOO=1 env'`"),
        ("cd /tmp", "`queuectl thing 'cd /tmp && COMMAND'`"),
        ("./x.sh at 22:00", "`--delay TIME`"),
        ("make --json --env TOKEN=hunter2", "`make --json --env TOKEN=…`; options of queuectl stand before"),
        ("true --timeout 5 --id --password=x", "type `--` before the command"),
        ("pytest -v", "`queuectl thing -v -- pytest`"),
        ("'echo hi' there", "`'echo hi' there`"),
    ] {
        let remark = understood(line).unwrap().1.unwrap_or_default();
        assert!(remark.contains(other), "{line}: {remark}");
    }
    for line in [
        "cp -v a b",
        "ls -la",
        "'sleep 10' --id a",
        "'echo hi' --database q.db",
        // These would be refused, or show a help or a version.
        "git --version",
        "true --help",
        "true -vq",
        "true --file x",
        "mysqldump --database shop",
        "wget URL --id",
    ] {
        assert_eq!(understood(line).unwrap().1, None, "{line}");
    }
}

#[test]
fn what_can_be_neither_is_refused() {
    let refused = |line: &str| {
        let failure = understood(line).unwrap_err();
        assert_eq!(failure.code(), Exit::Usage);
        failure.to_string()
    };
    let said = refused("'sleep 10' --timeuot 5");
    assert!(said.contains("`--timeuot`") && said.contains("did you mean `--timeout`?"), "{said}");
    let said = refused("'/opt/my app' --frobnicate x");
    assert!(said.contains("`queuectl thing -- '/opt/my app' --frobnicate x`"), "{said}");
    assert!(refused(r#"'{"command":"x"}' --id a b"#).contains("`b`"));
    let said = refused("'a b' --password=hunter2");
    assert!(said.contains("type `--` before it") && !said.contains("hunter2"), "{said}");
    let said = refused("true --timeout");
    assert!(said.contains("`--timeout <TIMEOUT>` needs a value"), "{said}");
    assert!(said.contains("type `queuectl thing -- true --timeout`"), "{said}");
}
