// Package child runs commands that do not outlive this process, however it ends.
package child

import (
	"os/exec"
	"runtime"
)

// Run is the command's Run; on Linux the kernel kills the command if this process ends before.
func Run(command *exec.Cmd) error {
	wait, err := Start(command)
	if err != nil {
		return err
	}
	return wait()
}

// Start is the command's Start; on Linux the kernel kills the command if this process ends before. Instead of the command's Wait,
// wait is called, once.
func Start(command *exec.Cmd) (wait func() error, err error) {
	endWithThread(command)
	started, waiting, ended := make(chan error), make(chan struct{}), make(chan error)
	go func() {
		// The kernel ties the command's life to the thread that started it. Any other would do only until a goroutine ends that holds
		// it locked, as those do that have been in another network namespace.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		<-waiting
		ended <- command.Wait()
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return func() error {
		close(waiting)
		return <-ended
	}, nil
}
