package main

import (
	"bytes"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/golden"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestOperators compares the mutants of each file in testdata/operators with a golden file.
func TestOperators(t *testing.T) {
	loaded, err := load(t.Context(), "./testdata/operators")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[operator]bool{}
	for _, file := range loaded.files {
		name := filepath.Base(file.path)
		t.Run(name, func(t *testing.T) {
			w, err := prepare(loaded, []string{name})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for _, m := range w.mutants {
				seen[m.Operator] = true
				fmt.Fprintf(&got, "%s\n", m)
			}
			fmt.Fprintf(&got, "%d do not build\n", w.dropped)
			golden.Compare(t, filepath.Join("testdata", "operators", strings.TrimSuffix(name, ".go")+".golden"), got.Bytes(), *update)
		})
	}
	all := []operator{
		boundaryOp, negationOp, logicOp, conditionOp, literalOp, arithmeticOp, constantOp, statementOp, jumpOp, resultOp,
	}
	for _, op := range all {
		if !seen[op] {
			t.Errorf("no file has a mutant of the operator %s", op)
		}
	}
}

func TestPrepareRefusesUnknownFiles(t *testing.T) {
	loaded, err := load(t.Context(), "./testdata/operators")
	if err != nil {
		t.Fatal(err)
	}
	_, err = prepare(loaded, []string{"jumps.go", "jump.go"})
	if err == nil || !strings.Contains(err.Error(), "has no file jump.go") {
		t.Errorf("got %v, expected an error that names jump.go", err)
	}
}
