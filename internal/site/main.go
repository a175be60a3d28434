// Command site builds the documentation as static HTML: README.md, the other Markdown files at the top, and docs/. The pages are the
// Markdown files themselves, in the same folders; docs/README.md is the navigation. Nothing is loaded from elsewhere, and there is no
// JavaScript.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	from := flag.String("from", ".", "the checkout")
	into := flag.String("into", "bin/site", "the directory of the site, which is made anew")
	flag.Parse()
	pages, err := build(*from, *into)
	if err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
	fmt.Printf("%d pages in %s\n", pages, *into)
}
