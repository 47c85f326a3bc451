//! Processes of a job that hide their environment, and with it the marker, from a
//! worker that is not root.

use crate::oracle::{Oracle, watched};
use crate::support::trials::trials;
use crate::support::watched::give_away;
use crate::support::{DEADLINE, Home, Worker, send, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_core::{Outcome, State};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

trials![
    what_hides_is_ended_after_a_time_out if OtherUser,
    what_hides_is_ended_after_a_failure if OtherUser,
    what_hides_is_ended_by_a_cancel if OtherUser,
    what_hides_is_ended_when_its_worker_was_killed if OtherUser,
    what_hides_is_ended_when_its_worker_and_manager_were_killed if OtherUser,
    what_hides_and_belongs_to_a_neighbour_lives_on if OtherUser,
    a_job_does_not_run_beside_what_cannot_be_ended if OtherUser,
];

/// A user who is not root, and a `sleep` whose processes hide their environment.
struct Hiding {
    oracle: Oracle,
    program: PathBuf,
    /// What starts it.
    words: String,
}

impl Hiding {
    /// A program that may be run and not be read: nobody but root may look into its
    /// processes.
    fn new() -> Self {
        Self::with_words("")
    }

    /// The same behind these words.
    fn with_words(words: &str) -> Self {
        let oracle = Oracle::new(Home::quick().unprivileged());
        give_away(&oracle.folder());
        give_away(&oracle.folder().join("log"));
        let program = oracle.home().root().join("sleep-that-hides");
        fs::copy("/bin/sleep", &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o711)).unwrap();
        let words = format!("{words} {}", program.display());
        Self { oracle, program, words }
    }

    /// Processes that nobody but root may end, as those of `sudo`.
    fn as_root() -> Self {
        let hiding = Self::with_words("./become-root --reuid=0 --regid=0 --clear-groups");
        let become_root = hiding.home().path("become-root");
        let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].into_iter().find(|path| Path::new(path).exists());
        fs::copy(setpriv.unwrap(), &become_root).unwrap();
        fs::set_permissions(&become_root, fs::Permissions::from_mode(0o4755)).unwrap();
        hiding
    }

    fn home(&self) -> &Home {
        self.oracle.home()
    }

    /// Adds a job whose first run leaves such a process, an orphan in a session of
    /// its own, and goes on with `rest`; its second run completes.
    fn enqueue(&self, id: &str, rest: &str, options: &[&str]) {
        let hide = format!(
            "(setsid {} 1000 </dev/null >/dev/null 2>&1 &); until [ -e go-{id} ]; do sleep 0.02; done; {rest}",
            self.words
        );
        let command = watched(&format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {hide}; fi"));
        assert!(self.oracle.enqueue(id, &command, options));
    }

    /// Those of them that run, with their parents.
    fn hidden(&self) -> Vec<i32> {
        processes_of(&self.program)
    }

    /// Lets a job go on once it has left one.
    fn go(&self, id: &str) {
        wait_until(DEADLINE, "a process hides", || !self.hidden().is_empty());
        self.home().make_file(&format!("go-{id}"));
    }

    fn completes(&self, id: &str, first: Outcome, mut worker: Worker) {
        self.home().wait_for(id, State::Completed);
        let outcomes = self.home().outcomes(id);
        assert_eq!(outcomes, [Some(first), Some(Outcome::Exit(0))]);
        assert_eq!(self.hidden(), [0; 0]);
        worker.signal(Signal::SIGTERM);
        worker.wait_for_success();
        self.oracle.expect_no_breach();
    }
}

impl Drop for Hiding {
    fn drop(&mut self) {
        for pid in self.hidden() {
            let _gone_is_fine = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// The tests are root, who sees everything.
fn processes_of(program: &Path) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)).collect()
}

fn what_hides_is_ended_after_a_time_out() {
    let hiding = Hiding::new();
    hiding.enqueue("victim", "sleep 1000", &["--timeout", "2s"]);
    let worker = hiding.home().worker([""; 0]);
    hiding.completes("victim", Outcome::Timeout, worker);
}

fn what_hides_is_ended_after_a_failure() {
    let hiding = Hiding::new();
    hiding.enqueue("victim", "exit 3", &[]);
    let worker = hiding.home().worker([""; 0]);
    hiding.go("victim");
    hiding.completes("victim", Outcome::Exit(3), worker);
}

fn what_hides_is_ended_by_a_cancel() {
    let hiding = Hiding::new();
    hiding.enqueue("victim", "sleep 1000", &[]);
    let _worker = hiding.home().worker([""; 0]);
    hiding.go("victim");
    hiding.home().queuectl(["cancel", "victim"]).assert().success();
    assert_eq!(hiding.hidden(), [0; 0], "nothing is left when the job is cancelled");
    assert_eq!(hiding.home().state("victim"), State::Cancelled);
}

fn what_hides_is_ended_when_its_worker_was_killed() {
    let hiding = Hiding::new();
    hiding.enqueue("victim", "sleep 1000", &[]);
    let worker = hiding.home().worker([""; 0]);
    hiding.go("victim");
    send(hiding.home().holder("victim"), Signal::SIGKILL);
    hiding.completes("victim", Outcome::WorkerLost, worker);
}

fn what_hides_is_ended_when_its_worker_and_manager_were_killed() {
    let hiding = Hiding::new();
    hiding.enqueue("victim", "sleep 1000", &[]);
    let mut worker = hiding.home().worker([""; 0]);
    hiding.go("victim");
    kill_both(hiding.home(), &mut worker, "victim");
    let next = hiding.home().worker([""; 0]);
    hiding.completes("victim", Outcome::WorkerLost, next);
}

fn kill_both(home: &Home, worker: &mut Worker, id: &str) {
    let pid = home.holder(id);
    // A program that changes its user replaces itself: this is the manager.
    worker.signal(Signal::SIGKILL);
    send(pid, Signal::SIGKILL);
    worker.wait();
}

fn what_hides_and_belongs_to_a_neighbour_lives_on() {
    let hiding = Hiding::new();
    hiding.enqueue("victim", "exit 3", &[]);
    let _worker = hiding.home().worker(["--concurrency", "2"]);
    wait_until(DEADLINE, "the victim has left one", || hiding.hidden().len() == 1);
    let victims = hiding.hidden();
    // It is younger than the victim, which may have started it by its age.
    hiding.enqueue("neighbour", "until [ -e end ]; do sleep 0.02; done", &[]);
    wait_until(DEADLINE, "both have left one", || hiding.hidden().len() == 2);
    let neighbours: Vec<_> = hiding.hidden().into_iter().filter(|pid| !victims.contains(pid)).collect();
    hiding.home().make_file("go-victim");
    hiding.home().wait_for("victim", State::Completed);
    assert_eq!(hiding.hidden(), neighbours);
    hiding.home().make_file("go-neighbour");
    hiding.home().make_file("end");
    hiding.home().wait_for("neighbour", State::Completed);
    assert_eq!(hiding.hidden(), neighbours, "what a completed job leaves lives on");
}

fn a_job_does_not_run_beside_what_cannot_be_ended() {
    let hiding = Hiding::as_root();
    hiding.enqueue("victim", "sleep 1000", &[]);
    let worker = hiding.home().worker([""; 0]);
    hiding.go("victim");
    let stays = hiding.hidden();
    send(hiding.home().holder("victim"), Signal::SIGKILL);
    worker.wait_until_it_says(&format!("1 process could not be ended, PID {}", stays[0]));
    assert!(hiding.oracle.enqueue("next", &watched("true"), &[]));
    hiding.home().wait_for("next", State::Completed);
    let job = hiding.home().job("victim");
    assert_eq!((job.state, job.lease), (State::Processing, 1));
    send(stays[0], Signal::SIGKILL);
    hiding.completes("victim", Outcome::WorkerLost, worker);
}
