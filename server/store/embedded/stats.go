package embedded

import "sync/atomic"

// counts are what the store itself counts.
type counts struct {
	commits, lazyCommits, conflicts, stalls, backgroundErrors atomic.Int64
}

// Stats is the state of a store, for metrics. Counts begin when the folder is opened.
type Stats struct {
	Commits          int64 // durable ones, steps of erasures included
	LazyCommits      int64
	Conflicts        int64
	Stalls           int64 // times at which writes had to wait for flushes
	BackgroundErrors int64 // failed flushes and compactions, damaged files found

	CacheHits, CacheMisses   int64 // of blocks
	CacheBytes               int64
	FilterHits, FilterMisses int64 // tables that a bloom filter spared or did not spare a read
	MemTableBytes            int64
	LogBytes                 int64 // of the write-ahead log on disk
	DiskBytes                int64 // of the folder
	CompactionDebtBytes      int64 // still to be rewritten until the tree is in shape
	ReadAmplification        int   // tables that one cold read may have to look into

	FreeBytes uint64 // left on the disk when last looked at; 0: not known
	Full      bool   // commits are refused for want of space
	Broken    error  // why nothing is trusted any more; nil: all is well
}

// Stats returns the state of the store. It takes some microseconds and is zero but for counts and Broken once the store is
// closed.
func (s *Store) Stats() Stats {
	stats := Stats{
		Commits:          s.counts.commits.Load(),
		LazyCommits:      s.counts.lazyCommits.Load(),
		Conflicts:        s.counts.conflicts.Load(),
		Stalls:           s.counts.stalls.Load(),
		BackgroundErrors: s.counts.backgroundErrors.Load(),
		FreeBytes:        s.free.Load(),
		Full:             s.full.Load(),
		Broken:           s.broken(),
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed || stats.Broken != nil {
		return stats
	}
	m := s.db.Metrics()
	stats.CacheHits, stats.CacheMisses, stats.CacheBytes = m.BlockCache.Hits, m.BlockCache.Misses, m.BlockCache.Size
	stats.FilterHits, stats.FilterMisses = m.Filter.Hits, m.Filter.Misses
	stats.MemTableBytes = int64(m.MemTable.Size)
	stats.LogBytes = int64(m.WAL.PhysicalSize)
	stats.DiskBytes = int64(m.DiskSpaceUsage())
	stats.CompactionDebtBytes = int64(m.Compact.EstimatedDebt)
	stats.ReadAmplification = m.ReadAmp()
	return stats
}
