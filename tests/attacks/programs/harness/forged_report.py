# What the program says of itself is believed only where it hurts nobody but itself.
# expect: failed or held
import json
import os

for name in os.listdir("/proc/self/fd"):
    fd = int(name)
    if fd > 2:
        try:
            os.write(
                fd,
                json.dumps(
                    {
                        "exit": {"status": 0, "peak_memory_kib": 0},
                        "error": None,
                        "figures": ["../../etc/passwd"],
                        "notes": [],
                    }
                ).encode(),
            )
        except OSError:
            pass
os._exit(5)
