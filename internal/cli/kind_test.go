package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/pkg/image"
)

func TestNodeComponents(t *testing.T) {
	t.Parallel()
	component := func(name string, onDemand bool) components.Component {
		return components.Component{
			Recipe:  components.Recipe{Name: name, Packages: []string{"example.com/" + name}, OnDemand: onDemand},
			Version: "v1", Key: strings.Repeat("0", 64),
		}
	}
	runc := component("runc", false)
	cache := t.TempDir()
	if err := os.MkdirAll(runc.Bin(cache), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(runc.Bin(cache), "runc"), []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	needed, missing := nodeComponents([]components.Component{
		runc, component("kubernetes", false), component("versitygw", true), component("cri-tools", true), component("kubeadm", true),
	}, cache)
	if diff := cmp.Diff([]string{"runc", "kubernetes", "cri-tools", "kubeadm"}, needed); diff != "" {
		t.Errorf("needed: %s", diff)
	}
	if diff := cmp.Diff([]string{"kubernetes", "cri-tools", "kubeadm"}, missing); diff != "" {
		t.Errorf("missing: %s", diff)
	}
}

func TestLoadIntoDocker(t *testing.T) {
	archive := image.Archive{Path: "/cache/image.tar", Reference: "docker.io/sparkchaos/kind-node:1"}
	for name, test := range map[string]struct {
		script, said, failed string
	}{
		"no daemon":     {`echo "cannot connect"; exit 1`, "docker load --input /cache/image.tar", ""},
		"there already": {`exit 0`, "has docker.io/sparkchaos/kind-node:1 already", ""},
		"loaded":        {`[ "$1" != image ]`, "has loaded docker.io/sparkchaos/kind-node:1", ""},
		"refused":       {`[ "$1" = version ] || { echo "disk is full"; exit 1; }`, "", "disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "docker"), []byte("#!/bin/sh\n"+test.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
			var progress bytes.Buffer
			err := loadIntoDocker(context.Background(), archive, &progress)
			if test.failed == "" && err != nil || test.failed != "" && (err == nil || !strings.Contains(err.Error(), test.failed)) {
				t.Errorf("error %v, want %q", err, test.failed)
			}
			if !strings.Contains(progress.String(), test.said) {
				t.Errorf("it said %q, want %q", progress.String(), test.said)
			}
		})
	}
}
