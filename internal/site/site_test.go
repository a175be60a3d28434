package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// checkout is the root of the repository.
const checkout = "../.."

// TestDocumentation builds the site of this checkout. It fails with all links of README.md, docs/ and the other Markdown files at the
// top that lead nowhere.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	into := filepath.Join(t.TempDir(), "site")
	pages, err := build(checkout, into)
	if err != nil {
		t.Fatal(err)
	}
	if pages < 40 {
		t.Errorf("only %d pages were built", pages)
	}
	links := 0
	for name, content := range builtPages(t, into) {
		links += checkLinks(t, into, name, content)
		checkPolicy(t, name, content)
	}
	if links < 1000 {
		t.Errorf("only %d links were followed", links)
	}
	for _, name := range []string{"index.html", "docs/index.html", "docs/reference/commands/run.html", "docs/pictures/report-pass.png"} {
		if _, err := os.Stat(filepath.Join(into, name)); err != nil {
			t.Error(err)
		}
	}
}

// builtPages returns the HTML files of a site by their paths.
func builtPages(t *testing.T, site string) map[string]string {
	t.Helper()
	pages := map[string]string{}
	err := filepath.WalkDir(site, func(path string, entry os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".html" {
			return err
		}
		content, err := os.ReadFile(path)
		pages[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// checkLinks follows the links of a page within the site, as a browser does that opens its file, and returns how many they are.
func checkLinks(t *testing.T, site, name, content string) int {
	t.Helper()
	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(content, -1)
	for _, link := range links {
		if regexp.MustCompile(`^(https?|mailto):`).MatchString(link[1]) {
			if strings.Contains(link[0], "src=") {
				t.Errorf("%s loads %s from elsewhere", name, link[1])
			}
			continue
		}
		file, anchor, _ := strings.Cut(link[1], "#")
		target := name
		if file != "" {
			target = filepath.Join(filepath.Dir(name), filepath.FromSlash(file))
		}
		if inside, err := filepath.Rel(site, target); err != nil || strings.HasPrefix(inside, "..") {
			t.Errorf("%s: %s leaves the site", name, link[1])
		}
		found, err := os.ReadFile(target)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if anchor != "" && !bytes.Contains(found, []byte(`id="`+anchor+`"`)) {
			t.Errorf("%s: %s has no anchor %s", name, target, anchor)
		}
	}
	return len(links)
}

// checkPolicy checks that a page has what its policy allows and no more.
func checkPolicy(t *testing.T, name, content string) {
	t.Helper()
	for _, want := range []string{`http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;;`, "style-src &#39;sha256-"} {
		if !strings.Contains(content, want) {
			t.Errorf("%s: no %s", name, want)
		}
	}
	if found := regexp.MustCompile(`(?i)<(script|iframe|link|object)\b|<[^>]+\s(style|on[a-z]+)=`).FindString(content); found != "" {
		t.Errorf("%s has %s", name, found)
	}
}

func TestProblemsAreReportedTogether(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"README.md": {Data: []byte("# A\n\n[gone](docs/gone.md) [anchor](docs/b.md#nowhere) [here](#missing) [right](docs/b.md#b-part)\n" +
			"![picture](docs/none.png) [elsewhere](https://example.com) [upwards](../other/file)\n")},
		"docs/README.md": {Data: []byte("# Documentation\n\n## Group\n\n- [B](b.md): with a part\n")},
		"docs/b.md":      {Data: []byte("# B\n\n## B's `part`\n\n## B part\n")},
		"docs/lost.md":   {Data: []byte("# Nobody finds it\n")},
	}
	_, err := load(files)
	if err == nil {
		t.Fatal("no problem was found")
	}
	for _, want := range []string{
		"README.md: the link to docs/gone.md leads nowhere: docs/gone.md does not exist",
		"README.md: the link to docs/b.md#nowhere leads nowhere: docs/b.md has no heading with that anchor",
		"README.md: the link to #missing leads nowhere",
		"README.md: the picture docs/none.png does not exist",
		"README.md: the link to ../other/file leads nowhere",
		"docs/lost.md is in no list of docs/README.md",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 6 {
		t.Errorf("%d problems, want 6:\n%v", lines, err)
	}
	if _, err := load(fstest.MapFS{"docs/a.md": {Data: []byte("# A\n")}}); err == nil || !strings.Contains(err.Error(), contents) {
		t.Errorf("without a table of contents: %v", err)
	}
}

func TestHostileSource(t *testing.T) {
	t.Parallel()
	s, err := load(fstest.MapFS{
		"README.md": {Data: []byte("# <script>alert(1)</script>\n\n[file](x.yaml)\n\n<b onclick=\"x\">text</b>\n\n" +
			"[link](javascript:alert)\n")},
		"docs/README.md": {Data: []byte("# Documentation\n\n## A\n\n- [R](../README.md)\n")},
		"x.yaml":         {Data: []byte("a: <script>alert(2)</script>\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.files()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if found := regexp.MustCompile(`<script|<b onclick|href="javascript`).Find(content); found != nil {
			t.Errorf("%s has %s:\n%s", name, found, content)
		}
	}
	if !strings.Contains(string(files["x.yaml.html"]), "a: &lt;script&gt;alert(2)") {
		t.Errorf("the file is not shown: %s", files["x.yaml.html"])
	}
}

func TestSlugs(t *testing.T) {
	t.Parallel()
	for heading, want := range map[string]string{
		"Verdicts and exit codes": "verdicts-and-exit-codes", "`spec.workload.driver`": "specworkloaddriver", "How to add …": "how-to-add-",
		"What it is, and for whom?": "what-it-is-and-for-whom", "nodePowerOff": "nodepoweroff", "Größe a_b": "größe-a_b",
	} {
		if got := slugOf(heading); got != want {
			t.Errorf("%s: %s, want %s", heading, got, want)
		}
	}
	seen := ids{}
	if first, second := seen.Generate([]byte("A"), 0), seen.Generate([]byte("a"), 0); string(first) != "a" || string(second) != "a-1" {
		t.Errorf("%s and %s, want a and a-1", first, second)
	}
}

func TestOnlyEarlierSitesAreRemoved(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	precious := filepath.Join(directory, "thesis.txt")
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := empty(directory); err == nil || !strings.Contains(err.Error(), "no earlier site") {
		t.Errorf("a directory of somebody else: %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	fresh := filepath.Join(directory, "site")
	for range 2 {
		if err := empty(fresh); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(filepath.Join(fresh, "old.html"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSiteInABrowser opens pages as files in Chromium, which must have nothing to complain about, and keeps pictures of them in the
// directory that SPARKCHAOS_SCREENSHOTS names.
func TestSiteInABrowser(t *testing.T) {
	t.Parallel()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		const lack = "there is no Chromium on this machine: scripts/install-system-packages installs it"
		if os.Getenv("SPARKCHAOS_BROWSER_TESTS") == "1" {
			t.Fatal(lack)
		}
		t.Skip(lack)
	}
	site := filepath.Join(t.TempDir(), "site")
	if _, err := build(checkout, site); err != nil {
		t.Fatal(err)
	}
	for name, page := range map[string]struct {
		file, size string
		flags      []string
	}{
		"site-readme":   {"index.html", "1280,1000", nil},
		"site-dark":     {"docs/reference/faults.html", "1280,1000", []string{"--blink-settings=preferredColorScheme=0"}},
		"site-phone":    {"docs/tutorial.html", "520,1000", nil},
		"site-commands": {"docs/reference/commands/run.html", "1280,1000", nil},
	} {
		picture := filepath.Join(t.TempDir(), name+".png")
		args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
			"--user-data-dir=" + t.TempDir(), "--window-size=" + page.size, "--screenshot=" + picture}, page.flags...)
		command := exec.CommandContext(t.Context(), browser, append(args, "file://"+filepath.Join(site, page.file))...)
		command.WaitDelay = time.Minute
		said, err := command.CombinedOutput()
		if err != nil || bytes.Contains(said, []byte("CONSOLE")) {
			t.Errorf("%s: %v\n%s", name, err, said)
			continue
		}
		keep(t, picture, name)
	}
}

// keep keeps a picture for people to look at.
func keep(t *testing.T, picture, name string) {
	t.Helper()
	content, err := os.ReadFile(picture)
	if err != nil || len(content) < 20_000 {
		t.Errorf("the picture %s has %d bytes, %v", name, len(content), err)
	}
	if directory := os.Getenv("SPARKCHAOS_SCREENSHOTS"); directory != "" {
		if err := os.WriteFile(filepath.Join(directory, name+".png"), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
