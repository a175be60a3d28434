// Package releasetest checks what releases are made of, and that two builds of a commit are equal.
package releasetest

import (
	"bytes"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
)

const (
	checkout = "../.."
	// enabled is set where the tests may take minutes.
	enabled = "SPARKCHAOS_RELEASE_TESTS"
)

// releaseConfiguration is what of .goreleaser.yaml the tests look at.
type releaseConfiguration struct {
	Builds []struct {
		Main                string
		Env, Flags, Ldflags []string
		Goos, Goarch        []string
		ModTimestamp        string `json:"mod_timestamp"`
	}
	Signs, Sboms []struct{ Artifacts string }
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(checkout, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func configuration(t *testing.T) releaseConfiguration {
	t.Helper()
	var c releaseConfiguration
	if err := yaml.Unmarshal([]byte(read(t, ".goreleaser.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Builds) != 1 {
		t.Fatalf("%d builds, want 1: the test builds the program as releases do", len(c.Builds))
	}
	return c
}

// platforms are those that releases are for.
func (c releaseConfiguration) platforms() []string {
	var all []string
	for _, system := range c.Builds[0].Goos {
		for _, architecture := range c.Builds[0].Goarch {
			all = append(all, system+"/"+architecture)
		}
	}
	slices.Sort(all)
	return all
}

func TestReleasesAreReproducibleSignedAndDescribed(t *testing.T) {
	t.Parallel()
	c := configuration(t)
	build := c.Builds[0]
	if !slices.Contains(build.Flags, "-trimpath") || !slices.Contains(build.Env, "CGO_ENABLED=0") ||
		!strings.Contains(build.ModTimestamp, "Commit") {
		t.Errorf("builds have the flags %v, the environment %v and the time %q: two of them may differ", build.Flags, build.Env,
			build.ModTimestamp)
	}
	var described []string
	for _, sbom := range c.Sboms {
		described = append(described, sbom.Artifacts)
	}
	if diff := cmp.Diff([]string{"archive", "source"}, described); diff != "" {
		t.Errorf("what has an SBOM (-want +got):\n%s", diff)
	}
	if len(c.Signs) != 1 || c.Signs[0].Artifacts != "checksum" {
		t.Errorf("what is signed: %v, want the checksums of all", c.Signs)
	}
}

// rowsOf returns the cells of the first column of a table's rows that match, each split at its commas.
func rowsOf(text string, match *regexp.Regexp) []string {
	var all []string
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) > 2 && match.MatchString(cells[1]) {
			for cell := range strings.SplitSeq(cells[1], ",") {
				all = append(all, strings.TrimSpace(cell))
			}
		}
	}
	return all
}

func TestTheCompatibilityTableIsThatOfTheCode(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/compatibility.md")
	listed := rowsOf(page, regexp.MustCompile(`^ \w+/(amd64|arm64)`))
	slices.Sort(listed)
	if diff := cmp.Diff(configuration(t).platforms(), listed); diff != "" {
		t.Errorf("the platforms of releases and of docs/compatibility.md (-want +got):\n%s", diff)
	}
	mod := read(t, "go.mod")
	file, err := modfile.Parse("go.mod", []byte(mod), nil)
	if err != nil {
		t.Fatal(err)
	}
	language := strings.TrimSuffix(file.Go.Version, ".0")
	all, err := components.Components()
	if err != nil {
		t.Fatal(err)
	}
	kubernetes := all[slices.IndexFunc(all, func(c components.Component) bool { return c.Name == "kubernetes" })].Version
	for what, row := range map[string]string{
		"Go":         "| Go, to build sparkchaos and its components | " + language + " and newer |",
		"Kubernetes": "is built here | " + strings.TrimPrefix(kubernetes, "v") + " |",
	} {
		if !strings.Contains(page, row) {
			t.Errorf("docs/compatibility.md has another version of %s: it has no %q", what, row)
		}
	}
	for _, spark := range image.Releases() {
		if !strings.Contains(page, spark) {
			t.Errorf("docs/compatibility.md does not name Spark %s, which images are built of", spark)
		}
	}
}

func TestTheWorkflowHasTheMakefilesGoreleaser(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`goreleaser/v2@(v[0-9.]+)`).FindStringSubmatch(read(t, "Makefile"))
	use := regexp.MustCompile(`goreleaser-action@v\d+\n\s+with:\n\s+version: (\S+)`)
	used := use.FindAllStringSubmatch(read(t, ".github/workflows/release.yml"), -1)
	if pinned == nil || len(used) != 2 {
		t.Fatalf("the Makefile has %v, the workflow uses goreleaser %d times, want twice", pinned, len(used))
	}
	for _, use := range used {
		if use[1] != pinned[1] {
			t.Errorf("the workflow uses goreleaser %s, the Makefile %s", use[1], pinned[1])
		}
	}
}

const changelog = `# Changes

## [Unreleased]

- Not yet.

## [1.2.3] - 2026-01-02

### Added

- Something.

## [1.2.3-rc.1] - 2026-01-01

[1.2.3]: https://example.com
`

func TestReleaseNotes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "changes.md")
	if err := os.WriteFile(file, []byte(changelog), 0o600); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{
		"v1.2.3": "### Added\n\n- Something.\n", "1.2.3": "### Added\n\n- Something.\n", "v1.2.3-rc.1": "", "v1.2.4": "", "v1.2": "",
		"Unreleased": "- Not yet.\n",
	} {
		var out, said bytes.Buffer
		command := exec.Command("bash", filepath.Join(checkout, "scripts", "release-notes"), version, file)
		command.Stdout, command.Stderr = &out, &said
		err := command.Run()
		if out.String() != want || (err != nil) != (want == "") || want == "" && !strings.Contains(said.String(), "has no section") {
			t.Errorf("%s: %q, %v, %q; want %q", version, out.String(), err, said.String(), want)
		}
	}
	if err := exec.Command("bash", filepath.Join(checkout, "scripts", "release-notes"), "Unreleased").Run(); err != nil {
		t.Errorf("CHANGELOG.md has nothing that is unreleased: %v", err)
	}
}

// git calls git in a directory.
func git(t *testing.T, directory string, args ...string) string {
	t.Helper()
	command := exec.Command("git", append([]string{"-c", "safe.directory=*"}, args...)...)
	command.Dir = directory
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(bytes.TrimSpace(out))
}

// build builds a commit in a clone of its own as a release is built, and returns the program's digest and what its version is.
func build(t *testing.T, as releaseConfiguration, environment ...string) (digest [sha256.Size]byte, version string) {
	t.Helper()
	clone := filepath.Join(t.TempDir(), "clone")
	git(t, checkout, "clone", "--quiet", "--no-checkout", ".", clone)
	git(t, clone, "checkout", "--quiet", git(t, checkout, "rev-parse", "HEAD"))
	program := filepath.Join(t.TempDir(), "sparkchaos")
	args := append([]string{"build", "-o", program, "-ldflags", strings.Join(as.Builds[0].Ldflags, " ")}, as.Builds[0].Flags...)
	command := exec.CommandContext(t.Context(), "go", append(args, as.Builds[0].Main)...)
	command.Dir = clone
	command.Env = append(append(os.Environ(), as.Builds[0].Env...), environment...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(content), string(said)
}

// Two builds of a commit, in two directories and with two build caches, one of them empty, are equal bit by bit.
func TestTwoBuildsOfACommitAreEqual(t *testing.T) {
	if os.Getenv(enabled) == "" {
		t.Skip("it compiles all there is anew, which takes minutes: set " + enabled + "=1, or call make reproducible")
	}
	as := configuration(t)
	first, version := build(t, as)
	second, again := build(t, as, "GOCACHE="+t.TempDir())
	if first != second {
		t.Errorf("two builds differ: %x and %x", first, second)
	}
	if commit := git(t, checkout, "rev-parse", "HEAD"); version != again || !strings.Contains(version, "commit "+commit) {
		t.Errorf("versions %q and %q, want both of commit %s", version, again, commit)
	}
	t.Logf("%x is the digest of %s", first, version)
}
