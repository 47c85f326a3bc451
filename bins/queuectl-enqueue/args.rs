//! What a person can say.

use crate::given::Given;
use std::ffi::OsString;
use std::path::PathBuf;

/// Add a job to the queue
///
/// One COMMAND is a line for the shell, or, if it begins with `{"`, a job as
/// JSON. Several words are one program with its arguments, each kept as it is.
/// Flags win over JSON fields.
#[derive(clap::Parser)]
#[command(name = "queuectl-enqueue", after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
pub(crate) struct Args {
    /// What to run: shell text, a JSON job, or a program and its arguments
    ///
    /// Options stand before it; after one text those of a job may follow. Anything
    /// else after its first word is the command's own.
    #[arg(required_unless_present = "file", conflicts_with_all = ["file", "lines", "run"], trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,

    /// Take COMMAND as shell text, whatever it begins with
    #[arg(long)]
    pub(crate) shell: bool,

    /// Read jobs from this file (`-` is standard input), one JSON object a line
    ///
    /// Nothing is added unless every line is good. `--lines` takes lines of shell.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "shell"])]
    pub(crate) file: Option<PathBuf>,

    /// Take each line of the file as shell text; blank lines and comments are passed over
    #[arg(long, requires = "file")]
    pub(crate) lines: bool,

    /// Give this run of the file a name: repeated with it, it adds no line twice
    ///
    /// Any word. Without it a run gets a name of its own, which is said where it has to
    /// be repeated. The file and the other flags are to be the same.
    #[arg(long, value_name = "NAME", requires = "file", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) run: Option<String>,

    /// Leave a job out if its id is taken
    #[arg(long)]
    pub(crate) skip_existing: bool,

    /// Give the job this id [default: a random one]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,

    /// Wait until the job has come to rest, pass on what it writes, and exit with its code
    ///
    /// Ctrl+C ends the wait only. With --json what it has written stands in the document.
    #[arg(long)]
    pub(crate) wait: bool,

    #[command(flatten)]
    pub(crate) given: Given,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl enqueue 'make all'
  queuectl enqueue 'curl -fO https://example.com/a' --id fetch-a --max-retries 5 --timeout 30s
  queuectl enqueue '{\"id\":\"job1\",\"command\":\"sleep 2\"}'
  queuectl enqueue -- cp 'two words.txt' /tmp
  queuectl enqueue 'echo hello' --wait
  queuectl enqueue --file jobs.jsonl --skip-existing
  queuectl enqueue --file commands.txt --lines
  queuectl enqueue 'make site' --unique site --on-duplicate replace

Exit codes: 0 done, 1 error, 2 the command line is wrong, 4 not found, 75 busy: try again;
with --wait that of the job, 128 and the signal that ended it, 1 if it was cancelled";
