package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"satnav/config"
	"satnav/server/app"
	"satnav/server/store"
)

// copyStore moves an installation from one engine to another.
type copyStore struct {
	knobs
	From string `help:"What to copy: a data folder, or mongodb://… ." required:"" placeholder:"DIR|URL"`
	To   string `help:"Where to: an empty data folder, or mongodb://… of an empty database." required:"" placeholder:"DIR|URL"`
}

// Run copies, verifies and reports.
func (c *copyStore) Run(ctx context.Context, std IO) (err error) {
	from, err := c.open(ctx, std, c.From, true)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := c.open(ctx, std, c.To, false)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	fmt.Fprintln(std.Err, "copying …")
	copied, err := store.Copy(ctx, from, to, func(so store.Contents) {
		if so.Partitions%10_000 == 0 {
			fmt.Fprintf(std.Err, "%d partitions, %d documents\n", so.Partitions, so.Documents)
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "copied and read back: %d partitions, %d documents, %d marks, %d bytes, sha256 %s\n",
		copied.Partitions, copied.Documents, copied.Marks, copied.Bytes, copied.SHA256)
	return nil
}

// open opens one side of a copy.
func (c *copyStore) open(ctx context.Context, std IO, where string, exists bool) (store.Documents, error) {
	flags := map[string]string{"store": config.Embedded, "data": where}
	if strings.Contains(where, "://") {
		flags = map[string]string{"store": where}
	} else if exists {
		if _, err := os.Stat(filepath.Join(where, "store")); err != nil {
			return nil, fmt.Errorf("data folder: %w", err) // opening would make one
		}
	}
	loaded, _, err := c.load(std, flags)
	if err != nil {
		return nil, err
	}
	return app.OpenStore(ctx, loaded, logger(std, loaded))
}
