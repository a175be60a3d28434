package cache

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// file identifies a file, by whatever name.
type file struct{ device, inode uint64 }

// occupied is what a file occupies, and how many of its names were seen.
type occupied struct {
	bytes        int64
	names, links uint64
}

// usage is the files below some entries.
type usage map[file]occupied

func (u usage) add(other usage) {
	for id, o := range other {
		o.names += u[id].names
		u[id] = o
	}
}

func (u usage) bytes() int64 {
	var sum int64
	for _, o := range u {
		sum += o.bytes
	}
	return sum
}

// freed counts the files that have no other name.
func (u usage) freed() int64 {
	var sum int64
	for _, o := range u {
		if o.names >= o.links {
			sum += o.bytes
		}
	}
	return sum
}

// measure walks through an entry.
func measure(path string) (usage, error) {
	used := usage{}
	return used, filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		const blockSize = 512 // of st_blocks, whatever the file system
		id := file{stat.Dev, stat.Ino}
		o := occupied{bytes: stat.Blocks * blockSize, names: used[id].names + 1, links: uint64(stat.Nlink)}
		if entry.IsDir() {
			o.links = 1 // its own and its subdirectories' entries count as links
		}
		used[id] = o
		return nil
	})
}

// Running returns a function that reports whether a process of this machine has a path mounted or runs a program below it. Mounts are those
// of all mount namespaces: the machines of a cluster have their own.
func Running() func(path string) bool {
	var mounted, programs []string
	seen := map[string]bool{}
	for _, process := range names("/proc") {
		directory := filepath.Join("/proc", process)
		if program, err := os.Readlink(filepath.Join(directory, "exe")); err == nil {
			programs = append(programs, program)
		}
		namespace, err := os.Readlink(filepath.Join(directory, "ns", "mnt"))
		if err != nil || seen[namespace] {
			continue
		}
		seen[namespace] = true
		mounted = append(mounted, mounts(filepath.Join(directory, "mountinfo"))...)
	}
	return func(path string) bool {
		for _, root := range mounted {
			if endsWith(root, path) {
				return true
			}
		}
		for _, program := range programs {
			if within(program, path) {
				return true
			}
		}
		return false
	}
}

// mounts returns which directories of their file systems are mounted.
func mounts(file string) []string {
	opened, err := os.Open(file)
	if err != nil {
		return nil // the process has ended
	}
	defer func() { _ = opened.Close() }() // opened for reading only
	var roots []string
	for lines := bufio.NewScanner(opened); lines.Scan(); {
		const rootField = 3
		if fields := strings.Fields(lines.Text()); len(fields) > rootField {
			roots = append(roots, strings.ReplaceAll(fields[rootField], `\040`, " "))
		}
	}
	return roots
}

// within reports whether a path is a directory or lies below it.
func within(path, directory string) bool {
	return path == directory || strings.HasPrefix(path, directory+"/")
}

// endsWith reports whether what is mounted is an entry or lies below it. It is named by its path within its file system, of which the last
// two names are the entry's whatever that is mounted at.
func endsWith(root, entry string) bool {
	tail := filepath.Join(filepath.Base(filepath.Dir(entry)), filepath.Base(entry))
	return strings.Contains(root+"/", "/"+tail+"/")
}
