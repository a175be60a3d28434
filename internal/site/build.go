package main

import (
	"crypto/sha256"
	_ "embed" // for the template and the style below
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed assets/page.tmpl
var pageTemplate string

//go:embed assets/style.css
var style string

// mark is the file that says that a directory was made by this program, so that it may be removed.
const mark = ".sparkchaos-site"

// build writes the site of a checkout into a directory and returns the number of its pages.
func build(from, into string) (int, error) {
	s, err := load(os.DirFS(from))
	if err != nil {
		return 0, err
	}
	if err := empty(into); err != nil {
		return 0, err
	}
	files, err := s.files()
	if err != nil {
		return 0, err
	}
	for name, content := range files {
		target := filepath.Join(into, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return 0, fmt.Errorf("make a directory of the site: %w", err)
		}
		if err := os.WriteFile(target, content, 0o644); err != nil {
			return 0, fmt.Errorf("write a page of the site: %w", err)
		}
	}
	return len(s.pages), nil
}

// empty makes an empty directory. One that is not empty is removed only if it is an earlier site.
func empty(directory string) error {
	entries, err := os.ReadDir(directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into the directory of the site: %w", err)
	}
	made := slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return entry.Name() == mark })
	if len(entries) > 0 && !made {
		return fmt.Errorf("%s has files that are no earlier site: empty it, or name another directory with -into", directory)
	}
	if err := os.RemoveAll(directory); err != nil {
		return fmt.Errorf("remove the earlier site: %w", err)
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("make the directory of the site: %w", err)
	}
	return os.WriteFile(filepath.Join(directory, mark), nil, 0o644)
}

// shown is what the template shows of a page.
type shown struct {
	Title  string
	Body   template.HTML
	Style  template.CSS
	Policy string
	Home   string
	Menu   []shownGroup
}

type shownGroup struct {
	Title string
	Links []shownLink
}

// shownLink is a link of the menu. Current is what aria-current says of it: page for the page that is shown, true for the one above it.
type shownLink struct{ Title, Target, Current string }

// files returns the files of the site by their paths in it.
func (s *site) files() (map[string][]byte, error) {
	page, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("read the template of pages: %w", err)
	}
	files := map[string][]byte{}
	for _, p := range s.pages {
		body, err := s.html(p)
		if err != nil {
			return nil, err
		}
		var out strings.Builder
		here := htmlName(p.name)
		err = page.Execute(&out, shown{
			Title: p.title, Body: template.HTML(body), Style: template.CSS(style), Policy: policy(),
			Home: relative(here, "index.html"), Menu: s.menuOf(here),
		})
		if err != nil {
			return nil, fmt.Errorf("write the page of %s: %w", p.name, err)
		}
		files[here] = []byte(out.String())
	}
	for name := range s.copied {
		if files[name], err = fs.ReadFile(s.checkout, name); err != nil {
			return nil, fmt.Errorf("copy a file to the site: %w", err)
		}
	}
	return files, nil
}

// policy allows the page's own style and pictures beside it, and nothing else.
func policy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' file:; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (s *site) menuOf(here string) []shownGroup {
	groups := make([]shownGroup, len(s.menu))
	for i, g := range s.menu {
		groups[i].Title = g.title
		for _, l := range g.links {
			target := htmlName(l.target)
			current := ""
			if target == here {
				current = "page"
			} else if strings.HasPrefix(here, strings.TrimSuffix(target, ".html")+"/") {
				current = "true"
			}
			groups[i].Links = append(groups[i].Links, shownLink{l.title, relative(here, target), current})
		}
	}
	return groups
}

// htmlName returns where the page of a file of the checkout is in the site.
func htmlName(name string) string {
	switch {
	case path.Base(name) == "README.md":
		return path.Join(path.Dir(name), "index.html")
	case strings.HasSuffix(name, ".md"):
		return strings.TrimSuffix(name, ".md") + ".html"
	default:
		return name + ".html"
	}
}

// relative returns a path from one file of the site to another.
func relative(from, to string) string {
	link, err := filepath.Rel(filepath.FromSlash(path.Dir(from)), filepath.FromSlash(to))
	if err != nil {
		return to // both are relative to the site, so this does not happen
	}
	return filepath.ToSlash(link)
}
