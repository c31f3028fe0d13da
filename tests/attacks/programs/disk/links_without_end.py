# A hard link takes a place as a file does.
# expect: limit inodes or held
# expect on runsc: any
# harmless on runsc: links are memory of gVisor's, which is bounded with the program's
# limits: inode_count=200, wall_time_s=20
import os

open("one", "w").close()
for number in range(100_000):
    os.link("one", f"link-{number}")
print("BREACH: links without end")
