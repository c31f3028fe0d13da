# The kernel's settings are the machine's.
# expect: held


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused("/proc/sys/kernel/core_pattern", lambda: open("/proc/sys/kernel/core_pattern", "w").write("|/tmp/x"))
refused("/proc/sys/kernel/modprobe", lambda: open("/proc/sys/kernel/modprobe", "w").write("|/tmp/x"))
refused("/proc/sys/kernel/hostname", lambda: open("/proc/sys/kernel/hostname", "w").write("|/tmp/x"))
refused("/proc/sys/vm/overcommit_memory", lambda: open("/proc/sys/vm/overcommit_memory", "w").write("|/tmp/x"))
refused("/proc/sys/vm/drop_caches", lambda: open("/proc/sys/vm/drop_caches", "w").write("|/tmp/x"))
refused("/proc/sys/fs/file-max", lambda: open("/proc/sys/fs/file-max", "w").write("|/tmp/x"))
refused("/proc/sys/user/max_user_namespaces", lambda: open("/proc/sys/user/max_user_namespaces", "w").write("|/tmp/x"))
refused("/proc/sysrq-trigger", lambda: open("/proc/sysrq-trigger", "w").write("|/tmp/x"))
refused("/proc/self/loginuid", lambda: open("/proc/self/loginuid", "w").write("|/tmp/x"))
print("held")
