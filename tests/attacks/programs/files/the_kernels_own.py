# What tells of the machine is covered.
# expect: held
# harmless on runsc: the command line is that of gVisor's own kernel
for path in (
    "kcore",
    "kallsyms",
    "kmsg",
    "keys",
    "key-users",
    "timer_list",
    "sched_debug",
    "config.gz",
    "cmdline",
    "modules",
):
    try:
        if open(f"/proc/{path}", "rb").read(1):
            print("BREACH: /proc/" + path)
    except OSError:
        pass
print("held")
