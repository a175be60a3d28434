// Package statefile keeps what has to be known of a cluster by later commands in files of JSON.
package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Read reads a file that Write has written. That there is none is fs.ErrNotExist.
func Read(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read a cluster's state: %w", err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("the state file %s is damaged (%w): `sparkchaos cluster down` removes the cluster without needing it", path, err)
	}
	return nil
}

// Write replaces the file as a whole, so a reader or a crash never meets half of it.
func Write(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write a cluster's state: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write a cluster's state: %w", err)
	}
	_, err = temporary.Write(append(content, '\n'))
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the state file %s: %w", path, errors.Join(err, os.Remove(temporary.Name())))
	}
	return nil
}
