package plan

import (
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestApplicationInWords(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		application scenario.Application
		want        string
	}{
		{scenario.Application{MainClass: "A", Args: []string{"-x"}}, "A -x"},
		{scenario.Application{MainClass: "A", Jar: "a.jar", Args: []string{"-x"}}, "A -x from a.jar"},
		{scenario.Application{MainClass: "A", Main: "a.jar", Jars: []string{"b.jar"}}, "A from a.jar, with the jars b.jar"},
		{
			scenario.Application{Main: "a.py", PyFiles: []string{"b.py", "c.zip"}, Packages: []string{"g:a:1"}, Args: []string{"-x"}},
			"the Python file a.py -x, with the modules b.py c.zip, with the packages g:a:1",
		},
		{scenario.Application{Main: "s3a://x/a.sql"}, "the SQL file s3a://x/a.sql"},
	} {
		if got := application(tc.application); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
