# No name is looked up.
# expect: limit network
import socket

socket.getaddrinfo("example.com", 80)
print("BREACH: reached")
