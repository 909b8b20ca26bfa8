package retailer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"satnav/geo"
	"satnav/server/store"
)

// keeping is when a picture's geofences were last written beside the data.
type keeping struct {
	revision store.Revision // that is in the file
	seen     store.Revision // when last looked at
	moved    time.Time      // when seen was last another one
}

const (
	keepEvery = 2 * time.Second  // how often it is looked whether geofences moved
	keepQuiet = 5 * time.Second  // they are written once nothing moved for so long
	keepLate  = 60 * time.Second // or after so long, however busy
)

// KeepFences makes the process keep the indexes of geofences in files of this folder, so that the next start finds them built:
// a million serve within a second. Only for a process that is alone with its store, before anything is loaded. The files are
// a cache: one that is damaged, or of another format, is passed over, and what was edited since is read from the store.
func (r *Retailers) KeepFences(folder string) { r.folder = folder }

// fenceFile is where the indexes of a retailer are kept.
func (r *Retailers) fenceFile(retailer string) string {
	return filepath.Join(r.folder, retailer+".fences")
}

// loadFences fills the picture with the geofences of the store, by way of the kept file when there is one.
func (r *Retailers) loadFences(ctx context.Context, p *picture) error {
	kept, err := r.readFences(p)
	if err != nil {
		r.log.Warn("the kept index of geofences is passed over", "retailer", p.retailer, "err", err)
	}
	revision, err := r.entries.Revision(ctx, p.retailer, store.GeofenceEntry)
	if err != nil {
		return err
	}
	if kept == revision {
		p.keeping = keeping{revision: revision, seen: revision}
		return nil
	}
	// What is in the store and in the kept file at the same version is right; only the rest is read, on all cores.
	shares := make([]fenceShare, runtime.GOMAXPROCS(0))
	err = r.entries.Pages(ctx, p.retailer, store.GeofenceEntry, len(shares), func(reader int, page []store.RawEntry) error {
		shares[reader].take(p, page)
		return nil
	})
	if err != nil {
		return err
	}
	p.keeping = keeping{seen: revision} // as if nothing had moved for long: it is kept at once
	versions := map[string]int64{}
	there, foreign := 0, false
	for i := range shares {
		s := &shares[i]
		there, foreign = there+s.there, foreign || s.foreign
		maps.Copy(versions, s.versions)
		for id, err := range s.refused {
			r.log.Error("an entry cannot be used", "retailer", p.retailer, "geofence", id, "err", err)
		}
	}
	if kept == 0 {
		var live, drafts [][]geo.Geofence
		for i := range shares {
			live, drafts = append(live, shares[i].live...), append(drafts, shares[i].drafts...)
		}
		p.hold(geo.NewIndexOf(live...), geo.NewIndexOf(drafts...), versions)
		return nil
	}
	var edit fenceEdit
	for i := range shares {
		for _, id := range shares[i].gone {
			edit.remove(id)
		}
		for _, fences := range slices.Concat(shares[i].live, shares[i].drafts) {
			for _, fence := range fences {
				edit.put(fence)
			}
		}
	}
	live, drafts := edit.apply(p.live, p.drafts)
	p.hold(live, drafts, versions)
	if have := p.live.Len() + p.drafts.Len(); foreign || have > there {
		r.log.Warn("the kept index of geofences is of another store", "retailer", p.retailer)
		p.live, p.drafts = geo.NewIndex(nil), geo.NewIndex(nil)
		maps.DeleteFunc(p.versions, func(key entryKey, _ int64) bool { return key.kind == store.GeofenceEntry })
		if err := os.Remove(r.fenceFile(p.retailer)); err != nil {
			return err
		}
		return r.loadFences(ctx, p)
	}
	return nil
}

// fenceShare is what one of those found who read the store side by side.
type fenceShare struct {
	unpack       geo.Unpacker
	live, drafts [][]geo.Geofence // a page each
	gone         []string
	there        int  // entries that are not deleted
	foreign      bool // an entry is older than the kept index has it
	refused      map[string]error
	versions     map[string]int64 // of the gone and the refused
}

// take reads what the picture does not have at the version of the store.
func (s *fenceShare) take(p *picture, page []store.RawEntry) {
	if s.versions == nil {
		s.versions, s.refused = map[string]int64{}, map[string]error{}
	}
	live := make([]geo.Geofence, 0, len(page))
	var drafts []geo.Geofence
	for i := range page {
		e := &page[i]
		have := p.version(entryKey{store.GeofenceEntry, e.ID})
		s.foreign = s.foreign || have > e.Version
		if e.Deleted {
			s.versions[strings.Clone(e.ID)] = e.Version
		} else {
			s.there++
		}
		switch {
		case e.Version == have:
			continue
		case e.Deleted:
			s.gone = append(s.gone, strings.Clone(e.ID))
			continue
		}
		fence, err := e.Geofence(&s.unpack)
		switch {
		case err != nil:
			s.refused[strings.Clone(e.ID)], s.versions[strings.Clone(e.ID)] = err, e.Version
		case fence.Status == geo.Draft:
			drafts = append(drafts, fence)
		default:
			live = append(live, fence)
		}
	}
	s.live, s.drafts = append(s.live, live), append(s.drafts, drafts)
}

// readFences puts the kept indexes into the picture and returns the revision that they are of; 0: none.
func (r *Retailers) readFences(p *picture) (store.Revision, error) {
	if r.folder == "" {
		return 0, nil
	}
	raw, err := os.ReadFile(r.fenceFile(p.retailer))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	head, rest, found := bytes.Cut(raw, []byte("\n"))
	length, err := strconv.Atoi(string(head))
	if !found || err != nil || length < 0 || length > len(rest) {
		return 0, geo.ErrSnapshot
	}
	live, label, err := geo.ReadSnapshot(rest[:length])
	if err != nil {
		return 0, err
	}
	drafts, other, err := geo.ReadSnapshot(rest[length:])
	if err != nil {
		return 0, err
	}
	text, rightful := strings.CutPrefix(label, p.retailer+" at revision ")
	revision, err := strconv.ParseInt(text, 10, 64)
	if !rightful || err != nil || label != other {
		return 0, fmt.Errorf("%w: its label is %q", geo.ErrSnapshot, label)
	}
	p.live, p.drafts = live, drafts
	return store.Revision(revision), nil
}

// tend lays out anew the geofences that edits have made loose, and keeps those that moved. It is for the follower alone; last tells that the
// process is going to end, so that nothing is put off.
func (r *Retailers) tend(ctx context.Context, p *picture, last bool) {
	if !last {
		p.layOut()
	}
	if r.folder == "" {
		return
	}
	// Nothing is being saved while the state gets its name: what the store holds is what the indexes hold.
	p.saving.Lock()
	revision, err := r.entries.Revision(ctx, p.retailer, store.GeofenceEntry)
	p.mu.Lock()
	live, drafts := p.live, p.drafts
	p.mu.Unlock()
	p.saving.Unlock()
	now, k := time.Now(), &p.keeping
	if err == nil && revision != k.seen {
		if k.seen == k.revision {
			k.moved = now
		}
		k.seen = revision
		if !last && now.Sub(k.moved) < keepLate {
			return // it may move on
		}
	}
	if err != nil || revision == k.revision || !last && now.Sub(k.moved) < keepQuiet {
		return
	}
	if err = r.writeFences(p.retailer, fmt.Sprintf("%s at revision %d", p.retailer, revision), live, drafts); err != nil {
		r.log.Error("the index of geofences cannot be kept; the next start will be slower", "retailer", p.retailer, "err", err)
		k.moved = now // not again at once
		return
	}
	k.revision = revision
}

func (r *Retailers) writeFences(retailer, label string, live, drafts *geo.Index) error {
	if err := os.MkdirAll(r.folder, 0o700); err != nil {
		return err
	}
	torn, err := filepath.Glob(filepath.Join(r.folder, "fences-*")) // of processes that were killed
	for _, name := range torn {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(r.folder, "fences-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // gone already when all went well
	// How long the first index is stands before it, and is known after it.
	head := len(fmt.Sprintf(fenceHead, 0))
	_, err = file.Seek(int64(head), io.SeekStart)
	if err == nil {
		err = live.WriteSnapshot(file, label)
	}
	end, failed := file.Seek(0, io.SeekCurrent)
	if err = errors.Join(err, failed); err == nil {
		err = drafts.WriteSnapshot(file, label)
	}
	if err == nil {
		_, err = file.WriteAt(fmt.Appendf(nil, fenceHead, end-int64(head)), 0)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), r.fenceFile(retailer)) // a power cut may leave it empty or torn: the checksum tells
}

// fenceHead is the first line of the file: how many bytes the first of the two indexes has.
const fenceHead = "%020d\n"
