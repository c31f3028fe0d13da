# AppArmor profile of the sandbox's pod. On each node: copy to /etc/apparmor.d/loupe-sandbox and run `apparmor_parser -r`.
# It lets the server make namespaces and mounts, which sandboxes are made of, and keeps all of it from the node's settings.
abi <abi/3.0>,
include <tunables/global>

profile loupe-sandbox flags=(attach_disconnected,mediate_deleted) {
  # Ubuntu 24.04 and later let only profiles that say so make user namespaces; their parser knows abi 4.0 and this rule:
  #   abi <abi/4.0>,
  #   userns,

  capability,
  file,
  mount,
  remount,
  umount,
  pivot_root,
  signal,
  unix,
  network inet stream,
  network inet6 stream,
  network unix,

  deny network raw,
  deny network packet,
  # The server reads how much memory its sandboxes hold.
  ptrace (read, readby) peer=loupe-sandbox,

  # A sandbox writes these three of itself while it is made; nothing else of the kernel's settings is anybody's here.
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,
  deny @{PROC}/kmem rwklx,
  deny @{PROC}/mem rwklx,
  deny @{PROC}/sys/kernel/** wklx,
  deny @{PROC}/sys/vm/** wklx,
  deny @{PROC}/sys/fs/** wklx,
  deny @{PROC}/sys/net/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
}
