//! What flags say about a job.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use queuectl_cli::{Failure, Leads, OthersOptions};
use queuectl_core::{InvalidQueueName, InvalidUniqueKey, NewJob, OnDuplicate, UniqueKey, check_queue_name};
use queuectl_service::amounts::parse_duration;
use queuectl_service::job_fields::Draft;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// What flags say about a job.
#[derive(clap::Args)]
pub(crate) struct Given {
    /// Retry a failed job at most N times [default: max-retries of the configuration]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(0..=i64::from(NewJob::MOST_RETRIES)))]
    max_retries: Option<u32>,

    /// End a run after this time; 0 lets it run for ever [default: job-timeout of the configuration]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    timeout: Option<Duration>,

    /// Do not run it before this time has passed [default: 0]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    delay: Option<Duration>,

    /// Put it into this queue; workers may serve some queues only [default: default]
    #[arg(long, value_name = "NAME", value_parser = queue_name)]
    queue: Option<String>,

    /// Have it wait until `queuectl release` [default: run it as soon as a worker is free]
    #[arg(long)]
    hold: bool,

    /// Leave the job out while another with this key is not at rest, and print that one's id
    /// [default: none]
    #[arg(long, value_name = "KEY", value_parser = unique_key)]
    unique: Option<UniqueKey>,

    /// Keep the key for this time after the job is added, even if it ends earlier [default: 0]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    unique_for: Option<Duration>,

    /// Say what to do if the key is taken: `keep` the other job, `replace` what it says if it
    /// still waits, or `fail` [default: keep]
    #[arg(long, value_name = "WHAT", value_parser = on_duplicate())]
    on_duplicate: Option<OnDuplicate>,

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

impl Given {
    /// What they say about each job.
    pub(crate) fn draft(&self) -> Result<Draft, Failure> {
        let env = self.env.iter().map(|text| variable(text)).collect::<Result<_, _>>()?;
        Ok(Draft {
            cwd: self.cwd.clone(),
            env,
            queue: self.queue.clone(),
            hold: self.hold.then_some(true),
            unique: self.unique.clone(),
            unique_for: self.unique_for,
            on_duplicate: self.on_duplicate,
            priority: self.priority,
            max_retries: self.max_retries,
            timeout: self.timeout,
            delay: self.delay,
            ..Draft::default()
        })
    }
}

/// Understands a unique key.
fn unique_key(text: &str) -> Result<UniqueKey, InvalidUniqueKey> {
    UniqueKey::new(text)
}

/// The words for what becomes of a duplicate.
fn on_duplicate() -> impl clap::builder::TypedValueParser<Value = OnDuplicate> {
    let words = PossibleValuesParser::new(OnDuplicate::ALL.map(OnDuplicate::as_str));
    words.try_map(|word| word.parse::<OnDuplicate>())
}

/// Understands the name of a queue.
fn queue_name(text: &str) -> Result<String, InvalidQueueName> {
    check_queue_name(text).map(|()| text.to_owned())
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
            &["--key", "--unique-key", "--job-key", "--idempotency-key", "--dedupe"],
            "name the key with `--unique KEY`",
        ),
        (&["--name"], "give the job a name with `--id NAME`"),
        (&["--dir", "-w"], "say in which folder it runs with `--cwd DIR`"),
        (&["-p"], "say what runs first with `--priority N`, the larger number first"),
    ];
}

/// Understands `NAME=VALUE`, and `NAME` as what it is here.
fn variable(text: &str) -> Result<(String, String), Failure> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    let unset = || {
        Failure::error(format!("the variable {text} is not set, so it cannot be copied"))
            .hint(format!("give it a value: `--env {text}=VALUE`"))
    };
    if text.is_empty() || text.contains('\0') {
        return Err(unset());
    }
    match env::var(text) {
        Ok(value) => Ok((text.to_owned(), value)),
        Err(env::VarError::NotPresent) => Err(unset()),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Failure::error(format!("the value of the variable {text} is not valid UTF-8")))
        }
    }
}
