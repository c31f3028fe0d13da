# The number of files is bounded.
# expect: limit inodes
# expect on runsc: any
# limits: inode_count=200, wall_time_s=5
number = 0
while True:
    open(str(number), "w").close()
    number += 1
