package components

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// fileLock is a lock that the kernel releases when its holder ends, however it ends.
type fileLock struct{ file *os.File }

const (
	lockPoll  = 100 * time.Millisecond
	lockAgain = 30 * time.Second // between two lines that say that the wait goes on
)

// acquire takes the lock of a file, and says who is waited for as long as another process holds it.
func acquire(ctx context.Context, path string, say func(string, ...any)) (fileLock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fileLock{}, fmt.Errorf("lock of the components: %w", err)
	}
	if err := wait(ctx, file, say); err != nil {
		return fileLock{}, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	// Only for those who wait: what counts is the kernel's lock.
	note := fmt.Sprintf("process %d, building since %s", os.Getpid(), time.Now().Format(time.DateTime))
	if err := errors.Join(file.Truncate(0), writeAt(file, note)); err != nil {
		return fileLock{}, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return fileLock{file}, nil
}

// release gives the lock back. The file stays: were it removed, two processes could lock two files of one name.
func (l fileLock) release() {
	// Closing releases; an error could only concern the note, which no longer matters.
	_ = l.file.Close()
}

func wait(ctx context.Context, file *os.File, say func(string, ...any)) error {
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	begun := time.Now()
	var said time.Time
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		if time.Since(said) >= lockAgain {
			say("process %d waits for %s (%s so far)", os.Getpid(), holder(file), time.Since(begun).Round(time.Second))
			said = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("gave up waiting for %s: %w", holder(file), context.Cause(ctx))
		case <-poll.C:
		}
	}
}

// holder reads the note of the process that holds the lock.
func holder(file *os.File) string {
	note, err := io.ReadAll(io.NewSectionReader(file, 0, 200))
	if err != nil || len(note) == 0 {
		return "another build of the components"
	}
	return strings.TrimSpace(string(note))
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}
