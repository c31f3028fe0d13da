# A file that pretends to be large is refused at the size of the disk.
# expect: limit disk
with open("sparse", "wb") as file:
    file.truncate(1 << 40)
