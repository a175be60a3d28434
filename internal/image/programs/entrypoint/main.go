// Entrypoint starts Spark in a container. It keeps the contract of the entry point of Spark's official image (the roles
// driver and executor, and any other command as it is) and needs no shell: it works out the command line of Java and
// becomes that process, so Java gets the container's signals itself.
//
// Under the names spark-submit and spark-class it does what the scripts of these names do, as far as Java applications go;
// under the name decom.sh it is the script that Spark makes the preStop hook of executors that may be decommissioned.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	exitUsage   = 64  // EX_USAGE of sysexits.h
	exitCannot  = 126 // as shells say it of a command that cannot be executed
	exitMissing = 127 // and of one that is not there

	// launchFile below SPARK_HOME is written when the image is built.
	launchFile = "launch.json"
)

// launch is what the image's build knows of starting Java.
type launch struct {
	// ModuleOptions are the options that this version of Spark gives each of its JVMs.
	ModuleOptions []string `json:"moduleOptions"`
	// ArchiveOptions make Java share the classes that were prepared when the image was built.
	ArchiveOptions []string `json:"archiveOptions"`
}

// container is the world that the command line depends on.
type container struct {
	environ map[string]string
	dir     string // working directory
	launch  launch
	files   fs.FS // the container's root
}

// process is what to become.
type process struct {
	argv    []string
	environ []string // in addition to that of the container
}

func main() {
	run := start
	if filepath.Base(os.Args[0]) == decommissionName {
		run = func([]string) error { return decommission(syscall.Kill, time.NewTimer(decommissionTimeout).C) }
	}
	if err := run(os.Args); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(codeOf(err))
	}
}

var (
	errUsage   = errors.New("wrong use")
	errMissing = errors.New("no such command")
)

func codeOf(err error) int {
	switch {
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errMissing):
		return exitMissing
	default:
		return exitCannot
	}
}

// start becomes the process that args ask for; it returns only when that fails.
func start(args []string) error {
	c, err := here()
	if err != nil {
		return err
	}
	p, err := c.resolve(filepath.Base(args[0]), args[1:])
	if err != nil {
		return err
	}
	program, err := exec.LookPath(p.argv[0])
	if err != nil {
		return fmt.Errorf("%w: %w", errMissing, err)
	}
	if err := syscall.Exec(program, p.argv, append(os.Environ(), p.environ...)); err != nil {
		return fmt.Errorf("execute %s: %w", program, err)
	}
	return nil
}

// here describes the container that the process is in.
func here() (container, error) {
	dir, err := os.Getwd()
	if err != nil {
		return container{}, err
	}
	c := container{environ: environment(os.Environ()), dir: dir, files: os.DirFS("/")}
	data, err := fs.ReadFile(c.files, inRoot(filepath.Join(c.home(), launchFile)))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return container{}, err
	}
	if err := json.Unmarshal(data, &c.launch); err != nil {
		return container{}, fmt.Errorf("%s: %w", filepath.Join(c.home(), launchFile), err)
	}
	return c, nil
}

// resolve returns the process for the name under which the program was called and its arguments.
func (c container) resolve(name string, args []string) (process, error) {
	switch name {
	case "spark-submit":
		return c.submit(args)
	case "spark-class":
		return c.class(args)
	}
	if len(args) == 0 {
		return process{}, fmt.Errorf("%w: give driver, executor or a command", errUsage)
	}
	switch args[0] {
	case "driver":
		return c.driver(args[1:])
	case "executor":
		return c.executor()
	default:
		return process{argv: args}, nil
	}
}

// inRoot turns an absolute path into one that a file system knows.
func inRoot(path string) string {
	clean := filepath.Clean("/" + path)
	if clean == "/" {
		return "."
	}
	return clean[1:]
}
