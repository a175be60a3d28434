package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestNotFound(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("open: %w", &NotFoundError{Kind: "kind", Name: "lab", State: "/state"})
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "`sparkchaos cluster up --cluster kind --name lab` makes it") {
		t.Errorf("%v: want an ErrNotFound that says what makes the cluster", err)
	}
	if errors.Is(errors.New("no route to host"), ErrNotFound) {
		t.Error("another error is an ErrNotFound")
	}
}
