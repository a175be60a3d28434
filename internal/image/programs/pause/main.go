// Pause holds the namespaces of a pod: it waits for a signal to end, and reaps the orphans of a shared PID namespace.
// It imports as little as it can, since one runs for every pod.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

const version = "sparkchaos pause 1"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-v" {
		os.Stdout.WriteString(version + "\n")
		return
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// reap collects all children that have ended: signals of several may have merged into one.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}
