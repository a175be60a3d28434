package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sparkchaos/sparkchaos/internal/submission"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// newInitCommand returns the command that writes a first scenario.
func newInitCommand() *cobra.Command {
	var a scenario.Application
	var image string
	command := &cobra.Command{
		Use:   "init FILE [--image IMAGE] [--main FILE] [-- ARGUMENT...]",
		Short: "Write a first scenario for an application, and ask for what the flags leave open if run on a terminal",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			a.Args = args[1:]
			if a.Main == "" {
				if err := askForApplication(command.Context(), os.Stdin, command.ErrOrStderr(), &a, &image); err != nil {
					return err
				}
			}
			imported, err := submission.Application(a, image)
			if err != nil {
				return usagef("init: %w", err)
			}
			return writeNew(args[0], imported)
		},
	}
	command.Flags().StringVar(&image, "image", "", "image with Spark and the application: its name, or an archive of it beside the scenario "+
		"(default: the one that sparkchaos builds, with Spark alone)")
	command.Flags().StringVar(&a.Main, "main", "",
		"the application: a jar, a Python file, an R file or a SQL script, as spark-submit takes it; see docs/your-application.md")
	command.Flags().StringVar(&a.MainClass, "class", "", "main class, if the application is a jar")
	return command
}

// askForApplication asks a person what the flags do not say.
func askForApplication(ctx context.Context, in *os.File, out io.Writer, a *scenario.Application, image *string) error {
	if !term.IsTerminal(int(in.Fd())) {
		return usagef("init: nobody can be asked what to run: --main says it")
	}
	return ask(ctx, in, out, a, image)
}

// ask asks for one thing after the other. No answer leaves one as it is.
func ask(ctx context.Context, in io.Reader, out io.Writer, a *scenario.Application, image *string) error {
	for _, question := range []struct {
		text   string
		into   *string
		wanted func() bool
	}{
		{"Image with Spark and the application (empty: sparkchaos' own): ", image, func() bool { return *image == "" }},
		{"File to run, beside the scenario or in the image as local:///…: ", &a.Main, func() bool { return true }},
		{"Its main class: ", &a.MainClass, func() bool { return a.Language() == scenario.Java && a.MainClass == "" }},
	} {
		if !question.wanted() {
			continue
		}
		fmt.Fprint(out, question.text)
		answer, err := readLine(ctx, in)
		if err != nil {
			return err
		}
		*question.into = answer
	}
	return nil
}

// writeNew writes a scenario to a file that is not there yet.
func writeNew(name string, imported submission.Imported) error {
	text, err := imported.YAML()
	if err != nil {
		return err
	}
	if _, err := scenario.Load(name, text, catalogue()); err != nil {
		return withCode(ExitUsage, err)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return usagef("init: %s is there already and is not changed; choose another name", name)
	}
	if err != nil {
		return usagef("init: %w", err)
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
