package launcher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	// ComponentTimeout is how long a component may take until it is ready: an image to pull, a JVM to start.
	ComponentTimeout = 3 * time.Minute
	componentPoll    = 200 * time.Millisecond
)

// errNeverReady is why a component is not waited for any longer.
var errNeverReady = errors.New("it will not be ready by itself")

// Component is a part of a workload that must be ready before its driver starts.
type Component struct {
	// Name is how people are told of it.
	Name string
	// lacks says in words what keeps it from being ready, empty if nothing does. Its error is final if it is
	// errNeverReady; any other one is an API server that is away for a moment.
	lacks func(context.Context) (string, error)
}

// Components returns the parts that must be ready before the driver.
func Components(client kubernetes.Interface, objects *Objects) []Component {
	var all []Component
	if objects.Witness != nil {
		all = append(all, deploymentComponent(client, "the witness in the cluster", objects.Witness.Deployment))
	}
	if objects.ShuffleService != nil {
		all = append(all, shuffleComponent(client, objects.ShuffleService))
	}
	if objects.Staging != nil {
		all = append(all, deploymentComponent(client, "the staging server", objects.Staging.Deployment))
	}
	return all
}

// Await returns when the component is ready, and tells seen what it lacks until then. It fails after [ComponentTimeout].
func (c Component) Await(ctx context.Context, seen func(string)) error {
	last := "nothing was seen of it"
	err := wait.PollUntilContextTimeout(ctx, componentPoll, ComponentTimeout, true, func(ctx context.Context) (bool, error) {
		lacks, err := c.lacks(ctx)
		switch {
		case errors.Is(err, errNeverReady):
			return false, err
		case err != nil:
			lacks = err.Error()
		case lacks == "":
			return true, nil
		}
		last = lacks
		seen(lacks)
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("%s is not ready: %s: %w", c.Name, last, err)
	}
	return nil
}
