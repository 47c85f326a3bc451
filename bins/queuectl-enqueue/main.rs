//! `queuectl enqueue`: adds a job, or many, and prints the ids.

mod file;
mod given;
mod notes;
mod one;

use given::Given;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

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
