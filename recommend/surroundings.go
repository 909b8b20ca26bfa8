package recommend

// Features that say where and when it is, rather than who the shopper is. Evaluation switches them off to tell what they
// are worth.
var (
	productSurroundings = []feature{fStore, fHour, fWeekday, fPayday, fSeason}
	storeSurroundings   = []feature{sHour, sCrowdHour, sDistance, sHop, sOpen}
)

// WithoutContext returns the snapshot for an engine that does not know where and when it is. What is learnt from it does
// not know either.
func (s *Snapshot) WithoutContext() *Snapshot {
	next := *s
	next.blind = true
	return &next
}

// blank takes out what an engine without context does not know: bucket 0 is the unknown.
func (r *row) blank(surroundings []feature) {
	for _, f := range surroundings {
		r[f] = 0
	}
}
