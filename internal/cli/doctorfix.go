package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// The limit of the kernel that all nodes of all clusters share.
const (
	inotifySetting = "fs.inotify.max_user_instances"
	inotifyFile    = "/proc/sys/fs/inotify/max_user_instances"
	inotifyEnough  = 512 // kind's own advice
)

// raiseInotify is the remedy for a limit that is too low for several clusters.
const raiseInotify cluster.Remedy = "inotify"

// doctorFix is something that doctor can do.
type doctorFix struct {
	remedy   cluster.Remedy
	question string
	do       func(context.Context) error
}

// fixes are all that doctor can do, in the order in which they help each other.
type fixes []doctorFix

func doctorFixes(getenv func(string) string, out, progress io.Writer) fixes {
	return fixes{
		{cluster.InstallPackages, "Install the packages of the distribution that are missing, with apt-get?",
			func(ctx context.Context) error { return installPackages(ctx, out, progress) }},
		{cluster.BuildComponents, "Build the components that the cache lacks, or get them from $" + parts.Variable +
			" if it is set? To build all of them takes about 12 minutes of two CPUs.",
			func(ctx context.Context) error { return buildComponents(ctx, getenv, progress) }},
		{raiseInotify, fmt.Sprintf("Set %s of this machine's kernel to %d, until the next boot?", inotifySetting, inotifyEnough),
			func(context.Context) error {
				return os.WriteFile(inotifyFile, []byte(strconv.Itoa(inotifyEnough)), 0o644)
			}},
	}
}

func buildComponents(ctx context.Context, getenv func(string) string, progress io.Writer) error {
	if err := prepareParts(ctx, getenv, "", progress); err != nil {
		return err
	}
	cache, err := paths.Cache(getenv)
	if err != nil {
		return err
	}
	root, err := components.Source("", cache)
	if err != nil {
		return err
	}
	return components.Build(ctx, components.Options{Source: root, Cache: cache, Progress: progress})
}

// mend does what helps against what was found, each after its question.
func (f fixes) mend(ctx context.Context, all []diagnosis, say func(format string, args ...any), ask func(question string) error) error {
	var wanted []cluster.Remedy
	for _, d := range all {
		wanted = append(wanted, d.Remedies...)
	}
	var errs []error
	asked := false
	for _, fix := range f {
		if !slices.Contains(wanted, fix.remedy) {
			continue
		}
		asked = true
		if err := ask(fix.question); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := fix.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("fix %s: %w", fix.remedy, err))
			continue
		}
		say("%s: done", fix.remedy)
	}
	if !asked {
		say("there is nothing that doctor can fix")
	}
	return errors.Join(errs...)
}
