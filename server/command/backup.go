package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"satnav/config"
	"satnav/server/app"
	"satnav/server/keyring"
	"satnav/server/retailer"
	"satnav/server/store"
)

// A backup is a folder: an archive of the store, in which all that is about shoppers is sealed with a key of theirs, and what it
// held when it was made.
const (
	backupStore   = "store" // while it is being made: as a data folder holds it
	backupArchive = "archive.sealed"
	backupRecord  = "backup.json"
)

// backedUp is the record of a backup.
type backedUp struct {
	At       time.Time      `json:"at"`
	Contents store.Contents `json:"contents"`
	Archive  string         `json:"archive_sha256"`
	Regions  []string       `json:"regions"`          // whose keys open it; "" is none in particular
	Region   string         `json:"region,omitempty"` // of the deployment that made it: it is restored in that region only
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
	made, err := b.seal(ctx, std, c, unfinished, began)
	if err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	contents := made.Contents
	record, err := json.MarshalIndent(made, "", "  ")
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

// seal makes the archive of a checkpoint, and removes the checkpoint.
func (b *backup) seal(ctx context.Context, std IO, c config.Config, folder string, began time.Time) (made backedUp, err error) {
	keyFolder := c.KeyFolder()
	c.Data = folder
	documents, err := app.OpenStore(ctx, c, logger(std, c))
	if err != nil {
		return made, err
	}
	made.At, made.Region = began, c.Region
	made.Contents, err = store.Summary(ctx, documents)
	if err == nil {
		made.Regions, made.Archive, err = writeArchive(ctx, documents, keyring.New(keyFolder), filepath.Join(folder, backupArchive), began)
	}
	if err = errors.Join(err, documents.Close()); err != nil {
		return made, fmt.Errorf("seal the backup: %w", err)
	}
	return made, os.RemoveAll(filepath.Join(folder, backupStore))
}

func writeArchive(ctx context.Context, documents store.Documents, ring *keyring.Keyring, name string, began time.Time) (used []string, sum string, err error) {
	partitions, err := store.SealedPartitions(ctx, documents)
	if err != nil {
		return nil, "", err
	}
	region := regionsOf(ctx, documents)
	keys, err := ring.Make(partitions, region, began)
	if err != nil {
		return nil, "", err
	}
	for _, partition := range partitions {
		if r := region(partition); !slices.Contains(used, r) {
			used = append(used, r)
		}
	}
	slices.Sort(used)
	out, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, "", err
	}
	hash := sha256.New()
	err = store.WriteArchive(ctx, documents, io.MultiWriter(out, hash), func(partition string, page []byte) ([]byte, bool, error) {
		sealed, err := keys.Seal(partition, page)
		if errors.Is(err, keyring.ErrGone) { // erased since the checkpoint
			return nil, true, nil
		}
		return sealed, false, err
	})
	return used, hex.EncodeToString(hash.Sum(nil)), errors.Join(err, out.Sync(), out.Close())
}

// regionsOf tells to which region the retailer of a partition belongs.
func regionsOf(ctx context.Context, documents store.Documents) func(partition string) string {
	known, entries := map[string]string{}, store.NewEntries(documents)
	return func(partition string) string {
		name, _, found := strings.Cut(partition, "/")
		if region, told := known[name]; told || !found {
			return region
		}
		var settings struct{ Region string }
		if entry, err := entries.Get(ctx, name, store.RetailerEntry, retailer.SettingsID); err == nil {
			_ = json.Unmarshal(entry.Body, &settings) // what cannot be read belongs to no region
		}
		known[name] = settings.Region
		return settings.Region
	}
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
	if record.Region != "" && record.Region != c.Region {
		return fmt.Errorf("the backup is of the region %q, and this deployment of %q: restore it there, or with --set region=%s where that is where it lies", record.Region, c.Region, record.Region)
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
	contents, closed, err := r.open(ctx, std, c, record, unfinished)
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(unfinished, backupStore), target); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(unfinished), syncFolder(c.Data)); err != nil {
		return err
	}
	if closed > 0 {
		fmt.Fprintf(std.Err, "%d shoppers were erased since the backup was begun, or have no key in %s: what it holds of them stays closed\n", closed, c.KeyFolder())
	}
	fmt.Fprintf(std.Err, "restored and read back what was backed up at %s: %d partitions, %d documents, %d bytes, sha256 %s\n",
		record.At.Format(time.RFC3339), contents.Partitions, contents.Documents, contents.Bytes, contents.SHA256)
	return nil
}

// open writes what the archive holds into a store in a folder, and reads it back.
func (r *restore) open(ctx context.Context, std IO, c config.Config, record backedUp, folder string) (contents store.Contents, closed int, err error) {
	in, err := os.Open(filepath.Join(r.Folder, backupArchive))
	if err != nil {
		return contents, 0, fmt.Errorf("%s is no whole backup: %w", r.Folder, err)
	}
	defer in.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, in); err != nil {
		return contents, 0, err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != record.Archive {
		return contents, 0, fmt.Errorf("the backup is damaged: sha256 %s, want %s", sum, record.Archive)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return contents, 0, err
	}
	ring := keyring.New(c.KeyFolder())
	if !ring.Exists() {
		return contents, 0, fmt.Errorf("the keys that open the backup are not in %s: name the folder that has them with --set keys=FOLDER", c.KeyFolder())
	}
	keys, err := ring.Read()
	if err != nil {
		return contents, 0, err
	}
	c.Data = folder
	documents, err := app.OpenStore(ctx, c, logger(std, c))
	if err != nil {
		return contents, 0, err
	}
	defer func() { err = errors.Join(err, documents.Close()) }()
	closed, err = store.ReadArchive(ctx, in, documents, func(partition string, sealed []byte) ([]byte, bool, error) {
		page, err := keys.Open(partition, sealed)
		if errors.Is(err, keyring.ErrGone) {
			return nil, true, nil
		}
		return page, false, err
	})
	if err != nil {
		return contents, closed, err
	}
	if contents, err = store.Summary(ctx, documents); err != nil {
		return contents, closed, fmt.Errorf("read back: %w", err)
	}
	if closed == 0 && contents != record.Contents {
		return contents, closed, fmt.Errorf("the backup is damaged: it holds %+v, want %+v", contents, record.Contents)
	}
	return contents, closed, nil
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
