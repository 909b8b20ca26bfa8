package learn

import (
	"math"

	"satnav/recommend"
)

// How trees are grown: each adds a part of what it finds (rate), from half of the rows in turns, so that
// many trees share what one would learn by heart (Friedman 2002, stochastic gradient boosting).
const (
	maxTrees  = 48
	rate      = 0.2
	stretch   = 1 << 10 // rows that are drawn or left out together
	leafRidge = 300.0   // weight that draws a leaf to nothing, in units of the likelihood's curvature
	leastGain = 1e-3    // less is chance
)

// gradient is the likelihood's first and second derivative in one row, or summed over rows.
type gradient struct{ first, second float32 }

// boost grows trees one after the other on what the blend's tables leave open. A tree asks the same
// question of all candidates at each depth: the one that tells the most apart, over all its leaves.
func (r *rows) boost(l *recommend.Layout, b *recommend.Blend) []recommend.Tree {
	n := len(r.weight)
	margin := make([]float32, n)
	r.each(func(from, to int) {
		for i := from; i < to; i++ {
			margin[i] = b.Bias
		}
	})
	for t := range b.Tables {
		r.add(l, t, b.Tables[t], margin)
	}
	slopes := make([]gradient, n)
	leaf := make([]uint8, n)
	var trees []recommend.Tree
	for k := range maxTrees {
		r.each(func(from, to int) {
			for i := from; i < to; i++ {
				p := logistic(margin[i])
				y := float32(0)
				if r.bought[i] {
					y = 1
				}
				slopes[i] = gradient{r.weight[i] * (y - p), r.weight[i] * p * (1 - p)}
				leaf[i] = 0
			}
		})
		tree, ok := r.grow(l, slopes, leaf, scatter(uint64(k)+1))
		if !ok {
			break
		}
		trees = append(trees, tree)
		r.each(func(from, to int) {
			for i := from; i < to; i++ {
				margin[i] += tree.Values[1<<recommend.TreeDepth+int(leaf[i])]
			}
		})
	}
	return trees
}

// drawn tells whether the rows of a stretch are looked at for a tree.
func drawn(dice uint64, at int) bool { return scatter(dice^uint64(at))&1 == 0 }

// grow makes one tree; leaf ends as the leaf of each row.
func (r *rows) grow(l *recommend.Layout, slopes []gradient, leaf []uint8, dice uint64) (tree recommend.Tree, ok bool) {
	n := len(slopes)
	features := l.Features()
	size := make([]int, features)
	for f := range size {
		size[f] = l.Size(f)
	}
	for depth := range recommend.TreeDepth {
		leaves := 1 << depth
		var sums [parts][][]gradient // by feature: leaf × bucket
		inParts(func(part int) {
			sum := make([][]gradient, features)
			for f := range sum {
				sum[f] = make([]gradient, leaves*size[f])
			}
			from, to := part*n/parts, (part+1)*n/parts
			for at := from; at < to; at += stretch {
				if !drawn(dice, at) {
					continue
				}
				end := min(at+stretch, to)
				rows, in := slopes[at:end], leaf[at:end]
				for f := range features {
					column, sum, width := r.features[f][at:end], sum[f], size[f]
					for i := range rows {
						s := &sum[int(in[i])*width+int(column[i])]
						s.first += rows[i].first
						s.second += rows[i].second
					}
				}
			}
			sums[part] = sum
		})
		best, feature, split := 0.0, 0, 0
		for f := range features {
			all := sums[0][f]
			for part := 1; part < parts; part++ {
				for i, s := range sums[part][f] {
					all[i].first += s.first
					all[i].second += s.second
				}
			}
			width := size[f]
			gains := make([]float64, width)
			for leaf := range leaves {
				var whole, low gradient64
				for _, s := range all[leaf*width : (leaf+1)*width] {
					whole.add(s)
				}
				for bucket := range width - 1 {
					low.add(all[leaf*width+bucket])
					gains[bucket] += low.gain() + gradient64{whole.first - low.first, whole.second - low.second}.gain() - whole.gain()
				}
			}
			for bucket, gain := range gains {
				if gain > best {
					best, feature, split = gain, f, bucket
				}
			}
		}
		if best < leastGain {
			if depth == 0 {
				return tree, false
			}
			split = size[feature] // nothing is above: the question asks for nothing
		}
		tree.Features[depth], tree.Above[depth] = uint8(feature), uint8(split)
		r.each(func(from, to int) {
			column := r.features[feature][from:to]
			in := leaf[from:to]
			for i, bucket := range column {
				in[i] <<= 1
				if int(bucket) > split {
					in[i]++
				}
			}
		})
	}
	r.value(&tree, slopes, leaf)
	return tree, true
}

type gradient64 struct{ first, second float64 }

func (g *gradient64) add(s gradient) {
	g.first += float64(s.first)
	g.second += float64(s.second)
}

func (g gradient64) gain() float64 { return g.first * g.first / (g.second + leafRidge) }

// value gives each node of a tree its value: a leaf the Newton step of its rows, a node above the mean
// of what stands below it, by rows.
func (r *rows) value(tree *recommend.Tree, slopes []gradient, leaf []uint8) {
	const leaves = 1 << recommend.TreeDepth
	type sum struct{ first, second, weight float64 }
	var sums [parts][leaves]sum
	n := len(slopes)
	inParts(func(part int) {
		s := &sums[part]
		for i := part * n / parts; i < (part+1)*n/parts; i++ {
			c := &s[leaf[i]]
			c.first += float64(slopes[i].first)
			c.second += float64(slopes[i].second)
			c.weight += float64(r.weight[i])
		}
	})
	var weight [2 * leaves]float64
	for k := range leaves {
		var all sum
		for part := range sums {
			c := sums[part][k]
			all.first += c.first
			all.second += c.second
			all.weight += c.weight
		}
		tree.Values[leaves+k] = float32(rate * math.Max(-3, math.Min(3, all.first/(all.second+leafRidge))))
		weight[leaves+k] = all.weight
	}
	for node := leaves - 1; node > 0; node-- {
		no, yes := weight[2*node], weight[2*node+1]
		weight[node] = no + yes
		if weight[node] > 0 {
			tree.Values[node] = float32((no*float64(tree.Values[2*node]) + yes*float64(tree.Values[2*node+1])) / weight[node])
		}
	}
}
