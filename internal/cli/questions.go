package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// asker returns a function that shows a person what a run may disturb and asks, on a terminal, whether it may.
func asker(yes bool, say func(line string), in *os.File, out io.Writer) func(ctx context.Context, name, shown string) error {
	return func(ctx context.Context, name, shown string) error {
		for line := range strings.Lines(shown) {
			say(strings.TrimSuffix(line, "\n"))
		}
		if yes {
			return nil
		}
		if !term.IsTerminal(int(in.Fd())) {
			return usagef("nobody can be asked whether context %s may be disturbed so: --yes says that it may", name)
		}
		return confirm(ctx, name, in, out)
	}
}

// confirm wants the context's name, which no one types by habit.
func confirm(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	fmt.Fprintf(out, "Type the context's name, %s, to continue: ", name)
	answer, err := readLine(ctx, in)
	if err != nil {
		return err
	}
	if answer != name {
		return usagef("nothing was done: %q is not the context's name", answer)
	}
	return nil
}

// questioner returns a function that asks a person whether something may be done that is not safe to do unasked.
func questioner(ctx context.Context, yes bool, say func(format string, args ...any), in *os.File,
	out io.Writer) func(question string) error {
	return func(question string) error {
		if yes {
			say("%s Yes, says --yes.", question)
			return nil
		}
		if !term.IsTerminal(int(in.Fd())) {
			return fmt.Errorf("%s Nobody can be asked, so nothing was done: --yes allows it", question)
		}
		fmt.Fprintf(out, "%s Type yes to allow it: ", question)
		answer, err := readLine(ctx, in)
		if err != nil {
			return err
		}
		if answer != "yes" {
			return fmt.Errorf("%s The answer was %q, so nothing was done", question, answer)
		}
		return nil
	}
}

// readLine reads an answer without the space around it. An interrupt ends the wait for it.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1) // nobody may be there to take it
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		answered <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case a := <-answered:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return "", a.err
		}
		return strings.TrimSpace(a.text), nil
	}
}
