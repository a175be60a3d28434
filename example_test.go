package sparkchaos_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/invariant"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// A stored run is judged again without a cluster.
func ExampleJudge() {
	verdict, err := sparkchaos.Judge(context.Background(), "testdata/run", sparkchaos.Catalogue())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verdict.Passed())
	for _, result := range verdict.Results {
		fmt.Println(result.Invariant, result.Verdict)
	}
	// Output:
	// false
	// driverRescheduled violation
}

// driverSeen is an invariant of one's own: a function of what the history says.
func driverSeen() check.Definition {
	return check.Definition{
		Name: "driverSeen",
		Doc:  "There was a driver.",
		Args: func() any { return &check.NoArgs{} },
		New: func(any) check.Checker {
			return check.CheckerFunc(func(m *model.Model) check.Result {
				f := check.NewFinding(m)
				drivers := m.Incarnations()
				if !f.Assume(len(drivers) > 0, "a driver was seen") {
					return f.Inconclusive("no driver was seen")
				}
				f.Cite(drivers[0].Pod.Added, "%s is seen", drivers[0])
				return f.Held("%d drivers were seen", len(drivers))
			})
		},
	}
}

// An invariant of one's own is added to a catalogue; scenario files name it like the shipped ones.
func Example_ownInvariant() {
	catalogue := sparkchaos.Catalogue().With(sparkchaos.Invariant(driverSeen()))
	all := catalogue.Entries().Invariants
	fmt.Println(all[len(all)-1].Name)
	// Output: driverSeen
}

// A scenario is carried out on a cluster of this machine. The program calls sparkchaos.Main first in its main function.
func ExampleCluster_Run() {
	ctx := context.Background()
	cluster, err := sparkchaos.Start(ctx, sparkchaos.Embedded(3))
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		if err := cluster.Close(); err != nil {
			log.Print(err)
		}
	}()
	verdict, err := cluster.Run(ctx, sparkchaos.Scenario("driver-node-power-off").
		Application("billing.jar", "com.example.Billing").
		Expect(invariant.DriverRescheduled(time.Minute), driverSeen().Expect(&check.NoArgs{})))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(verdict.Table())
}
