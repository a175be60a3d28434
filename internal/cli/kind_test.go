package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/components"
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
