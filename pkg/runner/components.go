package runner

import (
	"context"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
)

// allComponents are those that the workload may have around its driver.
func (o Options) allComponents() []launcher.Component {
	if o.Components == nil {
		return components.All()
	}
	return o.Components
}

// preflightComponents prepares on this machine what components need.
func (r *run) preflightComponents(ctx context.Context) error {
	w := r.Plan.Workload
	machine := launcher.Machine{Workload: w, Seed: r.Plan.Seed, Directory: string(r.directory), Artifact: r.Artifact}
	inPods := false
	for i, component := range r.components {
		if user, ok := component.(launcher.PodImageUser); ok {
			inPods = inPods || user.UsesPodImage(w)
		}
		preflighter, ok := component.(launcher.Preflighter)
		if !ok {
			continue
		}
		ready, err := preflighter.Preflight(ctx, machine)
		if err != nil {
			return err
		}
		r.components[i] = ready
	}
	if inPods {
		image, err := r.PodImage(ctx)
		if err != nil {
			return err
		}
		r.podImage = image
	}
	if !launcher.NeedsWitnessJar(w) {
		return nil
	}
	jar, err := r.WitnessJar(ctx)
	r.witnessJar = jar
	return err
}

// fingerprint is a digest of what components provide to the application; empty if they provide nothing.
func (r *run) fingerprint() (string, error) {
	all := ""
	for _, component := range r.components {
		printer, ok := component.(launcher.Fingerprinter)
		if !ok {
			continue
		}
		one, err := printer.Fingerprint()
		if err != nil {
			return "", err
		}
		all += one
	}
	return all, nil
}

// usesSeed reports whether what the application computes depends on the seed, by what components provide to it.
func (r *run) usesSeed() bool {
	return slices.ContainsFunc(r.components, func(component launcher.Component) bool {
		seeded, ok := component.(launcher.Seeded)
		return ok && seeded.UsesSeed(r.Plan.Workload)
	})
}

// prepareComponents waits until the components are ready, and then lets them do what must be done before the driver starts.
func (s *session) prepareComponents(ctx context.Context) error {
	for _, member := range s.members {
		if waiter, ok := member.Part.(launcher.Waiter); ok {
			if err := s.awaitReady(ctx, member.Component.Name(), waiter); err != nil {
				return err
			}
		}
	}
	for _, member := range s.members {
		if preparer, ok := member.Part.(launcher.Preparer); ok {
			if err := preparer.Prepare(ctx, s.host()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *session) awaitReady(ctx context.Context, name string, part launcher.Waiter) error {
	lacking := newSeen("nothing")
	done := s.run.Progress.Await(name, launcher.ComponentTimeout, lacking.String)
	defer done()
	return launcher.AwaitReady(ctx, s.run.client, name, part, lacking.set)
}

// verifyComponents lets the components verify themselves after the faults.
func (s *session) verifyComponents(ctx context.Context) error {
	for _, member := range s.members {
		if verifier, ok := member.Part.(launcher.Verifier); ok {
			if err := verifier.Verify(ctx, s.host()); err != nil {
				return err
			}
		}
	}
	return nil
}

// host is the session as its components see it.
func (s *session) host() *launcher.Host {
	return &launcher.Host{
		Client: s.run.client, RESTConfig: s.run.cluster.RESTConfig, Env: s.environment(),
		Token: s.witness.token, Inbox: s.witness.inbox, Progress: s.run.Progress,
		Record: func(source history.Source, eventType string, data any) error {
			_, err := s.log.Append(source, eventType, nil, data)
			return err
		},
		Problem:    s.problem,
		Background: s.witness.background,
	}
}
