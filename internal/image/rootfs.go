package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// rootDir is the name of an image's tree below a stage.
const rootDir = "root"

// copyInto copies a file of this machine into an image's tree.
func copyInto(root string, f hostFile) error {
	e, err := file(f.path, f.source, f.perm)
	if err != nil {
		return err
	}
	return materialise(root, e)
}

// materialise makes an entry below root. Owners are not set: trees are only used by who builds them.
func materialise(root string, e entry) (err error) {
	target := filepath.Join(root, e.path)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	switch {
	case e.mode.IsDir():
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		return os.Chmod(target, e.mode)
	case e.mode&fs.ModeSymlink != 0:
		return os.Symlink(e.link, target)
	}
	r, err := e.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	f, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, e.mode.Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// setEpochBelow gives all regular files below root the image's fixed time.
func setEpochBelow(root string) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return setEpoch(p)
	})
}

// linkTree puts the files below source into target by hard links, so a tree of hundreds of megabytes is there at once.
func linkTree(target, source string) error {
	return filepath.WalkDir(source, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, p)
		if err != nil {
			return err
		}
		to := filepath.Join(target, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		return os.Link(p, to)
	})
}

// inside returns a command that runs in an image's tree as a container would: with its own mounts and processes, and with
// nothing left of either when it ends. Root is needed, or a kernel that lets users have namespaces of their own.
func inside(ctx context.Context, root string, environ []string, argv ...string) *exec.Cmd {
	args := []string{"--mount", "--pid", "--fork", "--kill-child"}
	if os.Geteuid() != 0 {
		args = append(args, "--map-root-user")
	}
	const script = `root=$1; shift
mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" && exec chroot "$root" "$@"`
	args = append(args, "--", "sh", "-c", script, "sh", root)
	cmd := exec.CommandContext(ctx, "unshare", append(args, argv...)...)
	// The path serves the commands above outside of the tree and the one inside.
	cmd.Env = append([]string{
		"PATH=" + javaHome + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"JAVA_HOME=" + javaHome, "SPARK_HOME=" + SparkHome, "LC_ALL=C.UTF-8",
	}, environ...)
	return cmd
}

// needCommands says which commands of this machine are missing.
func needCommands(names ...string) error {
	var problems []error
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			problems = append(problems, fmt.Errorf("%w (Debian: apt-get install util-linux coreutils)", err))
		}
	}
	return errors.Join(problems...)
}
