// Command mutate measures how much the tests of a package notice: it changes the package's code in one place at a time
// and counts the changes that make a test fail.
//
//	go run ./internal/mutate ./pkg/check ./pkg/history:reader.go,follow.go ./pkg/model@./pkg/check
//
// A target is a package; behind a colon stand the files to change, behind an @ another package whose tests are tried, too.
// All mutants of a package are compiled into one test binary, each of them asleep; a process wakes one. A mutant is
// tried with the tests that reach it. It exits with 1 if a package's score is below the threshold, or if the list of
// equivalent mutants is wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/mutate/selector"
)

// errBelow means that the tests notice too little; what is missing was printed.
var errBelow = errors.New("the tests notice too little, or the list of equivalent mutants is wrong")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		stop()
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "mutate:", err)
		}
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	sample      int
	seed        uint64
	threshold   float64
	workers     int
	equivalents string
	json        string
	operator    string
	longest     time.Duration
	dry         bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.sample, "sample", 0, "try only this many mutants of each package, drawn at random (0: all)")
	flags.Uint64Var(&o.seed, "seed", 1, "of the random draw")
	flags.Float64Var(&o.threshold, "threshold", 85, "score in percent that each package must have")
	flags.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many mutants are tried at the same time")
	flags.StringVar(&o.equivalents, "equivalent", "internal/mutate/equivalent.yaml", "file that lists equivalent mutants")
	flags.StringVar(&o.json, "json", "", "write all mutants with their outcome to this file")
	flags.StringVar(&o.operator, "operator", "", "try only the mutants of this operator")
	flags.DurationVar(&o.longest, "longest", 0, "leave out tests that need more processor time than this, for a quick look (0: none)")
	flags.BoolVar(&o.dry, "dry-run", false, "list the mutants and try none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("no package is named; say for example ./pkg/check or ./pkg/history:reader.go")
	}
	list, err := readEquivalents(o.equivalents)
	if err != nil {
		return err
	}
	good := true
	var all []tried
	for _, target := range flags.Args() {
		report, err := measure(ctx, target, o, list, stdout, stderr)
		if err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		good = good && report.good(o.threshold)
		all = append(all, report.tried...)
	}
	if o.json != "" {
		data, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	if !good && !o.dry {
		return errBelow
	}
	return nil
}

// measure tries the mutants of one package.
func measure(ctx context.Context, target string, o options, list []equivalent, stdout, stderr io.Writer) (*report, error) {
	begin := time.Now()
	target, alsoTests, _ := strings.Cut(target, "@")
	pattern, names, _ := strings.Cut(target, ":")
	var files []string
	if names != "" {
		files = strings.Split(names, ",")
	}
	loaded, err := load(ctx, pattern)
	if err != nil {
		return nil, err
	}
	package_, err := prepare(loaded, files)
	if err != nil {
		return nil, err
	}
	if count := len(package_.mutants) + package_.dropped; count > selector.MaxMutants {
		return nil, fmt.Errorf("%d mutants are more than %d: name some of the files", count, selector.MaxMutants)
	}
	r := &report{target: target, threshold: o.threshold, dropped: package_.dropped, total: len(package_.mutants)}
	r.listed, r.stale = sortOut(list, package_.mutants, fileNames(package_))
	chosen := choose(package_.mutants, r.listed, o)
	if o.dry {
		for _, m := range chosen {
			fmt.Fprintln(stdout, m)
		}
		return r, nil
	}

	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	packages := []string{loaded.path}
	if alsoTests != "" {
		packages = append(packages, alsoTests)
	}
	binaries, err := package_.build(ctx, dir, packages)
	if err != nil {
		return nil, err
	}
	t := &trial{binaries: binaries, scratch: dir, workers: o.workers, memory: memoryLimit, longest: o.longest}
	if err := t.survey(ctx); err != nil {
		return nil, err
	}
	if len(t.left) > 0 {
		fmt.Fprintf(stdout, "%s: left out because they take longer than %s: %s\n", target, o.longest, strings.Join(t.left, ", "))
	}
	fmt.Fprintf(stderr, "%s: %d mutants to try with %d tests; prepared in %s\n", target, len(chosen), len(t.tests),
		time.Since(begin).Round(100*time.Millisecond))

	trying := time.Now()
	err = t.verdicts(ctx, chosen, func(m *mutant, found outcome, took time.Duration) {
		r.tried = append(r.tried, tried{mutant: m, Outcome: found, Took: took, Equivalent: r.listed[m.ID].Reason})
		if r.listed[m.ID].Reason == "" && (found == survived || found == notReached) {
			fmt.Fprintf(stderr, "%s: %s\n", found, m)
		}
		if done := len(r.tried); done%100 == 0 {
			fmt.Fprintf(stderr, "%s: %d of %d tried\n", target, done, len(chosen))
		}
	})
	if err != nil {
		return nil, err
	}
	r.trying, r.took = time.Since(trying), time.Since(begin)
	slices.SortFunc(r.tried, func(a, b tried) int { return inSource(a.mutant, b.mutant) })
	return r, r.print(stdout)
}

func fileNames(w *woven) map[string]bool {
	names := map[string]bool{}
	for path := range w.code {
		for _, file := range w.sources.files {
			if file.path == path {
				names[file.name] = true
			}
		}
	}
	return names
}

// choose returns the mutants to try. A sample leaves out the equivalent ones.
func choose(mutants []*mutant, listed map[int]equivalent, o options) []*mutant {
	var chosen []*mutant
	for _, m := range mutants {
		_, known := listed[m.ID]
		if (o.operator == "" || string(m.Operator) == o.operator) && (o.sample == 0 || !known) {
			chosen = append(chosen, m)
		}
	}
	if o.sample == 0 || o.sample >= len(chosen) {
		return chosen
	}
	random := rand.New(rand.NewPCG(o.seed, 0))
	random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	return chosen[:o.sample]
}
