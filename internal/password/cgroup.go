package password

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// defaultMemory is the gate's budget in bytes when the host sets none.
func defaultMemory(root fs.FS) int64 {
	return min(256<<20, cgroupLimit(root)/4)
}

// cgroupLimit returns the least memory limit, in bytes, of the control groups this process
// is in, version 1 and 2. Where there is none, or no control groups at all, it is
// math.MaxInt64.
func cgroupLimit(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	// cgroups(7): each line is hierarchy:controllers:path; version 2 names no controllers.
	for line := range strings.Lines(string(groups)) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(part) != 3 {
			continue
		}
		switch {
		case part[1] == "":
			limit = min(limit, hierarchyLimit(root, "sys/fs/cgroup", part[2], "memory.max"))
		case strings.Contains(","+part[1]+",", ",memory,"):
			limit = min(limit, hierarchyLimit(root, "sys/fs/cgroup/memory", part[2], "memory.limit_in_bytes"))
		}
	}
	return limit
}

// hierarchyLimit walks from a group up to the mount point, as every ancestor's limit
// binds. Inside a container the group's own path is often not visible, but the mount
// point is the container's group.
func hierarchyLimit(root fs.FS, mount, group, file string) int64 {
	limit := int64(math.MaxInt64)
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		content, err := fs.ReadFile(root, path.Join(mount, group, file))
		if err == nil {
			// "max", version 2's word for no limit, is no number.
			if n, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64); err == nil && n > 0 {
				limit = min(limit, n)
			}
		}
		if group == "/" {
			return limit
		}
	}
}
