//! Queues where nothing can be written: everything can be looked at.
//!
//! The queue lies on a small file system of its own, in a mount namespace.

use crate::support::trials::trials;
use crate::support::{Home, Spelling};

trials![
    a_queue_on_a_read_only_file_system_can_be_looked_at if Root,
    what_is_only_in_the_log_of_a_read_only_queue_is_seen if Root,
    a_queue_on_a_full_disk_can_be_looked_at_without_a_worker if Root,
    what_another_mount_writes_is_seen_through_a_read_only_one if Root,
    a_queue_in_a_folder_of_another_user_can_be_looked_at if Root,
    many_look_at_a_queue_on_a_full_disk_at_once if Root,
    jobs_are_deleted_on_a_full_disk_and_then_there_is_room if Root,
    jobs_are_deleted_on_a_full_disk_beside_a_worker if Root,
    jobs_are_deleted_though_the_log_has_taken_the_last_room if Root,
    workers_do_not_start_on_a_full_disk_and_say_why if Root,
    a_drain_ends_on_a_full_disk_when_all_is_recorded if Root,
    jobs_are_deleted_on_a_full_disk_of_another_kind if LoopDevices,
    a_deletion_on_a_full_disk_that_is_killed_goes_on if Root and Strace,
];

/// A completed and a dead job on a disk of their own.
const BEGINNING: &str = r#"
    mkdir disk
    mount -t tmpfs -o size=16m,mode=700 tmpfs disk
    mkdir -m 700 disk/queue
    export QUEUECTL_HOME="$PWD/disk/queue"
    queuectl enqueue --id good "echo hello" >said
    queuectl enqueue --id bad --max-retries 0 "echo words; exit 3" >said
    queuectl --quiet worker start --drain --exit-zero
    queuectl enqueue --id waits true >said
    fill() { dd if=/dev/zero of=disk/filler bs=4k 2>said || :; }
"#;

/// Every way to look, and a copy that can be used.
const LOOK: &str = r#"
    look() {
        queuectl list --json | grep -q '"id":"good"'
        queuectl list | grep -q waits
        queuectl status --json | grep -q '"completed":1'
        queuectl show good | grep -q hello
        queuectl show good --json | grep -q hello
        [ "$(queuectl logs good)" = hello ]
        [ "$(queuectl logs --follow bad)" = words ]
        queuectl dlq list | grep -q bad
        queuectl dlq show bad | grep -q "exit code 3"
        queuectl worker list
        queuectl prune --state completed --older-than 0s --dry-run | grep -q 'Would delete 1 job'
        queuectl backup "copy-$1.db"
        queuectl enqueue --database "$PWD/copy-$1.db" true
        [ "$(queuectl list --database "$PWD/copy-$1.db" --json | grep -c '"id"')" = "$2" ]
    }
    refused() {
        for line in "enqueue true" "cancel waits" "dlq retry bad" "dlq clear" "worker start --drain" \
            "prune --state completed --older-than 0s" "move --to $PWD/moved.db"; do
            if queuectl $line 2>said; then exit 50; fi
            grep -q "$1" said
        done
    }
"#;

fn run(script: &str) {
    let home = Home::quick();
    let quoted = format!("{BEGINNING}{LOOK}{script}").replace('\'', "'\\''");
    home.typed(Spelling::Dispatched, &format!("unshare --mount sh -exc '{quoted}'")).assert().success();
}

fn a_queue_on_a_read_only_file_system_can_be_looked_at() {
    run(r#"
        mount -o remount,ro disk
        look plain 4
        queuectl doctor >said || :
        grep -q "error    access: its file system is mounted read-only" said
        grep -q "journal-mode: a write-ahead log" said
        refused "is on a read-only file system"
    "#);
}

fn what_is_only_in_the_log_of_a_read_only_queue_is_seen() {
    run(r#"
        queuectl enqueue --id last true
        queuectl --quiet worker start & worker=$!
        until queuectl status --json | grep -q '"completed":3'; do :; done
        mkdir -m 700 disk/copy
        cp -a disk/queue/queue.db disk/queue/queue.db-wal disk/copy/
        kill $worker
        wait $worker
        [ -s disk/copy/queue.db-wal ]
        mount -o remount,ro disk
        export QUEUECTL_HOME="$PWD/disk/copy"
        queuectl list --json | grep '"id":"last"' | grep -q '"state":"completed"'
        queuectl doctor >said || :
        grep -q "integrity: no damage was found" said
        queuectl backup copy.db
        queuectl list --database "$PWD/copy.db" --json | grep -q '"id":"last"'
        [ "$(ls disk/copy | wc -l)" = 2 ]
    "#);
}

fn a_queue_on_a_full_disk_can_be_looked_at_without_a_worker() {
    run(r"
        fill
        look full 4
        queuectl doctor >said || :
        grep -q 'error    disk: 0 B free' said
        grep -q 'integrity: no damage was found' said
        rm disk/filler
        look roomy 4
        queuectl enqueue true
    ");
}

fn what_another_mount_writes_is_seen_through_a_read_only_one() {
    run(r#"
        mkdir mirror
        mount --bind disk mirror
        mount -o remount,bind,ro mirror
        queuectl --quiet worker start & worker=$!
        until queuectl list --state completed --json | grep -q '"id":"waits"'; do :; done
        QUEUECTL_HOME="$PWD/mirror/queue" queuectl list --json | grep '"id":"waits"' | grep -q completed
        n=0
        while [ $n -lt 20 ]; do
            n=$((n + 1))
            queuectl enqueue --id more-$n true
            QUEUECTL_HOME="$PWD/mirror/queue" queuectl list --json | grep -q "\"id\":\"more-$n\""
        done
        kill $worker
        wait $worker
        queuectl enqueue --id after true
        QUEUECTL_HOME="$PWD/mirror/queue" queuectl list --json | grep -q '"id":"after"'
    "#);
}

fn a_queue_in_a_folder_of_another_user_can_be_looked_at() {
    run(r#"
        chmod 755 disk disk/queue
        chmod 644 disk/queue/queue.db
        place=$(mktemp -d)
        mount --bind disk "$place"
        mount --bind "$(dirname "$(command -v queuectl)")" /mnt
        as_nobody() {
            env -i setpriv --reuid=65534 --regid=65534 --clear-groups \
                env PATH=/mnt:/usr/bin:/bin HOME=/nonexistent "$@"
        }
        if as_nobody queuectl list --json --database "$place/queue/queue.db" >listed 2>said; then
            grep -q '"id":"good"' listed
        else
            # Refused for its owner, and for nothing else.
            grep -q "belongs to" said
        fi
    "#);
}

fn many_look_at_a_queue_on_a_full_disk_at_once() {
    run(r#"
        fill
        pids=
        for n in 1 2 3 4 5 6 7 8; do
            (for m in 1 2 3 4 5; do queuectl list --json | grep -q '"id":"good"'; done) & pids="$pids $!"
        done
        for pid in $pids; do wait $pid; done
        rm disk/filler
        queuectl enqueue true
    "#);
}

/// Output of several mebibytes in the queue, some of it of dead jobs; then the disk is full.
const FILLED: &str = r#"
    export QUEUECTL_OUTPUT_LIMIT=4MiB
    queuectl enqueue --id large --priority 1 "yes words | head -c 3000000" >said
    for n in $(seq 40); do
        echo "{\"id\":\"small-$n\",\"max_retries\":0,\"command\":\"yes $n | head -c 40000; exit $((n % 2))\"}"
    done | queuectl enqueue --file - >said
    queuectl --quiet worker start --drain --exit-zero
    free() { df --output=avail -B1 disk | tail -n 1; }
    fill
    if queuectl enqueue true 2>said; then exit 51; fi
    grep -q "is full" said
    [ "$(free)" -lt 8192 ]
"#;

const ROOM_AGAIN: &str = r#"
    [ "$(free)" -gt 2000000 ]
    queuectl enqueue --id after true
    queuectl --quiet worker start --drain --exit-zero
    queuectl list --state completed --json | grep -q '"id":"after"'
    queuectl doctor >said || :
    grep -q "integrity: no damage was found" said
    grep -q "counts: the counts by state are right" said
    [ -s disk/queue/queue.db-reserve ]
"#;

fn jobs_are_deleted_on_a_full_disk_and_then_there_is_room() {
    run(&format!(
        r#"{FILLED}
        queuectl dlq clear | grep -q 'Cleared 21 dead jobs'
        fill
        if queuectl enqueue true 2>said; then exit 52; fi
        queuectl prune --state completed --older-than 0s --json | grep -q '"deleted":23'
        [ "$(queuectl list --json | grep -c '"id"')" = 0 ]
        {ROOM_AGAIN}"#
    ));
}

fn jobs_are_deleted_on_a_full_disk_beside_a_worker() {
    run(&format!(
        r#"{FILLED}
        rm disk/filler
        queuectl --quiet worker start & worker=$!
        until queuectl worker list --json | grep -q '"alive":true'; do :; done
        fill
        while queuectl enqueue true 2>said; do :; done
        queuectl prune --state completed --state dead --older-than 0s
        {ROOM_AGAIN}
        kill $worker
        wait $worker"#
    ));
}

/// What workers have written to the log has no room in the database, nor the database.
fn jobs_are_deleted_though_the_log_has_taken_the_last_room() {
    run(&format!(
        r#"
        free() {{ df --output=avail -B1 disk | tail -n 1; }}
        n=0
        while [ $n -lt 14 ]; do
            n=$((n + 1))
            queuectl enqueue --id large-$n "head -c 1100000 /dev/urandom" >said
        done
        queuectl worker start >worker-said 2>&1 & worker=$!
        until grep -q "is full" worker-said; do :; done
        kill -STOP $worker
        kill -KILL $(pgrep -P $worker) $worker
        [ -s disk/queue/queue.db-reserve ]
        queuectl prune --state completed --older-than 0s | grep -q 'Deleted [1-9]'
        [ "$(queuectl list --state completed --json | grep -c '"id"')" = 0 ]
        queuectl --quiet worker start --drain --exit-zero
        queuectl prune --state completed --older-than 0s
        {ROOM_AGAIN}"#
    ));
}

fn workers_do_not_start_on_a_full_disk_and_say_why() {
    run(&format!(
        r#"{FILLED}
        if queuectl worker start 2>worker-said; then exit 53; fi
        [ "$(grep -c "is full" worker-said)" = 1 ]
        if queuectl start 2>said; then exit 54; fi
        grep -q "the workers did not start" said
        queuectl worker list --json | grep -q '\[\]'"#
    ));
}

/// Its last results found room, and its leave does not.
fn a_drain_ends_on_a_full_disk_when_all_is_recorded() {
    run(r#"
        queuectl enqueue --id last "until [ -e go ]; do sleep 0.02; done" >said
        queuectl worker start --drain >worker-said 2>&1 & worker=$!
        until queuectl show last --json | grep -q processing; do :; done
        fill
        while queuectl enqueue true 2>said; do :; done
        queuectl cancel waits || :
        touch go
        until grep -q "is full" worker-said; do :; done
        rm disk/filler
        wait $worker
        [ "$(grep -c "can be written again" worker-said)" = 1 ]"#);
}

fn jobs_are_deleted_on_a_full_disk_of_another_kind() {
    let script = format!(
        r#"
        truncate -s 32M image
        mkfs.ext4 -q -m 0 image
        mkdir other
        mount -o loop image other
        cp -a disk/queue other/
        umount disk
        mount --move other disk
        {FILLED}
        queuectl list --json | grep -q '"id":"large"'
        queuectl prune --state completed --state dead --older-than 0s
        {ROOM_AGAIN}"#
    );
    run(&script);
}

fn a_deletion_on_a_full_disk_that_is_killed_goes_on() {
    run(&format!(
        r#"{FILLED}
        at=1
        while ! strace -f -qq -o trace -e trace=fsync,fdatasync -e inject=fsync,fdatasync:signal=KILL:when=$at \
            queuectl-prune --state completed --state dead --older-than 0s >said 2>&1
        do
            queuectl list >listed
            at=$((at + 3))
            [ $at -lt 400 ]
        done
        [ "$(queuectl list --json | grep -c '"id"')" = 0 ] || queuectl list --json | grep waits
        {ROOM_AGAIN}"#
    ));
}
