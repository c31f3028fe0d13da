# There is no network of any kind.
# expect: held
# expect on runsc: any
import socket

for family in range(1, 46):
    if family == socket.AF_UNIX:
        continue
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(family, kind).close()
        except OSError:
            continue
        print("BREACH: family", family, "kind", kind)
print("held")
