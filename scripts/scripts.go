// Package scripts holds the scripts that the program runs, too.
package scripts

import _ "embed"

// InstallSystemPackages is the text of the Bash script that installs what must come from the distribution.
//
//go:embed install-system-packages
var InstallSystemPackages string
