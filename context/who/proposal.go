package who

// Proposal is what a crossing suggested by itself, so that a retry of its fix tells the same.
type Proposal struct {
	Crossing string // id
	Body     []byte // JSON, as whoever decided it wrote it
}
