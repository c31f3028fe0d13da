# No address of version 6 is reached.
# expect: limit network
import socket

socket.create_connection(("::1", 22), 2)
print("BREACH: reached")
