# Being traced is as bad as tracing.
# expect: held
import ctypes

if ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0:
    print("BREACH: traced")
print("held")
