package image

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keys is what begins a binary keyring.
const keys = "\x99\x02\x0d\x04"

const debianKeys = "usr/share/keyrings/debian-archive-keyring.gpg"

func TestAptSourceIsTheMachinesOwn(t *testing.T) {
	t.Parallel()
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	for name, tc := range map[string]struct {
		files    map[string]string // "+" stands for Debian's keyring, which all but some have
		variable string
		uri      string
		keyring  string // relative to the root
		err      []string
	}{
		"one-line": {
			files: map[string]string{"etc/apt/sources.list": "# first\n\ndeb-src http://source.example.invalid/debian bookworm main\n" +
				"deb http://mirror.example.invalid/debian/ bookworm main contrib # mine\n", "+": ""},
			uri: "http://mirror.example.invalid/debian/", keyring: debianKeys,
		},
		"one-line with options": {
			files: map[string]string{"etc/apt/sources.list.d/a.list": "deb\t[ arch=" + runtime.GOARCH + " signed-by=/etc/keys/mine.gpg ] " +
				"https://m.example.invalid/debian bookworm main\n",
				"etc/keys/mine.gpg": keys},
			uri: "https://m.example.invalid/debian", keyring: "etc/keys/mine.gpg",
		},
		"deb822": {
			files: map[string]string{"etc/apt/sources.list.d/debian.sources": "Types: deb deb-src\n# a comment\nURIs: " +
				"http://m.example.invalid/debian\nSuites: bookworm\n bookworm-updates\n" +
				"Components: main\nSigned-By: /" + debianKeys + "\n\nTypes: deb\nURIs: http://m.example.invalid/debian-security\nSuites: " +
				"bookworm-security\nComponents: main\n", "+": ""},
			uri: "http://m.example.invalid/debian", keyring: debianKeys,
		},
		"a repository of something else comes first": {
			files: map[string]string{"etc/apt/sources.list.d/a.list": "deb [signed-by=/usr/share/keyrings/vendor.gpg] " +
				"https://vendor.example.invalid bookworm main\n",
				"etc/apt/sources.list.d/b.sources": "Types: deb\nURIs: file:/srv/debian http://m.example.invalid/debian\nSuites: " +
					"bookworm\nComponents: main\n", "+": ""},
			uri: "file:/srv/debian", keyring: debianKeys,
		},
		"a newer Debian": {
			files: map[string]string{"etc/apt/sources.list.d/debian.sources": "Types: deb\nURIs: http://m.example.invalid/debian\nSuites: " +
				"trixie\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.pgp\n",
				"usr/share/keyrings/debian-archive-keyring.pgp": keys},
			uri: "http://m.example.invalid/debian", keyring: "usr/share/keyrings/debian-archive-keyring.pgp",
		},
		"disabled, of other architectures, from a disc": {
			files: map[string]string{
				"etc/apt/sources.list": "deb cdrom:[Debian]/ bookworm main\ndeb [arch=" + other +
					"] http://other.example.invalid/debian bookworm main\n",
				"etc/apt/sources.list.d/x.sources": "Types: deb\nEnabled: no\nURIs: http://off.example.invalid/debian\nSuites: " +
					"bookworm\nComponents: main\n\n" +
					"Types: deb\nEnabled: yes\nURIs: http://on.example.invalid/debian\nSuites: bookworm\nComponents: main\n",
				"etc/apt/sources.list.d/y.list.disabled": "deb http://no.example.invalid/debian bookworm main\n", "+": "",
			},
			uri: "http://on.example.invalid/debian", keyring: debianKeys,
		},
		"the variable": {
			files:    map[string]string{"etc/apt/sources.list": "deb http://mirror.example.invalid/ubuntu noble main\n", "+": ""},
			variable: "deb http://m.example.invalid/debian bookworm main",
			uri:      "http://m.example.invalid/debian", keyring: debianKeys,
		},
		"no apt": {files: map[string]string{"+": ""}, err: []string{"none of the 0 sources", "SPARKCHAOS_DEBIAN_SOURCE", "etc/apt"}},
		"another distribution": {files: map[string]string{"etc/apt/sources.list": "deb http://mirror.example.invalid/ubuntu noble main\n",
			"+": ""}, err: []string{"none of the 1 sources", "SPARKCHAOS_DEBIAN_SOURCE"}},
		"not main": {files: map[string]string{"etc/apt/sources.list": "deb http://m.example.invalid/debian bookworm contrib\n", "+": ""},
			err: []string{"main"}},
		"no keyring": {files: map[string]string{"etc/apt/sources.list": "deb http://m.example.invalid/debian bookworm main\n"},
			err: []string{"nothing is installed unchecked", "debian-archive-keyring"}},
		"a keyring that is not": {files: map[string]string{"etc/apt/sources.list": "deb [signed-by=/etc/keys/mine.gpg] " +
			"http://m.example.invalid/debian bookworm main\n", "+": ""}, err: []string{"etc/keys/mine.gpg", "sources.list"}},
		"a keyring in text form": {
			files: map[string]string{"etc/apt/sources.list": "deb [signed-by=/etc/keys/mine.asc] http://m.example.invalid/debian bookworm main\n",
				"etc/keys/mine.asc": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"},
			err: []string{"mine.asc", "gpg --dearmor"},
		},
		"a key in the source": {
			files: map[string]string{"etc/apt/sources.list.d/m.sources": "Types: deb\nURIs: http://m.example.invalid/debian\nSuites: " +
				"bookworm\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n x\n"},
			err: []string{"m.sources", "names a key instead of a file"},
		},
		"malformed line": {files: map[string]string{"etc/apt/sources.list": "\ndeb [arch=amd64 http://m.example.invalid/debian bookworm main\n"},
			err: []string{"sources.list", "line 2", "]"}},
		"malformed stanza": {files: map[string]string{"etc/apt/sources.list.d/m.sources": " continued\n"},
			err: []string{"m.sources", "line 1"}},
		"malformed variable": {variable: "http://m.example.invalid/debian", err: []string{"SPARKCHAOS_DEBIAN_SOURCE", "names no source"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := tc.files
			if _, ok := files["+"]; ok {
				delete(files, "+")
				files[debianKeys] = keys
			}
			root := makeTree(t, files)
			source, err := findAptSource(root, tc.variable)
			if tc.err != nil {
				for _, want := range tc.err {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("source %+v, error %v, want one with %q", source, err, want)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := aptSource{uri: tc.uri, keyring: filepath.Join(root, tc.keyring)}
			if source != want {
				t.Errorf("source %+v, want %+v", source, want)
			}
		})
	}
}

// No file of apt makes the reading of it fail in another way than with an error.
func FuzzAptSources(f *testing.F) {
	f.Add("deb [signed-by=/a,/b] http://m.example.invalid/debian bookworm main")
	f.Add("Types: deb\nURIs: http://m.example.invalid/debian\nSuites: bookworm\n trixie\nComponents: main\nSigned-By: /k\n")
	f.Fuzz(func(_ *testing.T, text string) {
		for _, parse := range []func(string) ([]aptEntry, error){parseSourceList, parseDeb822} {
			entries, _ := parse(text)
			for _, entry := range entries {
				entry.rank()
			}
		}
	})
}

// Without these debootstrap installs what nobody signed.
func TestDebootstrapChecksSignatures(t *testing.T) {
	t.Parallel()
	source := aptSource{uri: "http://m.example.invalid/debian", keyring: "/keys.gpg"}
	want := []string{"--variant=minbase", "--force-check-gpg", "--keyring=/keys.gpg", "--include=a,b", "bookworm", "/root",
		"http://m.example.invalid/debian"}
	if diff := cmp.Diff(want, debian{packages: []string{"a", "b"}}.arguments(source, "/root")); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func TestPasswordsOfMirrorsAreNotTold(t *testing.T) {
	t.Parallel()
	source := aptSource{uri: "https://user:hunter2@m.example.invalid/debian"}
	err := source.redact(errors.New("debootstrap bookworm /x " + source.uri + ": exit status 1"))
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(source.String(), "hunter2") ||
		!strings.Contains(err.Error(), "m.example.invalid") {
		t.Errorf("told: %v, %s", err, source)
	}
}

func TestWarningsOfASuccessAreKept(t *testing.T) {
	t.Parallel()
	said := "I: Retrieving InRelease\nW: Cannot check Release signature; keyring file not available\nI: Base system installed " +
		"successfully.\n W: late\n"
	want := []string{"W: Cannot check Release signature; keyring file not available", "W: late"}
	if diff := cmp.Diff(want, warnings(said)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// The tree does not say where this machine takes its packages from.
func TestStripRemovesTheSource(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"etc/apt/sources.list": "deb http://m.example.invalid/debian bookworm main\n",
		"etc/apt/apt.conf.d/x": ""})
	if err := strip(root); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(root, "etc/apt"))
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() == "sources.list" }) {
		t.Error("etc/apt/sources.list is left")
	}
}
