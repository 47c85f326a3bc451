//! Several machines, as far as programs can tell.
//!
//! Each has a name, a network, a process table and a boot of its own, and all are
//! joined by cables to one switch; only the files are the same everywhere. All of
//! it ends with the test process, even when that is killed: the first process of
//! each machine waits for the end of a pipe.

use super::processes::{Role, kill_all, marked, role};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What a machine has of its own, as `unshare` calls it.
pub const OWN: [&str; 7] = ["--net", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];

/// The first process of a machine. Nobody waits for orphans there, so the kernel
/// has to forget them.
const FIRST_PROCESS: &str = "mount --bind \"$BOOT_ID\" /proc/sys/kernel/random/boot_id
echo \"$NAME\" >/proc/sys/kernel/hostname
ip link set lo up
echo ready
exec env --ignore-signal=CHLD cat";

const SWITCH: &str = "ip link add name switch type bridge
ip link set switch up
echo ready
exec cat";

/// Machines on one switch.
pub struct Network {
    switch: Holder,
    machines: Vec<(Host, Holder)>,
    boots: TempDir,
}

/// One machine.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    address: String,
    /// Its first process, as it is seen from outside.
    first: i32,
}

/// A process that keeps namespaces alive until it is dropped.
struct Holder {
    child: Child,
}

impl Holder {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n", "{command:?}");
        Self { child }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// The process that was forked into the new namespaces.
    fn inner(&self) -> i32 {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().next().expect("it runs").parse().unwrap()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _gone_is_fine = self.child.wait();
    }
}

impl Network {
    /// Machines of these names, each connected.
    pub fn new(names: &[&str]) -> Self {
        let boots = tempfile::tempdir().unwrap();
        let switch = Holder::start(Command::new("unshare").args(["--net", "/bin/sh", "-ec", SWITCH]));
        let mut network = Self { switch, machines: Vec::new(), boots };
        for name in names {
            network.add(name);
        }
        network
    }

    fn add(&mut self, name: &str) {
        let number = self.machines.len() + 1;
        let boot_id = self.boots.path().join(name);
        fs::write(&boot_id, format!("00000000-0000-4000-8000-{number:012}\n")).unwrap();
        let mut command = Command::new("unshare");
        command.args(OWN).args(["/bin/sh", "-ec", FIRST_PROCESS]);
        let holder = Holder::start(command.env("BOOT_ID", boot_id).env("NAME", name));
        let host = Host { name: name.into(), address: format!("10.83.0.{number}"), first: holder.inner() };
        let (cable, first) = (cable(name), host.first.to_string());
        self.at_the_switch(&[
            "link", "add", "name", &cable, "type", "veth", "peer", "name", "eth0", "netns", &first,
        ]);
        self.at_the_switch(&["link", "set", &cable, "master", "switch", "up"]);
        ip(first.as_str(), &["address", "add", &format!("{}/24", host.address), "dev", "eth0"]);
        ip(first.as_str(), &["link", "set", "eth0", "up"]);
        self.machines.push((host, holder));
    }

    /// One of the machines.
    pub fn host(&self, name: &str) -> &Host {
        let (host, _) = self.machines.iter().find(|(host, _)| host.name == name).expect("a known machine");
        host
    }

    /// Has the switch swallow whatever comes from a machine or goes to it. Nobody
    /// is told.
    pub fn cut(&self, name: &str) {
        self.at_the_switch(&["link", "set", &cable(name), "nomaster"]);
    }

    /// Connects it again.
    pub fn heal(&self, name: &str) {
        self.at_the_switch(&["link", "set", &cable(name), "master", "switch"]);
    }

    fn at_the_switch(&self, arguments: &[&str]) {
        ip(&self.switch.pid().to_string(), arguments);
    }
}

fn cable(name: &str) -> String {
    format!("to-{name}")
}

/// Runs `ip` on the network of a process.
fn ip(pid: &str, arguments: &[&str]) {
    let status = Command::new("nsenter").args(["--target", pid, "--net", "ip"]).args(arguments).status();
    assert!(status.unwrap().success(), "ip {arguments:?}");
}

impl Host {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address in the network.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A program on this machine, in a folder.
    pub fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first.to_string(), "--net", "--uts", "--mount", "--pid"])
            .args(["/bin/sh", "-c", "cd \"$0\" && exec \"$@\""])
            .arg(folder)
            .arg(program)
            .env("TEST_MACHINE", self.marker());
        command
    }

    /// A program on this machine's network, and otherwise outside.
    pub fn on_its_network(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--net"]).arg(program);
        command
    }

    /// Kills the machine's managers, workers and guardians, all at once; jobs live on.
    pub fn kill_workers(&self) {
        kill_all(|| self.processes().into_iter().filter(|&pid| role(pid).is_some()).collect());
    }

    /// The processes of one role on this machine, as seen from outside.
    pub fn those(&self, meant: Role) -> Vec<i32> {
        self.processes().into_iter().filter(|&pid| role(pid) == Some(meant)).collect()
    }

    /// Kills everything that was started on this machine, as when it loses power.
    pub fn kill_everything(&self) {
        kill_all(|| self.processes());
    }

    /// What was started on this machine and has not ended, as seen from outside.
    pub fn processes(&self) -> Vec<i32> {
        marked(&[&format!("TEST_MACHINE={}", self.marker())])
    }

    fn marker(&self) -> String {
        format!("{}-{}", self.name, self.first)
    }
}
