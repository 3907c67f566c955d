# The first process of a machine. $1: its folder; $2: its own control groups' name.
set -e
dir=$1 root=$1/root
if [ "$3" != inside ]; then
  # Control groups of its own, so that its systemd doesn't take ours for its.
  hierarchies=/sys/fs/cgroup
  [ -e /sys/fs/cgroup/cgroup.procs ] || hierarchies=$(echo /sys/fs/cgroup/*)
  for hierarchy in $hierarchies; do
    [ -w "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/$2"
    # A group with controllers of version 1 may refuse; then it stays in ours, which serves as well.
    echo $$ > "$hierarchy/$2/cgroup.procs" || true
  done
  exec unshare --mount --pid --fork --kill-child --uts --ipc --cgroup sh "$0" "$1" "$2" inside
fi
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$root"
mount -t proc proc "$root/proc"
# Devices of its own: nothing of the host's, and no console.
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
  set -- $device
  mknod -m 666 "$root/dev/$1" c "$2" "$3"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
touch "$root/dev/console"
mount --bind "$root/dev/null" "$root/dev/console"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=0755 tmpfs "$root/sys/fs/cgroup"
if [ "$(cut -d: -f1 /proc/self/cgroup)" = 0 ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  while IFS=: read -r _ names _; do
    case $names in
      '') at=unified type=cgroup2 options=rw ;;
      name=*) at=${names#name=} type=cgroup options=none,$names ;;
      *) at=$names type=cgroup options=$names ;;
    esac
    mkdir "$root/sys/fs/cgroup/$at"
    mount -t "$type" -o "$options" "$type" "$root/sys/fs/cgroup/$at"
  done < /proc/self/cgroup
fi
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mkdir "$root/run/trousseau"
# Else the boot would clean up, in the layer, all that lies in ours.
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=1777 tmpfs "$root/var/tmp"
mount --bind "$dir/run" "$root/run/trousseau"
mount --bind "$dir/mnt" "$root/mnt"
if [ ! -e "$dir/booted" ]; then
  # Nothing of what runs here, and nothing that would change the kernel that all share.
  rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/rc?.d "$root/etc/fstab" "$root/etc/crypttab"
  for unit in systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service \
    proc-sys-fs-binfmt_misc.automount systemd-remount-fs.service systemd-udevd.service systemd-udev-trigger.service \
    systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-logind.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service modprobe@.service getty.target console-getty.service dbus.service dbus.socket \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-fs-fuse-connections.mount systemd-tmpfiles-clean.timer apt-daily.timer apt-daily-upgrade.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  touch "$dir/booted"
fi
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=multi-user.target \
  --log-target=journal --show-status=no
