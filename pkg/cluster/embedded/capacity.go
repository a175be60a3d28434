//go:build linux

package embedded

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Capacity is what each node offers to pods: a share of the host, so that the scheduler has to choose as on a cluster.
type Capacity struct {
	CPUs   int `json:"cpus"`
	Memory int `json:"memoryMiB"`
}

// DefaultCapacity is 2 CPUs and 3 GiB.
func DefaultCapacity() Capacity { return Capacity{CPUs: 2, Memory: 3 << 10} }

// host is what the machine has that the nodes share.
type host struct {
	cpus   int
	memory int // MiB
}

func readHost() (host, error) {
	content, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return host{}, fmt.Errorf("read the host's memory: %w", err)
	}
	memory, err := parseMemory(string(content))
	return host{cpus: runtime.NumCPU(), memory: memory}, err
}

// parseMemory returns MemTotal of proc_meminfo(5) in MiB.
func parseMemory(meminfo string) (int, error) {
	for line := range strings.Lines(meminfo) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				return 0, fmt.Errorf("MemTotal of the host's memory: %w", err)
			}
			return kib >> 10, nil
		}
	}
	return 0, fmt.Errorf("the host's /proc/meminfo has no MemTotal")
}

// reserved is what kubelet must keep from pods so that the capacity is left. Kubelet knows the whole host only.
func (c Capacity) reserved(h host) (map[string]string, error) {
	if c.CPUs < 1 || c.CPUs > h.cpus {
		return nil, fmt.Errorf("a node cannot offer %d CPUs: expected 1 to %d, which is what this host has", c.CPUs, h.cpus)
	}
	if c.Memory < 256 || c.Memory > h.memory {
		return nil, fmt.Errorf("a node cannot offer %d MiB of memory: expected 256 to %d, which is what this host has", c.Memory, h.memory)
	}
	reserved := map[string]string{}
	if cpus := h.cpus - c.CPUs; cpus > 0 {
		reserved["cpu"] = strconv.Itoa(cpus)
	}
	if memory := h.memory - c.Memory; memory > 0 {
		reserved["memory"] = fmt.Sprintf("%dMi", memory)
	}
	return reserved, nil
}
