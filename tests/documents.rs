//! What the documents say is true.

use crate::support::postgres::{SUPERUSER, Server, program};
use crate::support::program::Program;
use crate::support::trials::trials;
use crate::support::{Home, Spelling};
use predicates::str::contains;
use queuectl_store::LeaseTimes;
use std::fs;
use std::path::Path;
use std::time::Duration;

trials![
    the_readme_quotes_the_configuration,
    the_readme_names_every_program,
    every_line_of_the_readmes_tour_can_be_typed,
    every_file_the_architecture_names_is_there,
    only_the_store_depends_on_a_database_driver,
    the_postgres_document_names_every_parameter,
    the_postgres_document_names_the_times_of_leases,
    every_command_of_the_postgres_document_can_be_typed if Postgres,
    systemd_understands_the_unit_of_the_recipes if Systemd,
];

pub fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The blocks of a language, without their fences.
pub fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|after| after.split("```").next()).collect()
}

fn the_readme_quotes_the_configuration() {
    assert_eq!(blocks(&document("README.md"), "toml"), [document("config/queuectl.toml")]);
}

fn the_readme_names_every_program() {
    let readme = document("README.md");
    for program in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("bins")).unwrap() {
        let name = program.unwrap().file_name().into_string().unwrap().replacen('-', " ", 1);
        assert!(readme.contains(&format!("`{name}")), "{name}");
    }
}

fn every_line_of_the_readmes_tour_can_be_typed() {
    let readme = document("README.md");
    let tour = readme.split("## A two-minute tour").nth(1).unwrap().split("\n## ").next().unwrap();
    let lines = blocks(tour, "sh").concat();
    assert!(lines.lines().count() > 30, "{lines}");
    let home = Home::new();
    let script = home.path("tour.sh");
    fs::write(&script, lines).unwrap();
    let said = home.typed(Spelling::Dispatched, "sh -eu ./tour.sh").assert().success();
    let said = String::from_utf8_lossy(&said.get_output().stdout).into_owned();
    for word in ["hello, my friend", "all is well", "Job long cancelled", "Stopped 2 workers"] {
        assert!(said.contains(word), "{word} in\n{said}");
    }
}

fn every_file_the_architecture_names_is_there() {
    let text = document("ARCHITECTURE.md");
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            ["rs", "sql", "toml"].iter().any(|ending| Path::new(name).extension() == Some(ending.as_ref()))
        })
        .filter(|name| name.contains('/') && !name.contains(['*', '{', '<', ' ', '…', '~', 'N']))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let root = env!("CARGO_MANIFEST_DIR");
        // Short for what is clear from the text around it.
        let there = [
            "",
            "shared/queuectl-",
            "bins/queuectl-",
            "shared/queuectl-store/src/",
            "shared/queuectl-runtime/src/",
        ]
        .iter()
        .any(|beginning| Path::new(&format!("{root}/{beginning}{name}")).exists());
        assert!(there, "{name}");
    }
}

fn only_the_store_depends_on_a_database_driver() {
    for package in [
        "config",
        "shared/queuectl-cli",
        "shared/queuectl-core",
        "shared/queuectl-runtime",
        "shared/queuectl-service",
        ".",
    ] {
        let manifest = document(&format!("{package}/Cargo.toml"));
        let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
        for driver in ["rusqlite", "postgres"] {
            assert!(!dependencies.contains(driver), "{package} names {driver}");
        }
    }
}

/// The rows of the tables of a document that begin with a name in code.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').collect()).collect()
}

fn the_postgres_document_names_every_parameter() {
    let source = document("shared/queuectl-postgres/src/address/url.rs");
    let known = source.split("const PARAMETERS").nth(1).unwrap().split("];").next().unwrap();
    let document = document("docs/postgres.md");
    let rows = rows(&document);
    let names: Vec<Vec<&str>> = known
        .lines()
        .filter(|line| line.trim_start().starts_with("(\""))
        .map(|line| line.split('"').skip(1).step_by(2).collect())
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for names in names {
        let is_in_a_row = rows.iter().any(|row| names.iter().all(|name| row.contains(name)));
        let is_refused = document.contains(&format!("`{}` (`{}`)", names[0], names.last().unwrap()));
        assert!(is_in_a_row || is_refused, "{names:?}");
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

fn the_postgres_document_names_the_times_of_leases() {
    let document = document("docs/postgres.md");
    for seconds in [10, 30, 60, 300] {
        let lease = LeaseTimes::of(Duration::from_secs(seconds));
        let times = [
            lease.length(),
            lease.renewed_every(),
            lease.ends_jobs_after(),
            lease.has_ended_jobs_after(),
            lease.dead_after(),
        ];
        let row = times.map(|time| format!(" {} s |", (time.as_secs_f64() * 10.0).round() / 10.0)).concat();
        assert!(document.contains(&format!("|{row}")), "|{row}");
    }
}

/// Types a script as somebody who may administer a server.
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
    for word in ["hello\n", "All is well", "Deleted 0 jobs"] {
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
    as_role("intake", "queue", "queuectl status").code(1).stderr(contains("permission denied"));
    as_role("worker", "queue", "queuectl worker start --drain").success();
    as_role("worker", "queue", "queuectl dlq retry a").success();
    as_role("worker", "queue", "queuectl cancel a").success();
    as_role("worker", "queue", "queuectl prune --state cancelled --older-than 0s")
        .success()
        .stdout("Deleted 1 job\n");
    for line in ["status", "list", "show b", "logs b", "dlq list", "worker list", "doctor", "backup copy.db"]
    {
        as_role("reader", "queue", &format!("queuectl {line}")).success();
    }
    as_role("reader", "queue", "queuectl enqueue true").code(1).stderr(contains("permission denied"));
    as_role("worker", "queue", "queuectl doctor").success().stdout(contains("All is well"));
}
