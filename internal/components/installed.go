package components

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
)

// OwnModule returns the directory with the source of this program's own module where the program was installed from a module proxy, as by
// "go install …@latest": there the go command keeps it, and fetches it again if it is gone. Its digest is compared with the one that was
// stamped into the program.
func OwnModule(ctx context.Context) (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path != modulePath || info.Main.Sum == "" {
		return "", fmt.Errorf("this program was not installed from a module proxy, and there is no checkout of sparkchaos here: call it in " +
			"one, or name it with --source CHECKOUT")
	}
	return moduleSource(ctx, info.Main)
}

// moduleSource returns where the go command keeps a version of a module.
func moduleSource(ctx context.Context, module debug.Module) (string, error) {
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", module.Path+"@"+module.Version)
	command.Dir = os.TempDir() // no module's own settings apply
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	failed := command.Run() // its own account of it is on standard output
	var fetched struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(out.Bytes(), &fetched); err != nil || failed != nil || fetched.Error != "" {
		return "", fmt.Errorf("fetch the source of %s %s, of which images are built: %w: %s%s; name a checkout with --source CHECKOUT",
			module.Path, module.Version, failed, fetched.Error, bytes.TrimSpace(said.Bytes()))
	}
	if fetched.Sum != module.Sum {
		return "", fmt.Errorf("the source of %s %s has the digest %s, this program was built from %s: its module cache or proxy was changed",
			module.Path, module.Version, fetched.Sum, module.Sum)
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
