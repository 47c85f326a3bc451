//! `queuectl enqueue`: adds a job, or many, and prints the ids.

mod draft;
mod file;
mod folder;
mod json;
mod lines;
mod lookalike;
mod one;
mod run;

use queuectl_cli::text::parse_duration;
use queuectl_cli::{Context, Leads, OthersOptions};
use queuectl_store::Location;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Add a job to the queue
///
/// One COMMAND is a line for the shell, or, if it begins with `{"`, a job as
/// JSON. Several words are one program with its arguments, each kept as it is.
/// Flags win over JSON fields.
#[derive(clap::Parser)]
#[command(name = "queuectl-enqueue", after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
struct Args {
    /// What to run: shell text, a JSON job, or a program and its arguments
    ///
    /// Options stand before it; after one text those of a job may follow. Anything
    /// else after its first word is the command's own.
    #[arg(required_unless_present = "file", conflicts_with_all = ["file", "lines", "run"], trailing_var_arg = true)]
    command: Vec<OsString>,

    /// Take COMMAND as shell text, whatever it begins with
    #[arg(long)]
    shell: bool,

    /// Read jobs from this file (`-` is standard input), one JSON object a line
    ///
    /// Nothing is added unless every line is good. `--lines` takes lines of shell.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "shell"])]
    file: Option<PathBuf>,

    /// Take each line of the file as shell text; blank lines and comments are passed over
    #[arg(long, requires = "file")]
    lines: bool,

    /// Give this run of the file a name: repeated with it, it adds no line twice
    ///
    /// Any word. Without it a run gets a name of its own, which is said where it has to
    /// be repeated. The file and the other flags are to be the same.
    #[arg(long, value_name = "NAME", requires = "file", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    run: Option<String>,

    /// Leave a job out if its id is taken
    #[arg(long)]
    skip_existing: bool,

    /// Give the job this id [default: a random one]
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    #[command(flatten)]
    given: Given,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What flags say about a job.
#[derive(clap::Args)]
struct Given {
    /// Retry a failed job at most N times [default: max-retries of the configuration]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=i64::from(queuectl_core::NewJob::MOST_RETRIES)))]
    max_retries: Option<u32>,

    /// End a run after this time; 0 lets it run for ever [default: job-timeout of the configuration]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    timeout: Option<Duration>,

    /// Do not run it before this time has passed [default: 0]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    delay: Option<Duration>,

    /// Run jobs of a larger number first [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,

    /// Give the job this variable; NAME alone copies the value it has here [default: none]
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,

    /// Run it in this folder, which its worker must have [default: the current folder]
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,

    #[command(flatten)]
    others: Leads<Others>,
}

/// What other queues take.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] = &[
        (
            &["--at", "--run-at", "--not-before", "--on", "--in", "--eta"],
            "give a delay, such as `--delay 2h`, or a JSON job with `run_at`",
        ),
        (
            &["--every", "--cron", "--repeat"],
            "have cron type `queuectl enqueue COMMAND` as often as it is to run",
        ),
        (
            &["--after", "--depends-on", "--then"],
            r#"have the first job add the next: `queuectl enqueue 'FIRST && "$QUEUECTL" enqueue NEXT'`"#,
        ),
        (
            &["--queue"],
            "workers do not choose by queue; a queue of its own is a place of its own, `--database ./NAME.db`",
        ),
        (&["--name"], "give the job a name with `--id NAME`"),
        (&["--dir", "-w"], "say in which folder it runs with `--cwd DIR`"),
        (&["-p"], "say what runs first with `--priority N`, the larger number first"),
    ];
}

const EXAMPLES: &str = "\
Examples:
  queuectl enqueue 'make all'
  queuectl enqueue 'curl -fO https://example.com/a' --id fetch-a --max-retries 5 --timeout 30s
  queuectl enqueue '{\"id\":\"job1\",\"command\":\"sleep 2\"}'
  queuectl enqueue -- cp 'two words.txt' /tmp
  queuectl enqueue --file jobs.jsonl --skip-existing
  queuectl enqueue --file commands.txt --lines";

fn main() -> ExitCode {
    queuectl_cli::run_with_command(|args: Args, cx| match &args.file {
        Some(path) => file::add(cx, path, &args),
        None => one::add(cx, &args),
    })
}

/// Says that there was no queue at a place that was chosen, and now is.
fn note_new_queue(cx: &Context, place: Option<Location>) {
    if let Some(place) = place {
        cx.output().note(format!("Made a new queue at {place}"));
    }
}
