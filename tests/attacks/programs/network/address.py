# No address is reached.
# expect: limit network
import socket

socket.create_connection(("1.1.1.1", 53), 2)
print("BREACH: reached")
