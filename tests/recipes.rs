//! Each everyday task of docs/recipes.md is done by what stands there.

use crate::documents::{blocks, document};
use crate::support::trials::trials;
use crate::support::{Home, Spelling};
use std::fs;

trials![every_recipe_does_what_it_says if Jq];

/// Recipes, what is there before, and what must be true afterwards; both are shell.
const RECIPES: [(&str, &str, &str); 28] = [
    (
        "A job for each file of a folder",
        "echo a >'a b.log'; echo c >-c.log",
        "queuectl worker start --drain; test -e 'a b.log.gz' && test -e ./-c.log.gz",
    ),
    (
        "What another program finds",
        "touch 'a b.csv' c.csv; mine import.sh 'echo \"$1\" >>seen'",
        "queuectl worker start --drain; test \"$(sort seen)\" = './a b.csv\n./c.csv'",
    ),
    (
        "A file of commands, four at a time, and which failed",
        "printf '%s\\n' '# two' 'echo one >one' 'exit 3' >commands.txt",
        "test -e one && test \"$(queuectl dlq list --json | jq -r '.[].command')\" = 'exit 3'",
    ),
    (
        "In a script: wait for all, and fail if one has died",
        "queuectl enqueue --max-retries 0 false; queuectl enqueue --delay 1h true; \
         queuectl worker start --drain=ready --exit-zero; echo true >commands.txt",
        "jobs completed 1 && jobs total 1",
    ),
    (
        "In a script: wait for some jobs",
        "mine one.sh 'sleep 0.2'; mine two.sh 'echo two'; queuectl start",
        "jobs completed 2; queuectl stop",
    ),
    (
        "Every night, by cron",
        "unset QUEUECTL_HOME; mkdir -p \"$HOME/.cargo\"; \
         ln -s \"$(dirname \"$(command -v queuectl)\")\" \"$HOME/.cargo/bin\"",
        "test -z \"$(cron 2>&1)\"; jobs pending 1; queuectl show \"nightly-$(date +%F)\" | grep './nightly.sh'; \
         test \"$(newest -r .cwd)\" = \"$HOME\"",
    ),
    (
        "Again and again, and never two at once",
        "queuectl enqueue --unique sync ./sync.sh",
        "jobs pending 1; queuectl show @last | grep 'unique key *: sync'",
    ),
    ("Later", "", "newest '.run_at != null'"),
    (
        "At a time",
        "export TZ=IST-5:30",
        "newest '.command == \"./report.sh\" and (.run_at | endswith(\"T00:30:00.000Z\"))'",
    ),
    (
        "With patience: a time limit, and many retries",
        "",
        "newest '.timeout_ms == 30000 and .max_retries == 10 and (.command | startswith(\"curl -fsSO\"))'",
    ),
    (
        "Before all others",
        "queuectl enqueue 'echo last >>order'; mine hotfix.sh 'echo first >>order'",
        "queuectl worker start --drain; test \"$(head -n 1 order)\" = first",
    ),
    (
        "With a variable of mine, in another folder",
        "export TOKEN=secret",
        "queuectl worker start --drain; test \"$(queuectl logs \"$(id_of_newest)\")\" = 'secret in /tmp'",
    ),
    (
        "Never two of a kind at once",
        "mine deploy.sh 'mkdir busy && sleep 0.1 && rmdir busy'; queuectl enqueue flock deploy.lock ./deploy.sh",
        "queuectl worker start --drain --count 2; jobs completed 2",
    ),
    (
        "One after the other",
        "mine extract.sh 'echo extracted >>order'; mine load.sh 'echo loaded >>order'; \
         mine transform.sh 'echo transformed >>order; \"$QUEUECTL\" enqueue ./load.sh'",
        "queuectl worker start --drain; test \"$(cat order)\" = 'extracted\ntransformed\nloaded'",
    ),
    ("What runs now", "queuectl enqueue true", "jobs pending 1"),
    (
        "What has died, and why",
        "queuectl enqueue 'exit 3' --id a --max-retries 0; queuectl worker start --drain --exit-zero",
        "said 'a\texit code 3'",
    ),
    (
        "Run again what died of a kind",
        "queuectl enqueue 'echo connection refused >&2; exit 1' --max-retries 0; \
         queuectl enqueue 'exit 2' --max-retries 0; queuectl worker start --drain --exit-zero",
        "jobs pending 1 && jobs dead 1",
    ),
    (
        "Run again what died by an exit code",
        "queuectl enqueue 'exit 75' --max-retries 0; queuectl enqueue 'exit 2' --max-retries 0; \
         queuectl worker start --drain --exit-zero",
        "said '1 job would be pending again' && jobs dead 2",
    ),
    (
        "Do not wait for the next retry",
        "export QUEUECTL_BACKOFF_BASE=3600; queuectl enqueue --id upload -- test -e there; \
         queuectl worker start --drain=ready; touch there",
        "queuectl worker start --drain=ready; jobs completed 1",
    ),
    (
        "Run it anew under the same id",
        "mine import.sh 'echo \"$1\" >>seen'; queuectl enqueue --id import true; queuectl worker start --drain",
        "queuectl worker start --drain; test \"$(cat seen)\" = today.csv",
    ),
    (
        "Take back everything that waits",
        "export QUEUECTL_BACKOFF_BASE=3600; queuectl enqueue false; queuectl worker start --drain=ready; \
         queuectl enqueue true; queuectl enqueue --delay 1h true",
        "jobs cancelled 3 && jobs pending 0 && jobs failed 0",
    ),
    (
        "Have the jobs of a queue wait",
        "queuectl enqueue true; queuectl enqueue --delay 1h true",
        "jobs blocked 2 && queuectl enqueue true; jobs blocked 2; queuectl release --held; jobs blocked 0",
    ),
    (
        "A queue of its own for slow jobs",
        "mine transcode.sh 'touch slow'; queuectl enqueue true",
        "test -e slow && jobs pending 1",
    ),
    (
        "Bring what waits to another queue",
        "queuectl enqueue --id a true; queuectl enqueue --delay 1h --id b true",
        "test \"$(queuectl --database ./other.db list --json | jq -r '.[].id' | sort)\" = 'a\nb'; \
         queuectl --database ./other.db list --json | jq -e '.[1].run_at != null'; jobs cancelled 2; jobs pending 0",
    ),
    (
        "Say so if something has died",
        "queuectl enqueue --max-retries 0 false; queuectl worker start --drain --exit-zero",
        "said 'jobs have died: queuectl dlq list' && ! test -e nothing-died",
    ),
    (
        "Say so if something is not well",
        "queuectl enqueue true; queuectl doctor --json | jq -e '.ok' >well; chmod 644 \"$QUEUECTL_HOME/queue.db\"",
        "grep 'chmod' said",
    ),
    (
        "Tidy up",
        "queuectl enqueue true; queuectl worker start --drain",
        "said 'Deleted 0 jobs'; jobs completed 1",
    ),
    (
        "Keep a copy",
        "queuectl enqueue true",
        "queuectl list --database \"./queue-$(date +%F).db\" | grep true",
    ),
];

/// What set-up and checks are made of.
const WORDS: &str = r#"set -eu
mine() { printf '#!/bin/sh\n%s\n' "$2" >"$1"; chmod +x "$1"; }
jobs() { test "$(queuectl status --json | jq ".jobs.$1")" = "$2"; }
newest() { queuectl list --json | jq -e ${2:+"$1"} ".[-1] | ${2:-$1}"; }
id_of_newest() { queuectl list --json | jq -r '.[-1].id'; }
said() { grep -Fx "$1" said; }
cron() { env -i HOME="$HOME" PATH=/usr/bin:/bin sh -c 'cd && sh ./cron-line'; }
"#;

/// Has a line of a crontab be what cron hands to the shell; the rest is done as it stands.
fn as_the_shell_gets_it<'a>(section: &'a str, home: &Home) -> Vec<&'a str> {
    let [line] = blocks(section, "crontab")[..] else { return blocks(section, "sh") };
    let command = line.splitn(6, ' ').last().unwrap().replace(r"\%", "%");
    fs::write(home.user_home().join("cron-line"), command).unwrap();
    vec![":"]
}

fn every_recipe_does_what_it_says() {
    let text = document("docs/recipes.md");
    let tasks = text.split("## Everyday tasks\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let sections: Vec<&str> = tasks.split("\n### ").skip(1).collect();
    let titles: Vec<&str> = sections.iter().filter_map(|section| section.lines().next()).collect();
    assert_eq!(titles, RECIPES.map(|(title, _, _)| title), "each recipe of the document is tried");
    for (section, (title, before, after)) in sections.iter().zip(RECIPES) {
        let home = Home::quick();
        let [recipe] = as_the_shell_gets_it(section, &home)[..] else { panic!("{title} is not one block") };
        assert!(recipe.lines().count() <= 3, "{title} is too long");
        fs::write(home.path("recipe"), recipe).unwrap();
        let script = format!("{WORDS}{before}\n{{ . ./recipe; }} >said\n{{ {after}; }} >checked");
        let done = home.typed(Spelling::Dispatched, &script).assert();
        let output = done.get_output();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{title}: {stderr}");
        for complaint in ["error:", "warning:", "hint: all words", "hint: `"] {
            assert!(!stderr.contains(complaint), "{title}: {stderr}");
        }
    }
}
