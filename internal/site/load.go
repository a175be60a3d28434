package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// contents is the file whose lists are the navigation of the site.
const contents = "docs/README.md"

// site is the documentation of a checkout.
type site struct {
	checkout fs.FS
	markdown goldmark.Markdown
	pages    []*document // by the order in which they were found
	menu     []group
	copied   map[string]bool // pictures, by their paths in the checkout
}

// document is a file of the checkout that has a page: Markdown, or a source file or a folder that one links to.
type document struct {
	name, title string
	source      []byte
	tree        ast.Node
	anchors     map[string]bool
}

type group struct {
	title string
	links []link
}

type link struct{ title, target string }

// load reads the Markdown files of a checkout, and what they link to. All links that lead nowhere are reported together.
func load(checkout fs.FS) (*site, error) {
	s := &site{
		checkout: checkout, copied: map[string]bool{},
		markdown: goldmark.New(
			goldmark.WithExtensions(extension.Strikethrough, extension.Linkify,
				extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
			goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		),
	}
	names, err := markdownFiles(checkout)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := s.add(name); err != nil {
			return nil, err
		}
	}
	var problems []error
	for _, d := range slices.Clone(s.pages) {
		problems = append(problems, s.resolve(d)...)
	}
	problems = append(problems, s.readMenu()...)
	return s, errors.Join(problems...)
}

// markdownFiles returns the Markdown files at the top and in docs.
func markdownFiles(checkout fs.FS) ([]string, error) {
	names, err := fs.Glob(checkout, "*.md")
	if err != nil {
		return nil, fmt.Errorf("list the Markdown files: %w", err)
	}
	err = fs.WalkDir(checkout, "docs", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && path.Ext(name) == ".md" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the Markdown files below docs: %w", err)
	}
	return names, nil
}

func (s *site) page(name string) *document {
	for _, d := range s.pages {
		if d.name == name {
			return d
		}
	}
	return nil
}

// add reads a Markdown file.
func (s *site) add(name string) error {
	source, err := fs.ReadFile(s.checkout, name)
	if err != nil {
		return fmt.Errorf("read a page: %w", err)
	}
	d := &document{name: name, title: name, source: source, anchors: map[string]bool{}}
	d.tree = s.markdown.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(ids(d.anchors)))))
	if heading, ok := d.tree.FirstChild().(*ast.Heading); ok {
		d.title = plainText(heading, source)
	}
	s.pages = append(s.pages, d)
	return nil
}

// ids gives headings the anchors that they have on GitHub, so that links work in both places.
type ids map[string]bool

// Generate returns the anchor of a heading.
func (seen ids) Generate(value []byte, _ ast.NodeKind) []byte {
	slug := slugOf(string(value))
	unique := slug
	for n := 1; seen[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", slug, n)
	}
	seen[unique] = true
	return []byte(unique)
}

// Put notes an anchor that a heading has by itself.
func (seen ids) Put(value []byte) { seen[string(value)] = true }

// resolve makes the links of a page lead to pages of the site, and returns those that lead nowhere.
func (s *site) resolve(d *document) []error {
	var problems []error
	walk(d.tree, func(node ast.Node) {
		switch n := node.(type) {
		case *ast.Link:
			target, err := s.target(d, string(n.Destination))
			if err != nil {
				problems = append(problems, err)
			}
			n.Destination = []byte(target)
		case *ast.Image:
			name := path.Join(path.Dir(d.name), string(n.Destination))
			if _, err := fs.Stat(s.checkout, name); err != nil {
				problems = append(problems, fmt.Errorf("%s: the picture %s does not exist", d.name, n.Destination))
			}
			s.copied[name] = true
		}
	})
	return problems
}

// target returns where a link of a page leads in the site.
func (s *site) target(d *document, destination string) (string, error) {
	to, err := url.Parse(destination)
	if err != nil {
		return destination, fmt.Errorf("%s: the link to %s cannot be read: %w", d.name, destination, err)
	}
	if to.Scheme != "" {
		return destination, nil
	}
	name := d.name
	if to.Path != "" {
		name = path.Join(path.Dir(d.name), to.Path)
	}
	found, err := s.linked(name)
	if err != nil {
		return destination, fmt.Errorf("%s: the link to %s leads nowhere: %w", d.name, destination, err)
	}
	if to.Fragment != "" && !found.anchors[to.Fragment] {
		return destination, fmt.Errorf("%s: the link to %s leads nowhere: %s has no heading with that anchor", d.name, destination, found.name)
	}
	link := relative(htmlName(d.name), htmlName(found.name))
	if to.Path == "" {
		link = ""
	}
	if to.Fragment != "" {
		link += "#" + to.Fragment
	}
	return link, nil
}

// linked returns the page of a file or a folder, which is made if it has none yet.
func (s *site) linked(name string) (*document, error) {
	info, err := fs.Stat(s.checkout, name)
	if err != nil {
		return nil, fmt.Errorf("%s does not exist", name)
	}
	if info.IsDir() {
		if readme := s.page(path.Join(name, "README.md")); readme != nil {
			return readme, nil
		}
	}
	if found := s.page(name); found != nil {
		return found, nil
	}
	made := &document{name: name, title: name, anchors: map[string]bool{}}
	s.pages = append(s.pages, made)
	if info.IsDir() {
		made.source, err = s.listing(name)
	} else {
		made.source, err = fs.ReadFile(s.checkout, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return made, nil
}

// listing returns the names in a folder, one a line.
func (s *site) listing(name string) ([]byte, error) {
	entries, err := fs.ReadDir(s.checkout, name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, entry := range entries {
		out.WriteString(entry.Name())
		if entry.IsDir() {
			out.WriteString("/")
		}
		out.WriteString("\n")
	}
	return out.Bytes(), nil
}

// readMenu takes the navigation from the lists of the table of contents. Each page below docs must be in it, or be a page of the
// reference.
func (s *site) readMenu() []error {
	d := s.page(contents)
	if d == nil {
		return []error{fmt.Errorf("%s does not exist: its lists are the navigation", contents)}
	}
	listed := map[string]bool{contents: true}
	walk(d.tree, func(node ast.Node) {
		if heading, ok := node.(*ast.Heading); ok && heading.Level == 2 {
			s.menu = append(s.menu, group{title: plainText(heading, d.source)})
		}
		item, ok := node.(*ast.ListItem)
		if !ok || len(s.menu) == 0 {
			return
		}
		first, ok := item.FirstChild().FirstChild().(*ast.Link)
		if !ok {
			return
		}
		for _, page := range s.pages {
			if htmlName(page.name) == path.Join(path.Dir(contents), string(first.Destination)) {
				last := &s.menu[len(s.menu)-1]
				last.links = append(last.links, link{plainText(first, d.source), page.name})
				listed[page.name] = true
			}
		}
	})
	var problems []error
	for _, page := range s.pages {
		generated := strings.HasPrefix(page.name, "docs/reference/")
		if strings.HasPrefix(page.name, "docs/") && path.Ext(page.name) == ".md" && !generated && !listed[page.name] {
			problems = append(problems, fmt.Errorf("%s is in no list of %s, so nobody finds it", page.name, contents))
		}
	}
	return problems
}

// walk calls a function for each node of a tree, parents first.
func walk(tree ast.Node, visit func(ast.Node)) {
	visit(tree)
	for child := tree.FirstChild(); child != nil; child = child.NextSibling() {
		walk(child, visit)
	}
}

// plainText returns the text below a node without its markup.
func plainText(tree ast.Node, source []byte) string {
	var out strings.Builder
	walk(tree, func(node ast.Node) {
		switch n := node.(type) {
		case *ast.Text:
			out.Write(n.Segment.Value(source))
			if n.SoftLineBreak() {
				out.WriteString(" ")
			}
		case *ast.String:
			out.Write(n.Value)
		}
	})
	return out.String()
}
