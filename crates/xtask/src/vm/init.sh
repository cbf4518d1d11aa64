#!/bin/bash
# First process of the test machine: mounts what a system has, runs the job, says how it ended, powers off.
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t securityfs securityfs /sys/kernel/security
ip link set lo up
modprobe veth
hostname sheriff-vm
uname -srm
# As under systemd: no process in the root group, controllers on below it.
mkdir /sys/fs/cgroup/init.scope
echo $$ >/sys/fs/cgroup/init.scope/cgroup.procs
echo "+memory +pids +cpu" >/sys/fs/cgroup/cgroup.subtree_control
cd /opt/sheriff || exit 1
bash ./job.sh 2>&1
echo "sheriff-vm: the job ended with $?"
sync
echo o >/proc/sysrq-trigger
sleep 10
