# /dev/shm is memory and takes from the disk's share.
# expect: limit disk or limit memory
# limits: disk_mib=20, memory_mib=200
with open("/dev/shm/big", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
