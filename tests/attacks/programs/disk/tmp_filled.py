# /tmp has a bounded size.
# expect: limit disk
# limits: disk_mib=20
with open("/tmp/big", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
