package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

func newShowCommand() *cobra.Command {
	var around int
	command := &cobra.Command{
		Use:   "show RUNDIR EVENT...",
		Short: "Print events of a stored run with their neighbours",
		Long: `Print events of a run by the numbers that verdicts, reports and stories cite: each event with its data as indented JSON, and
its neighbours as one line each. Neighbouring heartbeats are left out. No cluster is needed.`,
		Example: `  sparkchaos show runs/latest '#342'
  sparkchaos show runs/latest 342 690 --around 10`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			numbers, err := eventNumbers(args[1:])
			if err != nil {
				return err
			}
			if around < 0 {
				return usagef("--around: %d is negative; give number of neighbours to print on each side", around)
			}
			file, err := regular.Open(filepath.Join(args[0], report.HistoryFile))
			if errors.Is(err, fs.ErrNotExist) {
				return usagef("%w; give a run directory, like runs/latest", err)
			}
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }() // opened for reading only
			s := shower{out: command.OutOrStdout(), around: around, wanted: numbers}
			return s.show(history.NewReader(file))
		},
	}
	command.Flags().IntVar(&around, "around", 3, "number of neighbours to print on each side")
	return command
}

// eventNumbers reads numbers of events, with or without a #.
func eventNumbers(args []string) (map[int64]bool, error) {
	numbers := map[int64]bool{}
	var problems []error
	for _, arg := range args {
		n, err := strconv.ParseInt(strings.TrimPrefix(arg, "#"), 10, 64)
		if err != nil || n < 1 {
			problems = append(problems, fmt.Errorf("%q is no number of an event; give one like '#342'", arg))
			continue
		}
		numbers[n] = true
	}
	if len(problems) > 0 {
		return nil, usagef("%w", errors.Join(problems...))
	}
	return numbers, nil
}

// shower prints events as they come: it keeps only as many as it may have to print before the next one that is wanted.
type shower struct {
	out    io.Writer
	around int
	wanted map[int64]bool
	before []string // neighbours that were not printed
	after  int      // neighbours that are still to be printed
	shown  bool
}

func (s *shower) show(reader *history.Reader) error {
	missing := len(s.wanted)
	var event history.Event
	for {
		err := reader.Next(&event)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if s.wanted[event.Seq] {
			missing--
		}
		if err := s.take(&event); err != nil {
			return fmt.Errorf("print event %d: %w", event.Seq, err)
		}
	}
	if missing > 0 {
		return usagef("the history has no such event: of those asked for, %d are not among its %d events", missing, reader.Events())
	}
	return nil
}

func (s *shower) take(event *history.Event) error {
	wanted := s.wanted[event.Seq]
	if !wanted && event.Type == history.Heartbeat {
		return nil
	}
	line := "  " + report.EventLine(event)
	switch {
	case wanted:
		return s.whole(event)
	case s.after > 0:
		s.after--
		_, err := fmt.Fprintln(s.out, line)
		return err
	case s.around > 0:
		s.before = append(s.before, line)
		if len(s.before) > s.around {
			s.before = s.before[1:]
		}
	}
	return nil
}

// whole prints an event that is wanted, after its neighbours before it.
func (s *shower) whole(event *history.Event) error {
	var out bytes.Buffer
	if s.shown && s.after == 0 {
		fmt.Fprintln(&out)
	}
	for _, line := range s.before {
		fmt.Fprintln(&out, line)
	}
	fmt.Fprintln(&out, "> "+report.EventLine(event))
	var object bytes.Buffer
	if len(event.Data) > 0 {
		if json.Indent(&object, event.Data, "    ", "  ") == nil {
			fmt.Fprintf(&out, "    %s\n", printable.Lines(object.String()))
		} else {
			fmt.Fprintf(&out, "    (its data is no JSON) %s\n", printable.Line(string(event.Data)))
		}
	}
	s.before, s.after, s.shown = nil, s.around, true
	_, err := s.out.Write(out.Bytes())
	return err
}
