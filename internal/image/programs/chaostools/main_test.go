package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse([]string{"-n", "/proc/7/ns/net", "-p", "/proc/7/ns/pid", "--", "ip", "-j", "addr"})
	if err != nil {
		t.Fatal(err)
	}
	want := order{
		namespaces: []namespace{{syscall.CLONE_NEWNET, "/proc/7/ns/net"}, {syscall.CLONE_NEWPID, "/proc/7/ns/pid"}},
		command:    []string{"ip", "-j", "addr"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(order{}, namespace{})); diff != "" {
		t.Errorf("parse (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, args, want string
	}{
		{"nothing", "", "no command is given"},
		{"no command", "-n /proc/1/ns/net --", "no command is given after --"},
		{"no path", "-n", "lacks its path"},
		{"unknown option", "-x 1 -- ip", `option "-x" is not known`},
		{"local mount", "-l -m /proc/1/ns/mnt -- toda", "cannot be done"},
	} {
		_, err := parse(strings.Fields(test.args))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}
