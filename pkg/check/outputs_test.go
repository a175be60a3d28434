package check

import (
	"fmt"
	"hash/fnv"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

const table = "/shared/table"

// expectOutput is a plan that expects an invariant of a workload with an output.
func expectOutput(invariant string, output args) map[string]any {
	plan := historytest.Expect(invariant, args{})
	plan["workload"] = args{"output": []any{output}}
	return plan
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64() * 0x9e3779b97f4a7c15
}

// fingerprintOf is what the reader says about rows: key=value, or a key alone. bits is that of the sample.
func fingerprintOf(bits int, rows ...string) history.OutputData {
	o := history.OutputData{Name: table, Rows: int64(len(rows)), SampleBits: bits}
	counts, order, keys, sum := map[string]int64{}, []string{}, map[string]bool{}, new(big.Int)
	parts, sums := make([]history.OutputBucket, buckets), make([]big.Int, buckets)
	for _, row := range rows {
		if counts[row]++; counts[row] == 1 {
			order = append(order, row)
		}
		key, _, _ := strings.Cut(row, "=")
		keys[key] = true
		value := big.NewInt(int64(hashOf(row)))
		sum.Add(sum, value)
		i := hashOf(key) % buckets
		parts[i].Rows++
		sums[i].Add(&sums[i], value)
	}
	for _, row := range order {
		key, _, _ := strings.Cut(row, "=")
		if hash := hashOf(key); hash&(1<<bits-1) == 0 {
			o.Sample = append(o.Sample, history.OutputRow{
				Key: strconv.FormatUint(hash, 16), Value: strconv.FormatUint(hashOf(row), 16), Count: counts[row], Text: row,
			})
		}
	}
	for i := range parts {
		parts[i].Sum = sums[i].String()
	}
	if bits > 0 {
		o.Buckets = parts
	}
	o.Sum, o.Distinct = sum.String(), int64(len(keys))
	o.Columns = []history.OutputColumn{{Name: "amount", Type: "bigint", Sum: o.Sum}}
	o.Files = &history.OutputFiles{Count: 4, Read: 4, OldestMillis: historytest.Epoch().Add(40 * time.Second).UnixMilli(), Writes: 1}
	return o
}

// floats is what the reader says about rows whose only column has floating-point numbers.
func floats(dataType, total, magnitude string, rows ...string) history.OutputData {
	o := fingerprintOf(0, rows...)
	o.Columns = []history.OutputColumn{{Name: "revenue", Type: dataType, Sum: o.Sum, Total: total, Magnitude: magnitude}}
	return o
}

// wrote lets an output be read in a story, after a run without faults that wrote something else.
func wrote(baseline, run history.OutputData) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.Outputs = []history.OutputData{baseline}
		s.Extra = func(b *historytest.Builder) { b.Output(48*time.Second, run) }
	}
}

func readBefore(at time.Duration, baseline, run history.OutputData) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.Outputs = []history.OutputData{baseline}
		s.Extra = func(b *historytest.Builder) { b.Output(at, run) }
	}
}

func changedFiles(change func(*history.OutputFiles)) history.OutputData {
	o := fingerprintOf(0, "a", "b")
	change(o.Files)
	return o
}

func TestOutputsEqualTheBaselines(t *testing.T) {
	t.Parallel()
	rows, keyed := expectOutput("resultEqualsBaseline", args{"path": table}), expectOutput("resultEqualsBaseline",
		args{"path": table, "compare": "keys", "keys": []string{"id"}})
	abc := fingerprintOf(0, "a", "b", "c")
	unreadable := history.OutputData{Name: table, Error: "no such file"}
	for _, c := range []struct {
		name  string
		plan  any
		twist func(*historytest.Story)
		want  Verdict
		says  string
	}{
		{"equal, in another order", rows, wrote(abc, fingerprintOf(0, "c", "a", "b")), Pass, "has the 3 rows of the run without faults"},
		{"another order of additions", rows, wrote(floats("double", "10.5", "10.5", "a"), floats("double", "10.5000000000001", "10.5", "b")),
			Inconclusive, "floating-point numbers in revenue differ by so little that the order in which they were added may be why"},
		{"a sum that is another one", rows, wrote(floats("double", "10.5", "10.5", "a"), floats("double", "10.6", "10.5", "b")), Violation,
			"1 row lost (a)"},
		{"no number any more", rows, wrote(floats("double", "10.5", "10.5", "a"), floats("double", "NaN", "10.5", "b")), Violation, "1 row lost"},
		{"sums that cancel out", rows, wrote(floats("float", "1E-17", "10.5", "a"), floats("float", "0.0", "10.5", "b")), Inconclusive,
			"the order in which they were added"},
		{"an older record of floating-point numbers", rows, wrote(floats("double", "", "", "a"), floats("double", "", "", "b")), Inconclusive,
			"the order in which they were added"},
		{"floating-point numbers within others", rows, wrote(floats("array<double>", "", "", "a"), floats("array<double>", "", "", "b")),
			Inconclusive, "the order in which they were added"},
		{"exact numbers beside", rows, wrote(abc, floats("double", "10.5", "10.5", "a", "b", "d")), Violation, "1 row lost"},
		{"another type", rows, wrote(floats("double", "1", "1", "a"), floats("float", "1", "1", "b")), Violation, "1 row lost"},
		{"fewer rows with the same total", rows, wrote(floats("double", "1", "1", "a", "b"), floats("double", "1", "1", "b")), Violation,
			"1 row lost (a)"},
		{"keys that are others", keyed,
			wrote(floats("double", "1", "1", "a=1"), floats("double", "1", "1", "b=1")), Violation, "1 row lost (a=1)"},
		{"keys with another sum", keyed, wrote(floats("double", "1", "1", "a=1"), floats("double", "1", "1", "a=2")), Inconclusive, "revenue"},
		{"lost", rows, wrote(abc, fingerprintOf(0, "a", "c")), Violation,
			"output /shared/table has 2 rows, without faults it has 3 rows: 1 row lost (b)"},
		{"doubled", rows, wrote(abc, fingerprintOf(0, "a", "b", "c", "b")), Violation, "1 row doubled (b stands 2 times instead of 1)"},
		{"once instead of twice", rows, wrote(fingerprintOf(0, "a", "a"), fingerprintOf(0, "a")), Violation,
			"1 row lost (a stands 1 time instead of 2)"},
		{"another row", rows, wrote(abc, fingerprintOf(0, "a", "b", "d")), Violation,
			"1 row lost (c); 1 row that the run without faults has not (d); columns that differ: amount"},
		{"a changed row has a name", keyed, wrote(fingerprintOf(0, "1=a", "2=b"), fingerprintOf(0, "1=a", "2=c")), Violation,
			"1 row changed (2=b is now 2=c); columns that differ: amount"},
		{"several things at once", keyed, wrote(fingerprintOf(0, "1=a", "2=b", "3=c"), fingerprintOf(0, "1=x", "3=c", "3=c")), Violation,
			"1 row lost (2=b); 1 row doubled (3=c stands 2 times instead of 1); 1 row changed (1=a is now 1=x)"},
		{"nobody read it", rows, func(s *historytest.Story) { s.Outputs = []history.OutputData{abc} }, Inconclusive,
			"it was not read (nobody read it)"},
		{"it could not be read", rows, wrote(abc, unreadable), Inconclusive, "it was not read (no such file)"},
		{"it could not be read without faults", rows, wrote(unreadable, abc), Inconclusive,
			"it is not known what it is without faults (no such file)"},
		{"the baseline does not know it", rows, func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) {
				b.Output(48*time.Second,
					abc)
			}
		}, Inconclusive, "nobody read it"},
		{"lost, but the application did not end", rows, both(wrote(abc, fingerprintOf(0, "a")), func(s *historytest.Story) { s.Completed = 0 }),
			Inconclusive, "the application ended well"},
		{"doubled, and the application did not end", rows,
			both(wrote(abc, fingerprintOf(0, "a", "a", "b", "c")), func(s *historytest.Story) { s.Completed = 0 }), Violation, "1 row doubled"},
		{"read while drivers wrote", rows, readBefore(44*time.Second, abc, fingerprintOf(0, "a")), Inconclusive, "alive"},
		{"files of an earlier run", rows, wrote(abc, func() history.OutputData {
			o := fingerprintOf(0, "a", "a", "b", "c")
			o.Files.OldestMillis = historytest.Epoch().Add(-time.Hour).UnixMilli()
			return o
		}()), Inconclusive, "write $(SPARKCHAOS_RUN_ID) into its path"},
		{"the ledger differs, the output does not", rows, both(wrote(abc, abc), func(s *historytest.Story) {
			s.Drivers[1].Commits = map[string]string{"wordcount": "sha256:dead"}
		}), Violation, "wordcount is sha256:dead"},
		{"nothing was committed, and nothing had to be", rows, both(wrote(abc, abc), func(s *historytest.Story) {
			s.Baseline, s.Drivers[1].Commits = map[string]string{}, nil
		}), Pass, "output /shared/table"},
		{"nothing makes sense", rows, wrote(abc, history.OutputData{Name: table, Rows: 1}), Inconclusive, "nobody read it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkStory(t, c.plan, c.twist, c.want, c.says)
		})
	}
}

func checkStory(t *testing.T, plan any, twist func(*historytest.Story), want Verdict, says string) {
	t.Helper()
	story := historytest.PowerOff(plan)
	twist(story)
	verdict, _ := judgeStory(t, story)
	r := verdict.Results[0]
	if r.Verdict != want || !strings.Contains(r.Message, says) {
		t.Errorf("the verdict is %s: %s\nwant %s, with: %s\nassumptions: %+v", r.Verdict, r.Message, want, says, r.Assumptions)
	}
	if r.Verdict == Violation && len(r.Evidence) < 2 {
		t.Errorf("the violation rests on %v, want both readings", r.Evidence)
	}
}

func TestOutputFilesOnce(t *testing.T) {
	t.Parallel()
	plan := expectOutput("outputFilesOnce", args{"path": table})
	once := changedFiles(func(*history.OutputFiles) {})
	temporary := changedFiles(func(f *history.OutputFiles) { f.Temporaries, f.Temporary = 1, []string{"batch=1/_temporary"} })
	shared := changedFiles(func(f *history.OutputFiles) {
		f.Writes, f.SharedCount = 2, 1
		f.Shared = []history.OutputShared{{Directory: "batch=0", Writes: 2, Examples: []string{"part-0-a", "part-0-b"}}}
	})
	logged := shared
	logged.Files = new(*shared.Files)
	logged.Files.Log = "_spark_metadata"
	without := fingerprintOf(0, "a")
	without.Files = nil
	for _, c := range []struct {
		name  string
		twist func(*historytest.Story)
		want  Verdict
		says  string
	}{
		{"once", wrote(once, once), Pass, "has 4 files"},
		{"a write that was not finished", wrote(once, temporary), Violation,
			"has 1 directory of writes that were not finished: batch=1/_temporary"},
		{"files of two writes", wrote(once, shared), Violation,
			"1 directory with files of several writes: batch=0 (2 writes: part-0-a, part-0-b)"},
		{"files of two writes, as without faults", wrote(shared, shared), Inconclusive, "may do so by itself"},
		{"files of two writes, and nobody knows whether without faults, too", func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) { b.Output(48*time.Second, shared) }
		}, Inconclusive, "may do so by itself"},
		{"files of two writes that the table's log tells apart", wrote(once, logged), Pass, "has 4 files"},
		{"nobody knows its files", wrote(once, without), Inconclusive, "are not known"},
		{"not read", func(*historytest.Story) {}, Inconclusive, "nobody read it"},
		{"left of an application that did not end", both(wrote(once, temporary), func(s *historytest.Story) { s.Completed = 0 }), Inconclusive,
			"the application ended well"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkStory(t, plan, c.twist, c.want, c.says)
		})
	}
	t.Run("a plan without outputs", func(t *testing.T) {
		t.Parallel()
		checkStory(t, historytest.Expect("outputFilesOnce", args{}), func(*historytest.Story) {}, Inconclusive, "names no output")
	})
}

// TestDifferencesOfManyRows compares outputs of which only a sample is listed: what is counted is never more than what is there, and that
// they differ is always seen.
func TestDifferencesOfManyRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 300).Draw(t, "rows")
		lose := rapid.IntRange(0, total-1).Draw(t, "lost")
		double := rapid.IntRange(0, total-lose-1).Draw(t, "doubled")
		wantedBits, gotBits := rapid.IntRange(0, 4).Draw(t, "bits of the baseline"), rapid.IntRange(0, 4).Draw(t, "bits")
		var wanted, got []string
		for i := range total {
			row := fmt.Sprintf("row %d", i)
			wanted = append(wanted, row)
			if i >= lose {
				got = append(got, row)
			}
			if i >= lose && i < lose+double {
				got = append(got, row)
			}
		}
		d := differenceOf(fingerprintOf(wantedBits, wanted...), fingerprintOf(gotBits, got...), false)
		if d.none() != (lose == 0 && double == 0) {
			t.Fatalf("%d lost, %d doubled: it says %q", lose, double, d)
		}
		exact := wantedBits == 0 && gotBits == 0
		if d.lost.count > int64(lose) || d.doubled.count > int64(double) || exact &&
			(d.lost.count != int64(lose) || d.doubled.count != int64(double)) {
			t.Fatalf("%d lost, %d doubled: it says %q", lose, double, d)
		}
		if d.fresh.count != 0 && exact {
			t.Fatalf("it knows rows that nobody wrote: %q", d)
		}
	})
}

func TestDifferenceInWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    difference
		want string
	}{
		{difference{other: true}, "the sums of their rows differ"},
		{difference{lost: differing{count: 7, examples: []string{"a", "b", "c"}}}, "7 rows lost (a, b, c, …)"},
		{difference{doubled: differing{count: 2}, atLeast: true, columns: []string{"x"}}, "at least 2 rows doubled; columns that differ: x"},
	} {
		if diff := cmp.Diff(c.want, c.d.String()); diff != "" {
			t.Error(diff)
		}
	}
}
