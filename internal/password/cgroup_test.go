package password_test

import (
	"testing"
	"testing/fstest"

	"github.com/signet-idp/signet/internal/password"
)

func TestDefaultMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no control groups", nil, 256 * mib},
		{"unlimited, version 2", map[string]string{
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "max\n",
		}, 256 * mib},
		{"unlimited, version 1", map[string]string{
			"proc/self/cgroup": "4:memory:/a\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
		}, 256 * mib},
		{"large", map[string]string{
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "8589934592\n",
		}, 256 * mib},
		{"version 2", map[string]string{
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "536870912\n",
		}, 128 * mib},
		{"the parent's limit binds", map[string]string{
			"proc/self/cgroup":             "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max":   "268435456\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n",
		}, 64 * mib},
		{"container that does not see its path", map[string]string{
			"proc/self/cgroup":         "0::/../../kubepods/pod1\n",
			"sys/fs/cgroup/memory.max": "268435456\n",
		}, 64 * mib},
		{"version 1 beside others", map[string]string{
			"proc/self/cgroup": "9:name=systemd:/\n8:pids:/a\n4:memory:/a:b\n0::/\n",
			"sys/fs/cgroup/memory/a:b/memory.limit_in_bytes": "268435456\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
		}, 64 * mib},
		{"version 1, shared controller", map[string]string{
			"proc/self/cgroup":                           "4:cpu,memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
		}, 64 * mib},
		{"nonsense", map[string]string{
			"proc/self/cgroup":           "memory\n0::/a\n",
			"sys/fs/cgroup/a/memory.max": "-1\n",
		}, 256 * mib},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := fstest.MapFS{}
			for name, content := range c.files {
				root[name] = &fstest.MapFile{Data: []byte(content)}
			}
			if got := password.DefaultMemory(root); got != c.want {
				t.Errorf("budget %d MiB, want %d", got/mib, c.want/mib)
			}
		})
	}
}
