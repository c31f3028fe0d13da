# /work has a bounded size.
# expect: limit disk
# limits: disk_mib=20
with open("/work/big", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
