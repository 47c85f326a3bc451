//! Every line that the documents have a reader type can be typed.
//!
//! A block of `sh` is run as it stands. A block of `sh no-run` is for programs
//! that are not ours and not everywhere, and has no other lines.

use super::{blocks, document, documents};
use crate::support::postgres::{SUPERUSER, Server, program};
use crate::support::program::Program;
use crate::support::trials::trials;
use crate::support::{Home, Spelling};
use predicates::str::contains;
use std::collections::BTreeSet;
use std::fs;

trials![
    every_line_of_the_readme_can_be_typed,
    every_line_of_the_guide_can_be_typed,
    every_line_of_the_reference_can_be_typed,
    every_command_of_the_postgres_document_can_be_typed if Postgres,
    systemd_understands_the_unit_of_the_recipes if Systemd,
    no_line_that_could_be_typed_is_left_out,
];

/// Those whose lines are run; the recipes by a test of their own.
const TYPED: [&str; 5] =
    ["README.md", "docs/guide.md", "docs/postgres.md", "docs/recipes.md", "docs/reference.md"];

/// Programs that only lines that are not run may begin with.
const OF_OTHERS: [&str; 5] = ["cargo", "docker", "journalctl", "just", "systemctl"];

/// A queue in use; and cargo, which would take minutes.
const BEFORE: &str = r#"queuectl -q enqueue true >/dev/null
cargo() { test "$*" = 'install --locked --path .'; }
"#;

/// Types the blocks of a document, those of one section in one shell with a home of its own.
///
/// A block of `text` below one of `sh` is what that printed. A line whose comment says
/// `exits with 1` does that, and has to.
fn typed(name: &str) -> String {
    let text = document(name);
    let mut all_printed = String::new();
    for section in text.split("\n## ") {
        let groups = groups(section);
        if groups.is_empty() {
            continue;
        }
        let home = Home::new();
        let script: String =
            groups.iter().map(|(lines, _)| format!("{}echo '{END_OF_BLOCK}'\n", checked(lines))).collect();
        fs::write(home.path("typed.sh"), format!("{BEFORE}exec 2>&1\n{script}")).unwrap();
        let assert = home.typed(Spelling::Dispatched, "sh -eu ./typed.sh").assert().success();
        let printed = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        for ((lines, shown), printed) in groups.iter().zip(printed.split(END_OF_BLOCK)) {
            let lines_printed: BTreeSet<String> = printed.lines().map(alike).collect();
            for line in shown.lines().filter(|line| !line.contains(BY_CHANCE)) {
                assert!(
                    lines_printed.contains(&alike(line)),
                    "{name}: {line}\nof {lines}is not in\n{printed}"
                );
            }
        }
        all_printed += &printed;
    }
    all_printed
}

/// Has each line that is said to exit with 1 do that, and nothing else.
fn checked(lines: &str) -> String {
    let checked = lines.lines().map(|line| match line.split_once(" # ") {
        Some((typed, comment)) if comment.contains("exits with 1") => {
            format!("code=0; {typed} || code=$?; test $code = 1\n")
        }
        _ => format!("{line}\n"),
    });
    checked.collect()
}

const END_OF_BLOCK: &str = "--- end of block";

/// A line that is not printed where the machine is slow.
const BY_CHANCE: &str = "Waiting for jobs that are not due";

/// What is typed in a section, block by block, each with what it printed as far as that is shown.
fn groups(section: &str) -> Vec<(&str, &str)> {
    let mut groups: Vec<(&str, &str)> = Vec::new();
    let mut is_below_a_group = false;
    for fenced in section.split("```").skip(1).step_by(2) {
        let (language, lines) = fenced.split_once('\n').unwrap();
        match language {
            "sh" => groups.push((lines, "")),
            "text" if is_below_a_group => groups.last_mut().unwrap().1 = lines,
            _ => {}
        }
        is_below_a_group = language == "sh";
    }
    groups
}

/// A line without what differs from run to run: numbers, times, folders, and the name of the machine.
fn alike(line: &str) -> String {
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let words = line.split_whitespace().map(|word| {
        let differs = word.contains("/tmp") || word.contains(|letter: char| letter.is_ascii_digit());
        if word == host {
            "laptop"
        } else if differs {
            "#"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn every_line_of_the_readme_can_be_typed() {
    let said = typed("README.md");
    for word in ["hello\n", "Job report is pending again", "all is well", "completed : 1"] {
        assert!(said.contains(word), "{word} in\n{said}");
    }
    let text = document("README.md");
    let start = text.split("## Quick start").nth(1).unwrap();
    assert_eq!(blocks(start, "sh")[0].lines().count(), 5, "a quick start is quick");
}

fn every_line_of_the_guide_can_be_typed() {
    let said = typed("docs/guide.md");
    for word in [
        "hello, my friend",
        "all is well",
        "Job long cancelled",
        "Stopped 2 workers",
        "database = ",
        "deployed",
    ] {
        assert!(said.contains(word), "{word} in\n{said}");
    }
}

fn every_line_of_the_reference_can_be_typed() {
    let said = typed("docs/reference.md");
    for word in ["Job added with ID: copy", "Job added with ID: make", "Jobs added: 2"] {
        assert!(said.contains(word), "{word} in\n{said}");
    }
}

fn no_line_that_could_be_typed_is_left_out() {
    for name in documents() {
        let text = document(&name);
        assert!(TYPED.contains(&name.as_str()) || blocks(&text, "sh").is_empty(), "{name} is not typed");
        for line in blocks(&text, "sh no-run").concat().lines() {
            let first = line.split(' ').next().unwrap();
            assert!(first.is_empty() || OF_OTHERS.contains(&first), "{name}: {line}");
        }
        for language in ["bash", "shell", "console"] {
            assert!(blocks(&text, language).is_empty(), "{name}: a block of `{language}` is run by no test");
        }
    }
}

fn systemd_understands_the_unit_of_the_recipes() {
    let recipes = document("docs/recipes.md");
    let unit = blocks(&recipes, "ini")[0]
        .replace("/usr/local/bin/queuectl", env!("CARGO_BIN_EXE_queuectl"))
        .replace("User=queue\n", "User=root\n");
    let home = Home::new();
    let file = home.path("queuectl.service");
    fs::write(&file, unit).unwrap();
    // What is only doubtful, and what is not known, is said with exit 0.
    Program::new(home.program("systemd-analyze")).arg("verify").arg(&file).assert().success().stderr("");
}

/// Types a script as a person who may administer a server.
fn typed_at(server: &Server, home: &Home, script: &str) -> String {
    let folder = program("psql").parent().unwrap().display().to_string();
    let script =
        script.replace("db1.example,db2.example", "127.0.0.1,127.0.0.1").replace("db.example", "127.0.0.1");
    let said = home
        .typed(Spelling::Dispatched, &format!("set -eu; PATH=$PATH:{folder}\n{script}"))
        .env("PGHOST", server.socket_folder())
        .env("PGPORT", server.port().to_string())
        .env("PGUSER", SUPERUSER)
        .assert()
        .success();
    String::from_utf8_lossy(&said.get_output().stdout).into_owned()
}

fn every_command_of_the_postgres_document_can_be_typed() {
    let text = document("docs/postgres.md");
    let (server, home) = (Server::start(&[]), Home::quick());
    let commands = blocks(&text, "sh");
    assert!(commands.len() >= 5, "{commands:?}");
    let said: String = commands.iter().map(|block| typed_at(&server, &home, block)).collect();
    for word in ["hello\n", "All is well", "Moved 1 job", "Deleted 0 jobs"] {
        assert!(said.contains(word), "{word} in\n{said}");
    }

    let [own_schema, works, looks, enqueues] = blocks(&text, "sql")[..] else {
        panic!("other blocks of SQL than these")
    };
    for role in ["worker", "reader", "intake"] {
        server.psql(&format!("CREATE ROLE {role} LOGIN"));
    }
    server.psql("CREATE DATABASE other");
    let sql = |user: &str, database: &str, sql: &str| {
        home.make_file("statements");
        std::fs::write(home.path("statements"), sql).unwrap();
        let psql = format!("psql -v ON_ERROR_STOP=1 -U {user} -d {database} -f statements");
        typed_at(&server, &home, &psql);
    };
    sql(SUPERUSER, "other", own_schema);
    for statements in [works, looks, enqueues] {
        sql("queue", "queue", statements);
    }
    let place = format!("127.0.0.1:{}", server.port());
    let as_role = |role: &str, database: &str, line: &str| {
        let url = format!("postgres://{role}@{place}/{database}");
        home.typed(Spelling::Dispatched, line).env("QUEUECTL_DATABASE", url).assert()
    };
    as_role("queue", "other", "queuectl enqueue true").success();
    as_role("intake", "queue", "queuectl enqueue --id a false --max-retries 0").success();
    as_role("intake", "queue", r#"echo '{"id":"b","command":"true"}' | queuectl enqueue --file -"#).success();
    for flags in ["--id c --queue mail", "--id d --delay 1h", "--hold"] {
        as_role("intake", "queue", &format!("queuectl enqueue {flags} true")).success();
    }
    as_role("worker", "queue", "queuectl cancel c d").success();
    as_role("intake", "queue", "queuectl status").code(1).stderr(contains("permission denied"));
    as_role("worker", "queue", "queuectl worker start --drain").code(1);
    as_role("worker", "queue", "queuectl dlq retry a").success();
    as_role("worker", "queue", "queuectl cancel a").success();
    as_role("worker", "queue", "queuectl prune --state cancelled --older-than 0s")
        .success()
        .stdout("Deleted 3 jobs\n");
    for line in ["status", "list", "show b", "logs b", "dlq list", "worker list", "doctor", "backup copy.db"]
    {
        as_role("reader", "queue", &format!("queuectl {line}")).success();
    }
    as_role("reader", "queue", "queuectl enqueue true").code(1).stderr(contains("permission denied"));
    as_role("worker", "queue", "queuectl doctor").success().stdout(contains("All is well"));
}
