package check

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// standInStory lets the new driver, which has the old one's application id and lives to 58 s, lose its executor 2 at 33 s. The
// old executor 2 is gone at the one time, and executor 3 is asked for at the other; zero: neither happens.
func standInStory(oldGone, asked time.Duration) func(*historytest.Story) {
	return func(s *historytest.Story) {
		old, d := &s.Drivers[0].Executors[1], &s.Drivers[1]
		s.Completed, s.Recovered = 0, 0
		s.Drivers[1].Application = s.Drivers[0].Application
		old.Silent, old.Finished, old.Deleted = 29*second, 0, oldGone
		d.Silent, d.Finished = 58*second, 0
		d.Executors[0].Finished = 0
		d.Executors[1].Silent, d.Executors[1].Finished, d.Executors[1].Deleted = 33*second, 0, 33*second
		if asked > 0 {
			d.Executors = append(d.Executors,
				historytest.Executor{UID: "e9", ID: "3", Node: "n1", Created: asked, Registered: asked + 2*second, Silent: 58 * second})
		}
	}
}

func TestNoStaleStandIn(t *testing.T) {
	t.Parallel()
	runInvariant(t, "noStaleStandIn", args{}, []invariantCase{
		{name: "asked for another one at once", want: Pass, measure: "0 stand-ins for 1 lost executor",
			twist: standInStory(50*second, 33500*time.Millisecond)},
		{name: "asked when the old one was gone", want: Violation, measure: "17.5s", says: "pod driver-d1-exec-2 of an earlier incarnation",
			twist: standInStory(50*second, 50500*time.Millisecond),
			shows: []string{"runs as executor 2 of application spark-1, made by an earlier incarnation", "only now"}},
		{name: "never asked", want: Violation, measure: "never asked for", twist: standInStory(0, 0)},
		{name: "slow, but before the old one was gone", want: Pass, twist: standInStory(50*second, 45*second)},
		{name: "the old one went soon", want: Pass, twist: standInStory(35*second, 45*second)},
		{name: "other application ids", want: Pass,
			twist: both(standInStory(50*second, 50500*time.Millisecond), func(s *historytest.Story) { s.Drivers[1].Application = "spark-2" })},
		{name: "another executor id", want: Pass,
			twist: both(standInStory(50*second, 50500*time.Millisecond), func(s *historytest.Story) { s.Drivers[0].Executors[1].ID = "7" })},
		{name: "asked a little before it was lost", want: Inconclusive, says: "was not seen at the time",
			twist: standInStory(50*second, 32500*time.Millisecond)},
		{name: "lost as the driver ended", want: Inconclusive, twist: both(standInStory(50*second, 0), adding(func(b *historytest.Builder) {
			say(b, 32*second, "d2", history.DriverStopping, nil, map[string]string{"cause": "pluginShutdown"})
		}))},
		{name: "no executor was lost", want: Inconclusive, says: "lost an executor and lived on"},
		{name: "the driver ended soon after", want: Inconclusive,
			twist: both(standInStory(50*second, 0), func(s *historytest.Story) { s.Drivers[1].Silent, s.Drivers[1].Commits = 36*second, nil })},
		{name: "driver not replaced", want: Inconclusive, twist: withoutReplacement},
		{name: "pods unseen for a while", want: Inconclusive, twist: both(standInStory(50*second, 33500*time.Millisecond), podGap)},
	})
}
