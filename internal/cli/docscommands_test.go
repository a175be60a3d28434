package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
)

// executedCommands are the commands that work offline, on stored runs and files: the documentation's command lines of them are executed.
func executedCommands() []string {
	return []string{
		"advise",
		"check",
		"diff",
		"explain",
		"gate",
		"import",
		"init",
		"lint",
		"list",
		"man",
		"plan",
		"report",
		"schema",
		"show",
		"tell",
		"version",
	}
}

// onlyParsed are the commands of which the documentation's command lines are parsed and not executed, each with the reason.
func onlyParsed() map[string]string {
	const machine, cluster = "changes this machine", "needs a cluster"
	return map[string]string{
		"run": cluster, "watch": cluster, "cluster": cluster, "cleanup": cluster, "chaos-mesh": cluster,
		"setup": machine, "components": machine, "image": machine, "kind": machine, "cache": machine,
		"parts": "needs a registry, or a cache that is filled", "doctor": "looks for programs and daemons on this machine",
		"render": "needs an image in the cache", "serve": "serves until it is ended", "staging": "needs a server, or is one",
		"completion": "prints a script of cobra's for a shell",
	}
}

// onlyParsedFlags are flags with which a command is parsed alone.
func onlyParsedFlags() map[string]string {
	return map[string]string{
		"open": "opens a browser", "otlp-endpoint": "needs a collector of traces", "prove": "needs a cluster",
	}
}

// commandLine is a command line of sparkchaos in the documentation.
type commandLine struct {
	file string
	args []string
	out  string // the file that takes what it prints; empty if there is none
}

func (c commandLine) String() string { return c.file + ": sparkchaos " + strings.Join(c.args, " ") }

// documentedCommands returns the command lines in the blocks of code of README.md, docs/ and the reference of commands.
func documentedCommands(t *testing.T) []commandLine {
	t.Helper()
	top := filepath.Join("..", "..")
	var all []commandLine
	for _, pattern := range []string{"README.md", "SECURITY.md", "docs/*.md", "docs/reference/commands/*.md", "workloads/README.md"} {
		files, err := filepath.Glob(filepath.Join(top, filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel(top, file)
			for _, line := range linesOfCode(content) {
				all = append(all, commandsIn(name, line)...)
			}
		}
	}
	return all
}

// linesOfCode returns the lines in the blocks of code of Markdown, continued ones joined. Blocks of plain text are forms and messages.
func linesOfCode(markdown []byte) []string {
	var lines []string
	tree := goldmark.DefaultParser().Parse(text.NewReader(markdown))
	_ = ast.Walk(tree, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if fenced, ok := node.(*ast.FencedCodeBlock); ok && string(fenced.Language(markdown)) == "text" {
			return ast.WalkSkipChildren, nil
		}
		if kind := node.Kind(); entering && (kind == ast.KindCodeBlock || kind == ast.KindFencedCodeBlock) {
			block := strings.ReplaceAll(string(node.Lines().Value(markdown)), "\\\n", " ")
			lines = append(lines, strings.Split(block, "\n")...)
		}
		return ast.WalkContinue, nil
	})
	return lines
}

// commandsIn returns the commands of a line of a shell; none if it has none of sparkchaos.
func commandsIn(file, line string) []commandLine {
	var all []commandLine
	for _, words := range shellCommands(line) {
		program := slices.IndexFunc(words, func(word string) bool { return filepath.Base(word) == "sparkchaos" })
		if program < 0 || program+1 == len(words) || !regexp.MustCompile(`^[a-z-]+$`).MatchString(words[program+1]) {
			continue
		}
		command := commandLine{file: file, args: words[program+1:]}
		if at := slices.Index(command.args, ">"); at >= 0 {
			command.args, command.out = command.args[:at], strings.Join(command.args[at+1:], " ")
		}
		if last := len(command.args) - 1; command.args[last] == "…" { // and more of that kind
			command.args = command.args[:last]
		}
		all = append(all, command)
	}
	return all
}

// shellCommands splits a line as a shell does: into commands, and these into words, without comments and quotes.
func shellCommands(line string) [][]string {
	commands := [][]string{nil}
	for _, match := range regexp.MustCompile(`#.*$|&&|\||;|>|(?:'[^']*'|"[^"]*"|[^\s'"|;&>])+`).FindAllString(line, -1) {
		switch {
		case strings.HasPrefix(match, "#"):
		case match == "&&" || match == "|" || match == ";":
			commands = append(commands, nil)
		default:
			last := len(commands) - 1
			commands[last] = append(commands[last], strings.NewReplacer(`'`, "", `"`, "").Replace(match))
		}
	}
	return commands
}

func TestShellCommands(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"sparkchaos show runs/latest '#192'   # an event":  "show runs/latest #192 > ",
		`sudo "$(go env GOPATH)/bin/sparkchaos" setup # x`: "setup > ",
		"sparkchaos check runs -o json | jq .results":      "check runs -o json > ",
		"sparkchaos import job job.yaml > etl.yaml  # c":   "import job job.yaml > etl.yaml",
		"sparkchaos man man && man -l man/sparkchaos.1":    "man man > ",
		"cluster node power-off worker-1":                  "",
		"┌─ sparkchaos ───────────────┐":                   "",
		"sparkchaos cluster node power-off worker-1 …":     "cluster node power-off worker-1 > ",
	} {
		got := ""
		for _, command := range commandsIn("x.md", line) {
			got += strings.Join(command.args, " ") + " > " + command.out
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestDocumentedCommands parses all command lines in the documentation, and executes those that work offline: on a stored run, in a
// directory of its own each, with the files that the documentation speaks of.
func TestDocumentedCommands(t *testing.T) {
	stage := documentationStage(t)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "absent"))
	for _, name := range []string{"SPARKCHAOS_STATE", "SPARKCHAOS_CACHE"} {
		t.Setenv(name, t.TempDir())
	}
	for _, name := range []string{"GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "GITHUB_OUTPUT"} {
		t.Setenv(name, "")
	}
	parsed, executed := 0, 0
	for _, command := range documentedCommands(t) {
		reason, ok := parses(t, command)
		if parsed++; !ok || reason != "" {
			continue
		}
		executed++
		directory := t.TempDir()
		if err := os.CopyFS(directory, os.DirFS(stage)); err != nil {
			t.Fatal(err)
		}
		t.Chdir(directory)
		if command.args[0] == "init" { // which changes no file that is there
			_ = os.Remove(command.args[1])
		}
		code, out, message := run(t.Context(), NewRoot(), expanded(command.args)...)
		if code != ExitPass && code != ExitViolation && code != ExitInconclusive {
			t.Errorf("%s: exit code %d, %s", command, code, message)
		}
		if command.out != "" && out == "" {
			t.Errorf("%s: %s would be empty", command, command.out)
		}
	}
	t.Logf("%d command lines were parsed, %d of them executed", parsed, executed)
	if parsed < 60 || executed < 20 {
		t.Errorf("only %d command lines were found, and %d executed", parsed, executed)
	}
}

// expanded returns words with patterns of file names replaced by the files, as a shell does.
func expanded(args []string) []string {
	var words []string
	for _, arg := range args {
		if files, err := filepath.Glob(arg); err == nil && len(files) > 0 && strings.Contains(arg, "*") {
			words = append(words, files...)
		} else {
			words = append(words, arg)
		}
	}
	return words
}

// parses checks a command line against the tree of commands, and returns why it cannot be executed here; empty if it can.
func parses(t *testing.T, line commandLine) (reason string, ok bool) {
	t.Helper()
	root := NewRoot()
	root.InitDefaultCompletionCmd()
	command, rest, err := root.Find(line.args)
	if err != nil || !command.Runnable() || command.HasSubCommands() || len(line.args) == len(rest) {
		t.Errorf("%s: there is no such command: %v", line, err)
		return "", false
	}
	if err := command.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v", line, err)
		return "", false
	}
	for _, err := range []error{command.ValidateArgs(command.Flags().Args()), command.ValidateRequiredFlags(), command.ValidateFlagGroups()} {
		if err != nil {
			t.Errorf("%s: %v", line, err)
			return "", false
		}
	}
	if line.args[0] == "run" {
		for _, name := range command.Flags().Args() {
			if _, _, err := assembly.ReadScenario(name); err != nil && !standsForOne(name) {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	for flag, why := range onlyParsedFlags() {
		if command.Flags().Changed(flag) {
			reason = why
		}
	}
	why, known := onlyParsed()[line.args[0]]
	if !known && !slices.Contains(executedCommands(), line.args[0]) {
		t.Errorf("%s: decide whether the command is executed here: add it to executedCommands, or to onlyParsed with the reason", line)
		return "", false
	}
	return cmp.Or(why, reason), true
}

// standsForOne reports whether an argument stands for a scenario of the reader's: a file, or a word in capitals.
func standsForOne(name string) bool {
	return strings.HasSuffix(name, ".yaml") || name == strings.ToUpper(name)
}

// documentationStage returns a directory with the files that the documentation's command lines speak of.
func documentationStage(t *testing.T) string {
	t.Helper()
	top, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	stage := t.TempDir()
	putRecordedRun(t, filepath.Join(stage, "runs", "latest"), "driver-node-power-off")
	putRecordedRun(t, filepath.Join(stage, "runs", "before"), "driver-node-drain")
	putRecordedRun(t, filepath.Join(stage, "runs", "20260102T030405-driver-node-power-off-42"), "driver-node-frozen")
	if err := os.MkdirAll(filepath.Join(stage, "build", "reports"), 0o755); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{
		"application.yaml":                     "internal/submission/testdata/kubeflow-pi.yaml",
		"job.yaml":                             "internal/submission/testdata/job.yaml",
		"scenarios/driver-node-power-off.yaml": "scenarios/driver-node-power-off.yaml",
		"etl.yaml":                             "scenarios/executor-pod-kill.yaml",
		"billing.yaml":                         "scenarios/executor-pod-kill.yaml",
		"docs/ci/rules.yaml":                   "docs/ci/rules.yaml",
		"rules.yaml":                           "docs/ci/rules.yaml",
	} {
		content, err := os.ReadFile(filepath.Join(top, from))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(stage, to)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return stage
}
