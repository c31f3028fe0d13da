# Sockets of the host are neither seen nor reached.
# expect: held
import socket

for path in (
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/dbus/system_bus_socket",
    "/dev/log",
    "/run/systemd/private",
):
    try:
        socket.socket(socket.AF_UNIX).connect(path)
    except OSError:
        continue
    print("BREACH:", path)
try:
    names = [line.split()[-1] for line in open("/proc/net/unix") if "@" in line or "/" in line.split()[-1]]
except OSError:
    names = []
for name in names:
    print("BREACH: a socket is seen:", name)
print("held")
