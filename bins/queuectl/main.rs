//! `queuectl`: finds `queuectl-<name>` and becomes it.
//!
//! It knows no program by name. What stands beside it is a program; then come
//! the aliases of the configuration; then extensions on the path.

mod alias;
mod dispatch;
mod find;
mod list;
mod replace;
mod unknown;

use find::ProgramFolders;
use std::ffi::OsString;
use std::process::ExitCode;

/// A durable queue for shell commands
#[derive(clap::Parser)]
#[command(
    name = "queuectl",
    override_usage = "queuectl [OPTIONS] <NAME> [ARGS]...\n       queuectl help [NAME]\n       queuectl --list",
    disable_help_flag = true,
    disable_help_subcommand = true
)]
struct Args {
    /// Print help; `queuectl help NAME` prints that of a program
    #[arg(short, long)]
    help: bool,

    /// List the programs, aliases and extensions there are
    #[arg(long)]
    list: bool,

    /// Print JSON; before a name, have that program print it
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    typed: Option<Typed>,
}

/// The name of a program, and its arguments, which stay untouched here.
#[derive(clap::Subcommand)]
enum Typed {
    #[command(external_subcommand)]
    Words(Vec<OsString>),
}

fn main() -> ExitCode {
    dispatch::go_straight();
    queuectl_cli::run(|args: Args, cx| {
        let folders = ProgramFolders::around_this_program()?;
        let words = match args.typed {
            _ if args.list => return list::list(cx, &folders, args.json),
            Some(Typed::Words(words)) => words,
            None if args.help => return list::help(cx, &folders),
            None => return Err(list::usage(&folders, args.json)),
        };
        let (asks_for_help, words) = match words.split_first() {
            Some((name, rest)) if name == "help" => (true, rest),
            _ => (args.help, &words[..]),
        };
        let Some((name, arguments)) = words.split_first() else { return list::help(cx, &folders) };
        if asks_for_help && matches!(name.to_str(), Some("help" | "-h" | "--help")) {
            return list::help(cx, &folders);
        }
        if asks_for_help && matches!(name.to_str(), Some("-V" | "--version")) {
            return cx.output().line(concat!("queuectl ", env!("CARGO_PKG_VERSION")));
        }
        let mut arguments = arguments.to_vec();
        if asks_for_help {
            arguments.push("--help".into());
        }
        dispatch::become_program(cx, &folders, name, arguments, args.json)
    })
}
