# Not even this machine is reached.
# expect: limit network
import socket

socket.create_connection(("127.0.0.1", 22), 2)
print("BREACH: reached")
