package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"satnav/config"
	"satnav/server/app"
	"satnav/server/store"
)

// A backup is a folder: the store as a data folder holds it, and what it held when it was made.
const (
	backupStore  = "store"
	backupRecord = "backup.json"
)

// backedUp is the record of a backup.
type backedUp struct {
	At       time.Time      `json:"at"`
	Contents store.Contents `json:"contents"`
}

// backup copies the embedded store into a folder.
type backup struct {
	knobs
	Folder string `arg:"" help:"Folder to make; it must not exist yet."`
	Data   string `help:"Data folder (default satnav-data). A process that serves it is asked, and goes on serving." placeholder:"DIR"`
}

// Run makes a backup, reads it back and says what is in it.
func (b *backup) Run(ctx context.Context, std IO) (err error) {
	c, _, err := b.load(std, map[string]string{"data": b.Data})
	if err != nil {
		return err
	}
	if c.Store != config.Embedded {
		return errors.New("backup: it is for the embedded store; a database has tools of its own, such as mongodump or snapshots, and satnav copy")
	}
	if _, err := os.Stat(filepath.Join(c.Data, backupStore)); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	folder, err := filepath.Abs(b.Folder) // the process that serves may stand elsewhere
	if err != nil {
		return err
	}
	if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s exists: name a folder that does not", b.Folder), err)
	}
	// It has its name once it is whole.
	unfinished := folder + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		return err
	}
	began := time.Now().UTC()
	if err := b.checkpoint(ctx, std, c, filepath.Join(unfinished, backupStore)); err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	contents, err := contentsOf(ctx, std, c, unfinished)
	if err != nil {
		return fmt.Errorf("read the backup back: %w", err)
	}
	record, err := json.MarshalIndent(backedUp{began, contents}, "", "  ")
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(unfinished, backupRecord), append(record, '\n')); err != nil {
		return err
	}
	if err := os.Rename(unfinished, folder); err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "backed up and read back: %d partitions, %d documents, %d bytes, sha256 %s\n",
		contents.Partitions, contents.Documents, contents.Bytes, contents.SHA256)
	return syncFolder(filepath.Dir(folder))
}

// checkpoint asks the process that serves, and does it itself when there is none.
func (b *backup) checkpoint(ctx context.Context, std IO, c config.Config, folder string) error {
	err := app.AskBackup(ctx, c.Data, folder)
	if !errors.Is(err, app.ErrNotServed) {
		return err
	}
	documents, err := app.OpenStore(ctx, c, logger(std, c))
	if err != nil {
		return err
	}
	checkpointer, ok := documents.(interface {
		Checkpoint(ctx context.Context, folder string) error
	})
	if !ok {
		return errors.Join(errors.New("this store has no checkpoints"), documents.Close())
	}
	return errors.Join(checkpointer.Checkpoint(ctx, folder), documents.Close())
}

// contentsOf opens a data folder or a backup and sums up what is in it.
func contentsOf(ctx context.Context, std IO, c config.Config, data string) (contents store.Contents, err error) {
	c.Data = data
	documents, err := app.OpenStore(ctx, c, logger(std, c))
	if err != nil {
		return contents, err
	}
	defer func() { err = errors.Join(err, documents.Close()) }()
	return store.Summary(ctx, documents)
}

// restore puts a backup into a data folder.
type restore struct {
	knobs
	Folder string `arg:"" help:"The backup." type:"existingdir"`
	Data   string `help:"Data folder, which must hold no store yet (default satnav-data)." placeholder:"DIR"`
}

// Run restores and verifies.
func (r *restore) Run(ctx context.Context, std IO) error {
	c, _, err := r.load(std, map[string]string{"data": r.Data, "store": config.Embedded})
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(r.Folder, backupRecord))
	if err != nil {
		return fmt.Errorf("%s is no whole backup: %w", r.Folder, err)
	}
	var record backedUp
	if err := json.Unmarshal(text, &record); err != nil {
		return fmt.Errorf("%s: %w", backupRecord, err)
	}
	target := filepath.Join(c.Data, backupStore)
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s exists: restore into a data folder without a store", target), err)
	}
	// The store has its name once it is whole and was read back.
	unfinished := filepath.Join(c.Data, "restore.unfinished")
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := copyFolder(filepath.Join(r.Folder, backupStore), filepath.Join(unfinished, backupStore)); err != nil {
		return err
	}
	contents, err := contentsOf(ctx, std, c, unfinished)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if contents != record.Contents {
		return fmt.Errorf("the backup is damaged: it holds %+v, want %+v", contents, record.Contents)
	}
	if err := os.Rename(filepath.Join(unfinished, backupStore), target); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(unfinished), syncFolder(c.Data)); err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "restored and read back what was backed up at %s: %d partitions, %d documents, %d bytes, sha256 %s\n",
		record.At.Format(time.RFC3339), contents.Partitions, contents.Documents, contents.Bytes, contents.SHA256)
	return nil
}

// copyFolder copies files, so that nothing is shared with the backup, and syncs them.
func copyFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

func writeSynced(name string, text []byte) error {
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return errors.Join(err, out.Sync(), out.Close())
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
