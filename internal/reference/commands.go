package reference

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// documented returns the commands right below the root that the reference has a page of.
func documented(root *cobra.Command) []*cobra.Command {
	root.InitDefaultCompletionCmd()
	var commands []*cobra.Command
	for _, command := range root.Commands() {
		if command.IsAvailableCommand() {
			commands = append(commands, command)
		}
	}
	slices.SortFunc(commands, func(a, b *cobra.Command) int { return cmp.Compare(a.Name(), b.Name()) })
	return commands
}

// commandFile returns the page of a command below the root.
func commandFile(command *cobra.Command) string { return "commands/" + command.Name() + ".md" }

func (w *writer) commands() string {
	var p page
	p.title("Commands", "`sparkchaos COMMAND --help` prints the same in a terminal.")
	var rows [][]string
	for _, command := range documented(w.Root) {
		rows = append(rows, []string{fmt.Sprintf("[%s](%s)", command.Name(), commandFile(command)), escape(command.Short)})
	}
	p.table([]string{"command", "what it does"}, rows)
	return p.String()
}

// commandPage is the page of a command and of those below it.
func commandPage(command *cobra.Command) string {
	var p page
	p.title(command.CommandPath(), describeCommand(command))
	p.details(command)
	p.below(command)
	return p.String()
}

func (p *page) below(command *cobra.Command) {
	for _, child := range command.Commands() {
		if !child.IsAvailableCommand() {
			continue
		}
		p.heading(2, child.CommandPath())
		p.paragraph(describeCommand(child))
		p.details(child)
		p.below(child)
	}
}

// describeCommand returns what a command says of itself. Lines that are indented are shown as they are.
func describeCommand(command *cobra.Command) string {
	text := cmp.Or(command.Long, command.Short+".")
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, "\n ")
		if !strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "\t") {
			line = strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(line)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (p *page) details(command *cobra.Command) {
	if command.Runnable() && !command.HasAvailableSubCommands() {
		p.code("text", command.UseLine())
	}
	if len(command.Aliases) > 0 {
		p.paragraph("Also called " + quotedAll(command.Aliases) + ".")
	}
	p.code("bash", unindented(command.Example))
	var rows [][]string
	command.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) { rows = appendFlag(rows, flag) })
	p.table([]string{"flag", "default", "meaning"}, rows)
	command.VisitParents(func(parent *cobra.Command) {
		if parent.HasAvailablePersistentFlags() {
			also := parent.CommandPath()
			p.paragraph(fmt.Sprintf("It also takes the flags of [%s](#%s).", also, strings.ReplaceAll(also, " ", "-")))
		}
	})
}

func unindented(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n")
}

func appendFlag(rows [][]string, flag *pflag.Flag) [][]string {
	if flag.Hidden || flag.Deprecated != "" || flag.Name == "help" {
		return rows
	}
	variable, usage := pflag.UnquoteUsage(flag)
	name := "--" + flag.Name
	if flag.Shorthand != "" {
		name = "-" + flag.Shorthand + ", " + name
	}
	if variable != "" {
		name += " " + cmp.Or(placeholders()[variable], variable)
	}
	value := ""
	if !slices.Contains([]string{"", "false", "0", "[]", "0s", "<nil>"}, flag.DefValue) {
		value = quoted(flag.DefValue)
	}
	return append(rows, []string{quoted(name), value, escape(usage)})
}

// placeholders are what stands for a flag's value instead of the name that pflag has for its type.
func placeholders() map[string]string {
	return map[string]string{"string": "TEXT", "stringArray": "TEXT", "strings": "TEXT,…", "stringToString": "KEY=VALUE", "int": "NUMBER",
		"uint":   "NUMBER",
		"uint32": "NUMBER", "uint64": "NUMBER", "float": "NUMBER", "duration": "DURATION"}
}
