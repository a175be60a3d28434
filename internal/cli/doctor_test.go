package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

func TestPrintDiagnoses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		all  []diagnosis
		any  bool
		want string
	}{
		"one of two": {
			[]diagnosis{
				{"embedded", cluster.Diagnosis{Lacks: errors.Join(errors.New("nft is missing: apt-get install nftables"),
					errors.New("root is needed"))}},
				{"kind", cluster.Diagnosis{Notes: []string{"the nodes are containers of docker"}}},
			}, true,
			"embedded: does not work here\n  - nft is missing: apt-get install nftables\n  - root is needed\nkind: ready\n  the " +
				"nodes are containers of docker\n",
		},
		"none": {[]diagnosis{{"kind", cluster.Diagnosis{Lacks: errors.New("docker is not installed")}}}, false,
			"kind: does not work here\n  - docker is not installed\n"},
	} {
		var out bytes.Buffer
		if any := printDiagnoses(&out, tt.all); any != tt.any {
			t.Errorf("%s: some kind can be had: %v, want %v", name, any, tt.any)
		}
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDoctorFixesWhatItNames(t *testing.T) {
	t.Parallel()
	broken := []diagnosis{
		{"embedded", cluster.Diagnosis{Remedies: []cluster.Remedy{raiseInotify, cluster.BuildComponents, cluster.InstallPackages}}},
		{"kind", cluster.Diagnosis{Remedies: []cluster.Remedy{raiseInotify}}},
	}
	for name, tt := range map[string]struct {
		all            []diagnosis
		declined, fail cluster.Remedy
		done           []cluster.Remedy
		says, fails    string
	}{
		"all of it, once, in order": {all: broken, done: []cluster.Remedy{cluster.InstallPackages, cluster.BuildComponents, raiseInotify},
			says: "inotify: done"},
		"one is declined": {all: broken, declined: cluster.BuildComponents, done: []cluster.Remedy{cluster.InstallPackages, raiseInotify},
			says: "packages: done", fails: "declined components"},
		"one fails": {all: broken, fail: cluster.InstallPackages, done: []cluster.Remedy{cluster.BuildComponents, raiseInotify},
			says: "components: done", fails: "fix packages: no network"},
		"nothing is broken": {all: []diagnosis{{"kind", cluster.Diagnosis{Lacks: errors.New("docker is not installed")}}},
			says: "nothing that doctor can fix"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var done []cluster.Remedy
			var said bytes.Buffer
			var all fixes
			for _, fix := range doctorFixes(nil, nil, nil) {
				if fix.question == "" {
					t.Errorf("%s is done without a question", fix.remedy)
				}
				all = append(all, doctorFix{fix.remedy, string(fix.remedy), func(context.Context) error {
					if fix.remedy == tt.fail {
						return errors.New("no network")
					}
					done = append(done, fix.remedy)
					return nil
				}})
			}
			say := func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
			err := all.mend(t.Context(), tt.all, say, func(question string) error {
				if question == string(tt.declined) {
					return errors.New("declined " + question)
				}
				return nil
			})
			if (err != nil) != (tt.fails != "") || err != nil && err.Error() != tt.fails {
				t.Errorf("error %v, want %q", err, tt.fails)
			}
			if diff := cmp.Diff(tt.done, done); diff != "" {
				t.Errorf("what was done (-want +got):\n%s", diff)
			}
			if !strings.Contains(said.String(), tt.says) {
				t.Errorf("it said %q, want %q", said.String(), tt.says)
			}
		})
	}
}

func TestDoctorAsksForPartsBeforeItBuilds(t *testing.T) {
	t.Parallel()
	env := map[string]string{parts.Variable: "https://registry/parts", paths.CacheVariable: t.TempDir()}
	err := buildComponents(t.Context(), func(name string) string { return env[name] }, io.Discard)
	if err == nil || !strings.Contains(err.Error(), parts.Variable) {
		t.Errorf("error %v, want one about %s", err, parts.Variable)
	}
}
