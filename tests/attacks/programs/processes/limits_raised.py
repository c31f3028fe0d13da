# A limit can be lowered, never raised.
# expect: held
import resource


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused(
    "address space", lambda: resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
)
refused(
    "file size", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
)
refused("open files", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 100000)))
refused("core", lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)))
refused("locked memory", lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 30, 1 << 30)))
print("held")
