package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
)

// ciFiles are the files that tell how sparkchaos is used in CI.
func ciFiles(t *testing.T) map[string]string {
	t.Helper()
	top := filepath.Join("..", "..")
	paths, err := filepath.Glob(filepath.Join(top, "docs", "ci", "*"))
	if err != nil {
		t.Fatal(err)
	}
	paths = append(paths, filepath.Join(top, "docs", "ci.md"), filepath.Join(top, "action.yml"))
	files := map[string]string{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.ToSlash(strings.TrimPrefix(path, top+string(filepath.Separator)))] = string(content)
	}
	return files
}

// commandLines returns the command lines of sparkchaos in a text, without the program's name.
func commandLines(text string) [][]string {
	values := map[string]string{"REPEAT": "2", "OUT": "runs", "EXPECT": "6", "RULES": "docs/ci/rules.yaml"}
	var lines [][]string
	commands := regexp.MustCompile(`(?m)(?:^ {4}|sudo -E |bin/|"\$BIN"/|# Rules for: |sh ')sparkchaos ([a-z][^'\n]*)`)
	for _, match := range commands.FindAllStringSubmatch(text, -1) {
		line := strings.ReplaceAll(match[1], `"${scenarios[@]}"`, "driver-node-power-off")
		line = strings.ReplaceAll(os.Expand(line, func(name string) string { return values[name] }), `"`, "")
		lines = append(lines, strings.Fields(line))
	}
	return lines
}

func TestCommandsInTheDocumentationOfCIParse(t *testing.T) {
	t.Parallel()
	total := 0
	for file, content := range ciFiles(t) {
		for _, line := range commandLines(content) {
			total++
			command, rest, err := NewRoot().Find(line)
			if err != nil || !command.Runnable() || command.Name() != line[0] {
				t.Errorf("%s: there is no command %q: %v", file, line, err)
				continue
			}
			if err := command.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", file, line, err)
			}
			if err := command.ValidateArgs(command.Flags().Args()); err != nil {
				t.Errorf("%s: %q: %v", file, line, err)
			}
			if line[0] != "run" {
				continue
			}
			for _, name := range command.Flags().Args() {
				if _, _, err := assembly.ReadScenario(name); err != nil {
					t.Errorf("%s: %q: %v", file, line, err)
				}
			}
		}
	}
	if total < 10 {
		t.Errorf("only %d command lines were found", total)
	}
}

func TestFilesThatTheDocumentationOfCINamesExist(t *testing.T) {
	t.Parallel()
	files := ciFiles(t)
	for file, content := range files {
		if strings.HasSuffix(file, ".yml") || strings.HasSuffix(file, ".yaml") {
			var document map[string]any
			if err := yaml.Unmarshal([]byte(content), &document); err != nil || len(document) == 0 {
				t.Errorf("%s: %v", file, err)
			}
		}
		for _, path := range regexp.MustCompile(`docs/ci/[\w.-]+|internal/components/[\w.]+|workloads/jars\.sha256`).FindAllString(content, -1) {
			if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
				t.Errorf("%s names %s: %v", file, path, err)
			}
		}
	}
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range files {
		for _, targets := range regexp.MustCompile(`make ([a-z-]+(?: [a-z-]+)*)`).FindAllStringSubmatch(content, -1) {
			for target := range strings.FieldsSeq(targets[1]) {
				if !slices.Contains(regexp.MustCompile(`(?m)^[a-z-]+:`).FindAllString(string(makefile), -1), target+":") {
					t.Errorf("%s: there is no target %s", file, target)
				}
			}
		}
	}
}
