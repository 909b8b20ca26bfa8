package recommend

import "slices"

// grove is as many trees as fit into three words of answers, four answers a tree, made ready for the path. No tree is walked:
// for each bucket of each feature it is known beforehand which of all questions it answers with yes, so that a candidate's
// answers are the union over its buckets, and each tree's leaf is four bits of it (QuickScorer, Lucchese et al. 2015, asks trees in
// this way; oblivious trees make the answers the leaf itself).
type grove struct {
	asked  []asked              // the features that any tree asks for
	yes    [][groveWords]uint64 // by feature, then bucket
	leaves [groveTrees][1 << TreeDepth]float32
	base   float64 // what every candidate gets
	shares []share // by group
	groups []stretch
}

const (
	groveWords = 3
	wordTrees  = 64 / TreeDepth
	groveTrees = groveWords * wordTrees
	leafMask   = 1<<TreeDepth - 1
)

// asked is a feature that trees ask for, and where its buckets begin.
type asked struct{ feature, offset int32 }

// share is what one tree adds to one group of features, by leaf.
type share struct {
	word, shift uint8 // where the tree's leaf stands
	leaves      [1 << TreeDepth]float32
}

// stretch are the shares of one group.
type stretch struct{ group, from, to int32 }

// newForest makes trees ready; they must fit the layout.
func newForest(l *Layout, trees []Tree) (forest []grove) {
	for some := range slices.Chunk(trees, groveTrees) {
		forest = append(forest, newGrove(l, some))
	}
	return forest
}

func newGrove(l *Layout, trees []Tree) (g grove) {
	for f := range l.scales {
		a := asked{int32(f), int32(len(g.yes))}
		for bucket := range l.Size(f) {
			var yes [groveWords]uint64
			for k := range trees {
				for d, asks := range trees[k].Features {
					if int(asks) == f && bucket > int(trees[k].Above[d]) {
						yes[k/wordTrees] |= 1 << (TreeDepth*(k%wordTrees) + TreeDepth - 1 - d)
					}
				}
			}
			g.yes = append(g.yes, yes)
		}
		if slices.ContainsFunc(g.yes[a.offset:], func(yes [groveWords]uint64) bool { return yes != [groveWords]uint64{} }) {
			g.asked = append(g.asked, a)
		} else {
			g.yes = g.yes[:a.offset]
		}
	}
	var byGroup [groups][]share
	for k := range trees {
		t := &trees[k]
		g.base += float64(t.Values[1])
		copy(g.leaves[k][:], t.Values[1<<TreeDepth:])
		var mine [groups]*share
		for leaf := range 1 << TreeDepth {
			n := 1
			for d, f := range t.Features {
				below := n<<1 | leaf>>(TreeDepth-1-d)&1
				group := l.scales[f].group
				if mine[group] == nil {
					mine[group] = &share{word: uint8(k / wordTrees), shift: uint8(TreeDepth * (k % wordTrees))}
				}
				mine[group].leaves[leaf] += t.Values[below] - t.Values[n]
				n = below
			}
		}
		for group, s := range mine {
			if s != nil {
				byGroup[group] = append(byGroup[group], *s)
			}
		}
	}
	for group, shares := range byGroup {
		if len(shares) > 0 {
			g.groups = append(g.groups, stretch{int32(group), int32(len(g.shares)), int32(len(g.shares) + len(shares))})
			g.shares = append(g.shares, shares...)
		}
	}
	return g
}

// answers are a candidate's answers to all questions.
func (g *grove) answers(r *row) (a [groveWords]uint64) {
	for _, f := range g.asked {
		yes := &g.yes[f.offset+int32(r[f.feature&(maxFeatures-1)])]
		a[0] |= yes[0]
		a[1] |= yes[1]
		a[2] |= yes[2]
	}
	return a
}

// sum is what all trees say of a candidate.
func (g *grove) sum(r *row) float64 {
	a := g.answers(r)
	// Three sums side by side, so that none waits for another.
	var first, second, third float64
	for k := range wordTrees {
		first += float64(g.leaves[k][a[0]&leafMask])
		second += float64(g.leaves[k+wordTrees][a[1]&leafMask])
		third += float64(g.leaves[k+2*wordTrees][a[2]&leafMask])
		a[0] >>= TreeDepth
		a[1] >>= TreeDepth
		a[2] >>= TreeDepth
	}
	return first + second + third
}

// contribute adds what the trees add to each group of features.
func (g *grove) contribute(r *row, parts *[groups]float64) {
	a := g.answers(r)
	parts[gBase] += g.base
	for _, group := range g.groups {
		var sum float64
		for i := group.from; i < group.to; i++ {
			s := &g.shares[i]
			sum += float64(s.leaves[a[s.word]>>(s.shift&63)&leafMask])
		}
		parts[group.group] += sum
	}
}
