package recommend

// TreeDepth is how many questions a tree asks.
const TreeDepth = 4

// Tree adds to a score what follows from several features at once: TreeDepth questions of the form "is
// this feature's bucket above that one?", the same for every candidate, and a value for each of the ways
// to answer them. All questions can be asked without waiting for an answer, which is what makes such a
// tree several times as fast as one whose next question depends on the last answer (Kohavi 1994 calls
// them oblivious; CatBoost, Prokhorenkova et al. 2018, boosts them).
type Tree struct {
	Features [TreeDepth]uint8
	Above    [TreeDepth]uint8
	// Values are the tree's nodes, from the root at 1: below node n stand 2n (no) and 2n+1 (yes). A node
	// holds the mean of what stands below it, so that each question's share in a leaf's value is known.
	// Place 0 is not used.
	Values [2 << TreeDepth]float32
}
