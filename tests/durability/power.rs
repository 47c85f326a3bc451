//! A power cut: what was not synced is gone, and what was acknowledged is there.
//!
//! The queue lies in a file system of its own, in an image. What a program has
//! written and not synced is in the memory of the system, and not in the image:
//! a copy of the image is the disk after a power cut.

use super::scale::{is_long, report, rounds};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, Worker, marked, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_core::{JobId, State};
use queuectl_store::{Access, Location, OpenOptions, Store};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

trials![
    a_power_cut_loses_nothing_that_was_acknowledged if LoopDevices,
    without_full_syncs_a_power_cut_loses_what_was_acknowledged if LoopDevices and PlantedBugs,
];

/// So many cuts one machine suffers before another takes its place.
const CUTS_OF_A_MACHINE: u64 = 10;

/// Makes the file system, and keeps two people who add jobs and two workers at work.
/// The script that adds a job notes it after exit 0, outside of the image.
const MACHINE: &str = r#"
    mkdir "$QUEUECTL_HOME"
    mount -o loop "$TEST_HOME/disk" "$QUEUECTL_HOME"
    for person in a b; do
        (
            n=0
            while [ ! -e stop ]; do
                n=$((n + 1))
                queuectl-enqueue --id $person-$n --shell ":" >/dev/null && echo $person-$n >>acknowledged
            done
        ) &
    done
    queuectl-worker start --count 2
"#;

/// Mounts what a cut has left, as the next start of the machine does, and copies
/// the queue from it.
const AFTERWARDS: &str = r#"
    mount -o loop "$TEST_HOME/cut" "$TEST_HOME/mounted"
    cp -a "$TEST_HOME"/mounted/queue.db* "$TEST_HOME/after/"
"#;

/// A machine whose power can be cut.
struct Machine {
    home: Home,
    _programs: Worker,
}

/// What was promised before a cut.
struct Promised {
    acknowledged: Vec<String>,
    completed: Vec<String>,
}

/// Runs a script of the system in a mount namespace of its own.
fn in_a_namespace(home: &Home, script: &str) -> Command {
    let program = home.command(Spelling::Direct, ["enqueue"]);
    let programs = Path::new(program.get_program()).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = home.program("unshare");
    command.args(["--mount", "/bin/sh", "-ec", script]).env("PATH", path);
    command
}

impl Machine {
    fn start(home: Home) -> Self {
        for name in ["mounted", "after"] {
            fs::create_dir(home.root().join(name)).unwrap();
        }
        let disk = home.root().join("disk");
        fs::File::create(&disk).unwrap().set_len(32 << 20).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk).status().unwrap();
        assert!(made.success());
        let programs =
            Worker::start(in_a_namespace(&home, MACHINE), &home.root().join("said").join("machine"));
        Self { home, _programs: programs }
    }

    fn acknowledged(&self) -> Vec<String> {
        self.home.lines("acknowledged")
    }

    /// What workers have said to be completed, which they say after the commit.
    fn completed(&self) -> Vec<String> {
        let said = fs::read_to_string(self.home.root().join("said").join("machine.err")).unwrap_or_default();
        // The last line may be half written.
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let id = |line: &str| Some(line.split_once(" Job ")?.1.split_once(" completed")?.0.to_owned());
        whole.lines().filter_map(id).collect()
    }

    /// Stops every program, copies the disk as it is, and lets them go on.
    fn cut(&self) -> Promised {
        let marker = format!("TEST_HOME={}", self.home.root().display());
        let mut stopped = Vec::new();
        // One that was just starting another is stopped, and then the other.
        loop {
            let running: Vec<i32> =
                marked(&[&marker]).into_iter().filter(|pid| !stopped.contains(pid)).collect();
            if running.is_empty() {
                break;
            }
            for pid in running {
                let _gone_is_fine = kill(Pid::from_raw(pid), Signal::SIGSTOP);
                stopped.push(pid);
            }
        }
        let promised = Promised { acknowledged: self.acknowledged(), completed: self.completed() };
        self.copy_the_disk();
        for pid in stopped {
            let _gone_is_fine = kill(Pid::from_raw(pid), Signal::SIGCONT);
        }
        promised
    }

    /// Copies the image until nothing of it has changed during the copy: a cut is
    /// one instant, and the system writes by itself now and then.
    fn copy_the_disk(&self) {
        let (disk, cut) = (self.home.root().join("disk"), self.home.root().join("cut"));
        wait_until(DEADLINE, "the disk stands still", || {
            let copied = Command::new("cp").arg("--sparse=always").args([&disk, &cut]).status().unwrap();
            assert!(copied.success());
            Command::new("cmp").arg("-s").args([&disk, &cut]).status().unwrap().success()
        });
    }

    /// Looks at what the cut has left; gives what was promised and is not so.
    fn losses(&self, promised: &Promised) -> Vec<String> {
        for entry in fs::read_dir(self.after()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let output = in_a_namespace(&self.home, AFTERWARDS).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            assert!(words.contains("No such file"), "{words}");
            // There may have been no queue yet.
            let is_lost = !promised.acknowledged.is_empty();
            return is_lost.then(|| "the queue is lost".to_owned()).into_iter().collect();
        }
        let mut store = self.store_afterwards();
        let mut losses: Vec<String> =
            store.check().unwrap().into_iter().map(|finding| format!("not sound: {finding}")).collect();
        let state = |store: &mut Box<dyn Store>, id: &String| {
            store.job(&JobId::trusted(id.clone())).unwrap().map(|job| job.state)
        };
        for id in &promised.acknowledged {
            if state(&mut store, id).is_none() {
                losses.push(format!("job {id} was acknowledged and is lost"));
            }
        }
        for id in &promised.completed {
            let state = state(&mut store, id);
            if state != Some(State::Completed) {
                losses.push(format!("the result of job {id} was recorded, and it is {state:?}"));
            }
        }
        losses
    }

    fn after(&self) -> PathBuf {
        self.home.root().join("after")
    }

    fn store_afterwards(&self) -> Box<dyn Store> {
        let options = OpenOptions::new(Access::Read, DEADLINE);
        queuectl_store::open(&Location::File(self.after().join("queue.db")), &options).unwrap()
    }

    /// Has workers go on with what the cut has left.
    fn go_on_afterwards(&self) {
        let mut worker = self.home.command(Spelling::Direct, ["worker", "start", "--drain"]);
        worker.env("QUEUECTL_HOME", self.after());
        let output = worker.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut store = self.store_afterwards();
        assert_eq!(store.check().unwrap(), [""; 0]);
        let counts = store.counts().unwrap();
        assert_eq!(counts[State::Completed], counts.total(), "{counts:?}");
    }
}

/// Cuts the power of machines at random moments; gives all that was lost.
fn cut_again_and_again(cuts: u64, home: impl Fn() -> Home) -> Vec<String> {
    let began = Instant::now();
    let (mut machine, mut losses) = (Machine::start(home()), Vec::new());
    let (mut acknowledged, mut completed) = (0, 0);
    for cut in 0..cuts {
        if cut > 0 && cut % CUTS_OF_A_MACHINE == 0 {
            machine = Machine::start(home());
        }
        // The first cut of a machine may come before it has a queue.
        let wanted = if cut % CUTS_OF_A_MACHINE == 0 { 0 } else { machine.acknowledged().len() + 1 };
        wait_until(DEADLINE, "jobs are added", || machine.acknowledged().len() >= wanted);
        let moment = Instant::now() + Duration::from_millis(RandomState::new().hash_one(cut) % 150);
        wait_until(DEADLINE, "the moment has come", || Instant::now() >= moment);
        let promised = machine.cut();
        acknowledged += promised.acknowledged.len();
        completed += promised.completed.len();
        let lost = machine.losses(&promised);
        if lost.is_empty() && !promised.acknowledged.is_empty() && (is_long() || cut + 1 == cuts) {
            machine.go_on_afterwards();
        }
        losses.extend(lost.into_iter().map(|loss| format!("cut {cut}: {loss}")));
    }
    let seconds = began.elapsed().as_secs_f64();
    report(&format!(
        "power: {cuts} cuts, {acknowledged} acknowledgements and {completed} results looked for, {} lost, in {seconds:.1} s",
        losses.len()
    ));
    assert!(acknowledged > 0 && completed > 0, "nothing was promised before any cut");
    losses
}

fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let losses = cut_again_and_again(rounds(8, 200), Home::quick);
    assert!(losses.is_empty(), "{}", losses.join("\n"));
}

fn without_full_syncs_a_power_cut_loses_what_was_acknowledged() {
    let home = || Home::quick().with("QUEUECTL_PLANTED_BUG", queuectl_store::Bug::NormalSync.name());
    let losses = cut_again_and_again(rounds(4, 20), home);
    assert!(!losses.is_empty(), "the cuts take nothing away, so they prove nothing");
}
