package components

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// OwnModule returns the directory with the source of this program's own module, which the go command keeps and fetches again if it is gone.
// The program was installed from a module proxy, as by "go install …@latest", or is that of a release. A digest that was stamped into the
// program is compared; the go command compares that of a release with its checksum database.
func OwnModule(ctx context.Context) (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok || !published(info.Main) {
		return "", errors.New("this program was neither installed from a module proxy nor is it a release, and there is no checkout of " +
			"sparkchaos here: call it in one, or name it with --source CHECKOUT")
	}
	return moduleSource(ctx, info.Main)
}

// published reports whether a module proxy has what a program was built from: a version that came from there, or one that was built
// from the commit of a release, as git's tag tells.
func published(main debug.Module) bool {
	tagged := semver.IsValid(main.Version) && semver.Build(main.Version) == "" && !module.IsPseudoVersion(main.Version)
	return main.Path == modulePath && (main.Sum != "" || tagged)
}

// moduleSource returns where the go command keeps a version of a module.
func moduleSource(ctx context.Context, own debug.Module) (string, error) {
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", own.Path+"@"+own.Version)
	command.Dir = os.TempDir() // no module's own settings apply
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	failed := command.Run() // its own account of it is on standard output
	var fetched struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(out.Bytes(), &fetched); err != nil || failed != nil || fetched.Error != "" {
		return "", fmt.Errorf("fetch the source of %s %s, of which images are built: %w: %s%s; name a checkout with --source CHECKOUT",
			own.Path, own.Version, failed, fetched.Error, bytes.TrimSpace(said.Bytes()))
	}
	if own.Sum != "" && fetched.Sum != own.Sum {
		return "", fmt.Errorf("the source of %s %s has the digest %s, this program was built from %s: its module cache or proxy was changed",
			own.Path, own.Version, fetched.Sum, own.Sum)
	}
	return fetched.Dir, nil
}

// Checkout returns the root of the checkout that a named directory lies in. If none is named, that is the working directory, or else the
// source of this program's own module. It is empty if there is none.
func Checkout(named string) string {
	if checkout, err := FindSource(cmp.Or(named, ".")); err == nil || named != "" {
		return checkout
	}
	source, err := OwnModule(context.Background())
	if err != nil {
		return ""
	}
	return source
}
