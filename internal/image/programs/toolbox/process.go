package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func tick(ctx context.Context, w world, args []string) (int, error) {
	flags := flag.NewFlagSet("tick", flag.ContinueOnError)
	interval := flags.Duration("interval", 100*time.Millisecond, "")
	rest, err := arguments(flags, args, 1, 1)
	if err != nil {
		return exitUsage, err
	}
	if *interval <= 0 {
		return exitUsage, fmt.Errorf("%w: the interval %s must be more than 0", errUsage, *interval)
	}
	if rest[0] == "-" {
		return tickTo(ctx, w, w.stdout, *interval)
	}
	f, err := os.OpenFile(rest[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return exitFailure, err
	}
	code, err := tickTo(ctx, w, f, *interval)
	return code, errors.Join(err, f.Close())
}

// tickTo writes each line with one write, so a reader never sees half of one.
func tickTo(ctx context.Context, w world, out io.Writer, interval time.Duration) (int, error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(out, "%s %d\n", stamp(w.now()), n); err != nil {
			return exitFailure, err
		}
		select {
		case <-ctx.Done():
			return exitSignaled, nil
		case <-ticker.C:
		}
	}
}

func sleep(ctx context.Context, _ world, args []string) (int, error) {
	rest, err := arguments(nil, args, 1, 1)
	if err != nil {
		return exitUsage, err
	}
	d, err := duration(rest[0])
	if err != nil {
		return exitUsage, err
	}
	if !pause(ctx, d) {
		return exitSignaled, nil
	}
	return exitOK, nil
}

func trapTerm(ctx context.Context, w world, args []string) (int, error) {
	rest, err := arguments(nil, args, 1, 1)
	if err != nil {
		return exitUsage, err
	}
	d, err := duration(rest[0])
	if err != nil {
		return exitUsage, err
	}
	if err := w.say("waiting"); err != nil {
		return exitFailure, err
	}
	<-ctx.Done()
	if err := w.say("terminating, done in %s", d); err != nil {
		return exitFailure, err
	}
	pause(context.WithoutCancel(ctx), d)
	return exitOK, w.say("done")
}

func exitWith(code int) func(context.Context, world, []string) (int, error) {
	return func(_ context.Context, _ world, args []string) (int, error) {
		if _, err := arguments(nil, args, 0, 0); err != nil {
			return exitUsage, err
		}
		return code, nil
	}
}

func exit(_ context.Context, _ world, args []string) (int, error) {
	rest, err := arguments(nil, args, 1, 1)
	if err != nil {
		return exitUsage, err
	}
	code, err := strconv.ParseUint(rest[0], 10, 8)
	if err != nil {
		return exitUsage, fmt.Errorf("%w: an exit code is a number from 0 to 255: %w", errUsage, err)
	}
	return int(code), nil
}

func write(_ context.Context, _ world, args []string) (int, error) {
	rest, err := arguments(nil, args, 2, 2)
	if err != nil {
		return exitUsage, err
	}
	f, err := os.Create(rest[0])
	if err != nil {
		return exitFailure, err
	}
	_, err = f.WriteString(rest[1] + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	return codeOf(err), err
}

func cat(_ context.Context, w world, args []string) (int, error) {
	rest, err := arguments(nil, args, 1, 1<<16)
	if err != nil {
		return exitUsage, err
	}
	var problems []error
	for _, name := range rest {
		problems = append(problems, copyFile(w.stdout, name))
	}
	err = errors.Join(problems...)
	return codeOf(err), err
}

func copyFile(out io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	return errors.Join(err, f.Close())
}

func id(_ context.Context, w world, args []string) (int, error) {
	if _, err := arguments(nil, args, 0, 0); err != nil {
		return exitUsage, err
	}
	host, err := w.hostname()
	if err != nil {
		return exitFailure, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return exitFailure, err
	}
	_, err = fmt.Fprintf(w.stdout, "uid=%d gid=%d hostname=%s boot=%s\n", os.Getuid(), os.Getgid(), host, strings.TrimSpace(string(boot)))
	return codeOf(err), err
}

func codeOf(err error) int {
	if err != nil {
		return exitFailure
	}
	return exitOK
}
