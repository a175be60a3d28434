package components

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// fileLock is a lock that the kernel releases when its holder ends, however it ends. The file stays: if it were removed, two
// processes could lock two files of one name.
type fileLock struct{ lock *flock.Flock }

const (
	lockPoll  = 100 * time.Millisecond
	lockAgain = 30 * time.Second // between two lines that say that the wait continues
)

// acquire locks a file. As long as another process has locked it, it waits and says for which one.
func acquire(ctx context.Context, path string, say func(string, ...any)) (fileLock, error) {
	lock := flock.New(path, flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(0o644))
	if err := wait(ctx, lock, say); err != nil {
		return fileLock{}, fmt.Errorf("lock %s: %w", path, err)
	}
	// Only for those who wait: what counts is the kernel's lock.
	note := fmt.Sprintf("process %d, building since %s", os.Getpid(), time.Now().Format(time.DateTime))
	if err := os.WriteFile(path, []byte(note), 0o644); err != nil {
		_ = lock.Close() // the note's error is the one to tell
		return fileLock{}, fmt.Errorf("lock %s: %w", path, err)
	}
	return fileLock{lock}, nil
}

// release unlocks the file.
func (l fileLock) release() {
	_ = l.lock.Close() // the kernel releases the lock even if closing fails
}

func wait(ctx context.Context, lock *flock.Flock, say func(string, ...any)) error {
	begun := time.Now()
	for {
		within, cancel := context.WithTimeout(ctx, lockAgain)
		locked, err := lock.TryLock()
		if err == nil && !locked {
			say("process %d waits for %s (%s so far)", os.Getpid(), holder(lock.Path()), time.Since(begun).Round(time.Second))
			locked, err = lock.TryLockContext(within, lockPoll)
		}
		over := within.Err() != nil
		cancel()
		switch {
		case locked:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("gave up waiting for %s: %w", holder(lock.Path()), context.Cause(ctx))
		case !over:
			return err
		}
	}
}

// maxNote is how much of a note is read, in bytes.
const maxNote = 200

// holder reads the note of the process that holds the lock.
func holder(path string) string {
	note, err := os.ReadFile(path)
	if err != nil || len(note) == 0 {
		return "another build of the components"
	}
	return strings.TrimSpace(string(note[:min(len(note), maxNote)]))
}
